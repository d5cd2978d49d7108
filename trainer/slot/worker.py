"""The worker: `python -m trainer.slot DIR...` trains what each DIR/config.yaml says, several side by side.

Ends with 0 when all are done, 3 when one failed, 4 when the device failed under several. SIGTERM ends it without a
result, at once or after last checkpoints if that takes no longer than a second. The same command then goes on from the
checkpoints, as does one for each folder alone.
"""

from __future__ import annotations

import json
import math
import sys
from functools import partial
from pathlib import Path
from typing import Any

from state.config import SlotConfig
from state.files import read_yaml
from state.paths import SlotPaths
from state.records import SlotResult
from state.schema import validate
from trainer.engines.contract import STACK_BROKE
from trainer.slot.attempt import Attempt
from trainer.slot.checkpoint import EVERY_S
from trainer.slot.outcome import Rejected
from trainer.slot.progress import Listener
from trainer.slot.stack import Member, Stack


def train_slot(
    config: SlotConfig,
    folder: Path,
    run_id: str,
    config_hash: str,
    progress: Listener | None = None,
    checkpoint_s: float = EVERY_S,
) -> SlotResult:
    """Run one slot and write metrics.log, progress.json, the pictures and, last, result.json into ``folder``.

    Never raises for what goes wrong with the slot: the result then has status failed and a typed failure. Files of an
    earlier attempt are removed first, but for its checkpoint, from which training goes on when it is of this config.
    """
    paths = SlotPaths(folder)
    remove_stale(paths)
    make = partial(Attempt, config, paths, progress, checkpoint_s)
    return _run([Member(paths, run_id, config_hash, make)])[0]


def run_folder(folder: Path) -> SlotResult:
    """Run the job laid down in ``folder``; a config edited since it was planned is refused."""
    return run_folders([folder])[0]


def run_folders(folders: list[Path]) -> list[SlotResult]:
    """Run the jobs laid down in ``folders`` side by side, each as if it were alone."""
    return _run([_member(folder) for folder in folders])


def _run(members: list[Member]) -> list[SlotResult]:
    Stack(members).run()
    # A stack ends when every member has a result.
    return [member.result for member in members if member.result is not None]


def _member(folder: Path) -> Member:
    paths = SlotPaths(folder)
    remove_stale(paths)
    try:
        job = json.loads(paths.job.read_text(encoding="utf-8"))
        run_id, config_hash, every_s = str(job["run_id"]), str(job["config_hash"]), _interval(job)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{paths.job}: not a readable job ({type(error).__name__}); the driver writes it"
        return Member(paths, "", "", partial(_reject, reason))
    return Member(paths, run_id, config_hash, partial(_attempt, paths, job, every_s))


def _attempt(paths: SlotPaths, job: dict[str, Any], every_s: float) -> Attempt:
    config = validate(SlotConfig, read_yaml(paths.config), str(paths.config))
    own = job.get("dataset", config.dataset)
    # A slot with the `dataset` of another would take that one's place.
    if config.dataset != own:
        _reject(f"{paths.config}: dataset {config.dataset!r} is not this slot's, which is {own!r}; do not edit it")
    if config.hash() != job["config_hash"]:
        _reject(f"{paths.config}: changed since it was planned (its hash does not match job.json)")
    return Attempt(config, paths, checkpoint_s=every_s)


def _reject(reason: str) -> Attempt:
    raise Rejected(reason)


def _interval(job: dict[str, Any]) -> float:
    """Seconds between two checkpoints: the job's `checkpoint_s`, if it has one."""
    seconds = float(job.get("checkpoint_s", EVERY_S))
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(seconds)
    return seconds


def remove_stale(paths: SlotPaths) -> None:
    """Remove what an earlier attempt left but its checkpoint, so that nothing old can be read as new."""
    half_written = paths.root.glob(".*.tmp")
    for path in (paths.result, paths.metrics_log, paths.progress, *paths.pictures, *half_written):
        path.unlink(missing_ok=True)


def main(arguments: list[str]) -> int:
    """The worker's command line: the folders of the slots."""
    folders = [Path(argument) for argument in arguments]
    if not folders or not all(folder.is_dir() for folder in folders):
        print("usage: python -m trainer.slot DIR..., where each DIR holds config.yaml and job.json", file=sys.stderr)
        return 2
    stack = Stack([_member(folder) for folder in folders])
    stack.run()
    if stack.broke:
        return STACK_BROKE
    return 0 if all(member.result and member.result.status == "done" for member in stack.members) else 3
