"""`nightfly import`: reads what another program began and opens a run that goes on from there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from agent.audit.files import read_file
from agent.audit.findings import ranges
from agent.night.night import open_night
from agent.predecessor.file_names import WANTED, node_of
from agent.predecessor.imported import Sources, imported_data
from state.campaign import load_campaign
from state.errors import RunError, UserError
from state.files import sync_folder
from state.paths import RunPaths
from state.shapes import RunImported

LARGEST = 16 * 2**20
_REASONS = 12


def import_run(
    log: Path,
    campaign: Path,
    memory: Path | None,
    configs: Path | None,
    runs_dir: Path,
    dry_run: bool,
    use_metrics: bool = False,
) -> None:
    """Open RUNS_DIR/NAME with the nodes of ``log`` and say what became of them."""
    root, data = open_imported(log, campaign, memory, configs, runs_dir, dry_run, use_metrics)
    for line in summary(root, data):
        print(line)
    where = "" if runs_dir == Path("runs") else f" --runs-dir {runs_dir}"
    print(f"Go on with: nightfly run {campaign}{where}{' --dry-run' if dry_run else ''}")


def open_imported(
    log: Path,
    campaign: Path,
    memory: Path | None,
    configs: Path | None,
    runs_dir: Path,
    dry_run: bool,
    use_metrics: bool = False,
) -> tuple[Path, RunImported]:
    """The new run directory and the record of what was imported.

    UserError for anything that cannot be used. The run is made under a passing name and moved to its place when it is
    whole, so that no half of one is ever there.
    """
    settings = load_campaign(campaign)
    sources = read_sources(log, memory, configs)
    root = runs_dir / settings.name
    if root.exists():
        raise RunError(f"{root}: exists already; move it away, or give another --runs-dir")
    imported_data(sources, settings, lambda content: "", use_metrics)
    runs_dir.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(dir=runs_dir, prefix=f".{settings.name}.", suffix=".import"))
    try:
        data = _open(campaign, making / settings.name, sources, dry_run, use_metrics)
        os.rename(making / settings.name, root)
        sync_folder(runs_dir)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return root, data


def _open(campaign: Path, root: Path, sources: Sources, dry_run: bool, use_metrics: bool) -> RunImported:
    night = open_night(campaign, root, dry_run)
    try:
        data = imported_data(sources, night.campaign, night.blobs.put, use_metrics)
        night.record("run_imported", data, batch=0)
        night.derived.flush(draw=False)
    finally:
        night.close()
    RunPaths(root).lock.unlink(missing_ok=True)
    return data


def read_sources(log: Path, memory: Path | None, configs: Path | None) -> Sources:
    """The files as they are; UserError for one that is not there or cannot be read."""
    content = read_file(log, "a log such as analysis.md", LARGEST)
    text = None if memory is None else _text(memory, "a memory such as memory.md")
    return Sources(log.name, content, text, {} if configs is None else dict(_configs(configs)))


def _configs(folder: Path) -> Iterator[tuple[str, str]]:
    if not folder.is_dir():
        raise UserError(f"{folder}: is no directory; give --configs a directory of files such as {WANTED}")
    found = sorted([*folder.glob("*.y*ml"), *folder.glob("*/config.yaml")])
    named = [path for path in found if node_of(path.relative_to(folder).as_posix()) is not None]
    if not named:
        raise UserError(f"{folder}: holds no config that is named after its iteration, such as {WANTED}")
    for path in named:
        yield path.relative_to(folder).as_posix(), _text(path, "a YAML file")


def _text(path: Path, want: str) -> str:
    try:
        return read_file(path, want, LARGEST).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 text; give {want}") from error


def summary(root: Path, data: RunImported) -> list[str]:
    """What was imported, in lines: how much of it can be gone on from, and why the rest cannot."""
    nodes, known = data["nodes"], [node for node in data["nodes"] if node["departures"] is not None]
    lines = [
        f"{root}: opened with {len(nodes)} imported nodes of {data['log_name']}, none of their figures verified; "
        f"{len(known)} may be named as parents; the run's own iterations begin at {data['first_iteration']}"
    ]
    if data.get("use_metrics"):
        runs = sum(len(node.get("runs", ())) for node in known)
        lines.append(
            f"{runs} runs that the log states of them help to choose parents, marked `stated, not measured`; no "
            "replicate, interval, trial or verdict counts them"
        )
    by_reason: dict[str, list[int]] = {}
    for node in nodes:
        if node["departures"] is None:
            by_reason.setdefault(node["origin"], []).append(node["id"])
    told = [f"node{'s' if len(ids) > 1 else ''} {ranges(ids)}: {why}" for why, ids in by_reason.items()]
    lines += told[:_REASONS]
    if len(told) > _REASONS:
        lines.append(f"and {len(told) - _REASONS} more reasons; each stands in {RunPaths(root).log}")
    if data["reset"]:
        lines.append(f"set to the campaign's values in what is gone on from: {', '.join(data['reset'])}")
    if data["memory"] is not None:
        lines.append("Claude starts from the predecessor's memory, quoted and marked as such")
    return lines
