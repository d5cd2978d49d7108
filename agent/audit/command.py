"""`nightfly audit`: reads the files, audits, prints."""

from __future__ import annotations

import json
import math
from pathlib import Path

from agent.audit.assume import Given
from agent.audit.audit import Audit, audit
from agent.audit.files import read_file
from agent.audit.report import to_json, to_text
from state.campaign import load_campaign
from state.errors import UserError
from state.files import write_atomic
from state.paths import RunPaths

LARGEST = 256 * 2**20


def audit_file(
    log: Path,
    ucb_scores: Path | None = None,
    as_json: bool = False,
    n_parallel: int | None = None,
    n_iter_block: int | None = None,
    ucb_c: float | None = None,
    page: Path | None = None,
) -> int:
    """Audit ``log`` and print the result: 0 without errors in it, else 1 (also when nothing could be checked).

    ``page`` is an HTML page to write as well. UserError when a file cannot be read or written, or holds no entry (log)
    or no score (score file). The JSON object is described at `agent.audit.report.to_json`.
    """
    if ucb_c is not None and not math.isfinite(ucb_c):
        raise UserError(f"--ucb-c: found {ucb_c}, expected a finite number")
    scores = None if ucb_scores is None else read_file(ucb_scores, "a file such as ucb_scores.txt", LARGEST)
    options = {"n_parallel": n_parallel, "n_iter_block": n_iter_block, "ucb_c": ucb_c}
    given = _beside(log) | {name: (value, "as given") for name, value in options.items() if value is not None}
    data = read_file(log, "a log such as analysis.md", LARGEST)
    result = audit(data, scores, given)
    if not result.entries:
        raise UserError(
            f"{log}: holds no `## Iter N: status` section in {result.lines} lines; give a log such as analysis.md"
        )
    if result.score_file is not None and not result.score_file.stored:
        raise UserError(f"{ucb_scores}: holds no `Node N: UCB=...` line; give a file such as ucb_scores.txt")
    names = str(log), None if ucb_scores is None else str(ucb_scores)
    if page is not None:
        _write_page(page, result, data, names)
    print(json.dumps(to_json(result, *names)) if as_json else to_text(result, *names))
    if page is not None and not as_json:
        print(f"\npage         {page}")
    return 1 if result.failed else 0


def page_name(log: Path) -> Path:
    """Where the page of ``log`` goes unless told otherwise: beside nothing of a run, in the current directory."""
    return Path(f"{log.stem or 'log'}.audit.html")


def _write_page(page: Path, result: Audit, log: bytes, names: tuple[str, str | None]) -> None:
    """Write the page, but over no file that is not one of these pages."""
    from agent.audit.page import MARK, render_audit

    try:
        if page.is_dir():
            raise UserError(f"{page}: is a directory; give --out a file name such as log.audit.html")
        if page.exists():
            with page.open("rb") as file:
                if MARK.encode() not in file.read(200):
                    raise UserError(f"{page}: is there and no page of an audit; give --out another file name")
        write_atomic(page, render_audit(result, log, *names))
    except OSError as error:
        raise UserError(f"{page}: cannot be written ({error.strerror}); give --out a place that can") from error


def _beside(log: Path) -> dict[str, Given]:
    """The settings of the campaign whose run directory the log lies in; empty where there is none."""
    path = RunPaths(log.parent).campaign
    if not path.is_file():
        return {}
    try:
        search = load_campaign(path).search
    except UserError:
        return {}
    values = {"n_parallel": search.n_parallel, "n_iter_block": search.n_iter_block, "ucb_c": search.ucb_c}
    return {name: (value, "from the campaign.yaml beside the log") for name, value in values.items()}
