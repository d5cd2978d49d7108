"""`nightfly rebuild`: write every derived file of a run anew from journal and blobs."""

from __future__ import annotations

from pathlib import Path

from agent.ledger.open_run import open_run
from agent.night.derived import read_ledger
from agent.night.plan import write_configs
from agent.report.write import write_report
from state.lock import DriverLock


def rebuild(root: Path) -> list[Path]:
    """Write every derived file of the run in ``root``, from the log to the report, and return their paths.

    Equal journals give equal bytes. A log that someone changed is kept aside. RunError while a driver is at work,
    for a damaged journal, and for a missing blob.
    """
    paths = open_run(root).paths
    lock = DriverLock(paths.lock)
    try:
        ledger, derived = read_ledger(paths)
        written = list(derived.contents())
        derived.flush(draw=True, refuse_edits=False)
        written.append(write_report(root))
        written += [*write_configs(ledger, paths), *([paths.tree_picture] if ledger.history.iterations else [])]
    finally:
        lock.release()
    return written


def print_rebuild(root: Path) -> None:
    """Rebuild and say what was written."""
    written = rebuild(root)
    print(f"{root}: wrote {len(written)} files anew from the journal: {', '.join(_names(root, written))}")


def _names(root: Path, written: list[Path]) -> list[str]:
    names = [str(path.relative_to(root)) for path in written]
    return names if len(names) <= 12 else [*names[:11], f"and {len(names) - 11} more"]
