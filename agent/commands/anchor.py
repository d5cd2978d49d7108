"""`nightfly anchor`: the head of a journal, to be kept where those who run nights cannot change it. Changes no run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from agent.ledger.open_run import open_run
from state.errors import RunError, UserError
from state.journal import utc_now

NOTES = "nightfly"


def anchor(root: Path) -> dict[str, str | int]:
    """Campaign, number of records, time and hash of the last one."""
    run, last = open_run(root), None
    for record in run.records():
        last = record
    if last is None:
        raise RunError(f"{root}: its journal holds no record, so there is nothing to anchor")
    name = run.started()["name"]
    return {"campaign": name, "records": last.seq + 1, "time": last.time, "head": last.hash}


def print_anchor(root: Path, out: Path | None, git_notes: bool, as_json: bool) -> None:
    """Print the anchor; with ``out`` append it to that file as well, with ``git_notes`` to the notes of HEAD here."""
    found = anchor(root)
    line = f"{found['campaign']}: {found['records']} records, {found['time']}, head {found['head']}"
    if out is not None:
        _append(root, out, f"{utc_now()} {line}\n")
    if git_notes:
        _note(line)
    print(json.dumps(found) if as_json else line)


def _append(root: Path, out: Path, line: str) -> None:
    if out.resolve().is_relative_to(root.resolve()):
        raise UserError(f"{out}: lies in the run itself, where it proves nothing; give a file elsewhere")
    with out.open("a", encoding="utf-8") as file:
        file.write(line)


def _note(line: str) -> None:
    command = ["git", "notes", f"--ref={NOTES}", "append", "-m", line, "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError(f"--git-notes: git cannot be run ({type(error).__name__}); use --out FILE instead") from error
    if done.returncode:
        why = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise UserError(f"--git-notes: git refused the note ({why[0]}); call it in a repository, or use --out FILE")
