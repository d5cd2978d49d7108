"""One slot: `python -m trainer.slot DIR` trains what DIR/config.yaml says; result.json is written last and as a whole.

Ends with 0 when done, 3 when failed; SIGTERM ends it without a result, at once or after a last checkpoint if that takes
no longer than a second. The same command then goes on from the checkpoint.
"""

from __future__ import annotations

import errno
import json
import math
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from state.config import SlotConfig
from state.errors import ConfigError, NightflyError
from state.files import canonical_json, read_yaml, write_atomic
from state.paths import SlotPaths
from state.records import Failure, FailureKind, SlotResult
from state.schema import validate
from trainer.fit.training import TrainingDiverged
from trainer.fly.simulate import SimulationDiverged
from trainer.slot import runtime
from trainer.slot.attempt import Attempt
from trainer.slot.checkpoint import EVERY_S
from trainer.slot.progress import Listener

FULL = (errno.ENOSPC, errno.EDQUOT)


class Rejected(NightflyError):
    """The folder does not hold the job that was planned."""


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
    return _guarded(
        paths, run_id, config_hash, lambda: Attempt(config, paths, progress, checkpoint_s).run(run_id, config_hash)
    )


def run_folder(folder: Path) -> SlotResult:
    """Run the job laid down in ``folder``; a config edited since it was planned is refused."""
    paths = SlotPaths(folder)
    remove_stale(paths)
    try:
        job = json.loads(paths.job.read_text(encoding="utf-8"))
        run_id, config_hash, every_s = str(job["run_id"]), str(job["config_hash"]), _interval(job)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{paths.job}: not a readable job ({type(error).__name__}); the driver writes it"
        return _finish(paths, _failed("", "", "rejected", reason))

    def attempt() -> SlotResult:
        config = validate(SlotConfig, read_yaml(paths.config), str(paths.config))
        _refuse_foreign(paths, config.dataset, job.get("dataset", config.dataset))
        if config.hash() != config_hash:
            raise Rejected(f"{paths.config}: changed since it was planned (its hash does not match job.json)")
        return Attempt(config, paths, checkpoint_s=every_s).run(run_id, config_hash)

    return _guarded(paths, run_id, config_hash, attempt)


def _refuse_foreign(paths: SlotPaths, found: str, own: object) -> None:
    """A slot with the `dataset` of another would take that one's place."""
    if found != own:
        raise Rejected(f"{paths.config}: dataset {found!r} is not this slot's, which is {own!r}; do not edit it")


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


def _guarded(paths: SlotPaths, run_id: str, config_hash: str, attempt: Callable[[], SlotResult]) -> SlotResult:
    try:
        result = attempt()
    except NightflyError as error:
        result = _failed(run_id, config_hash, _kind(error), str(error))
    except Exception as error:  # noqa: BLE001 - the worker's boundary: whatever happened must reach result.json
        traceback.print_exc()
        kind: FailureKind = "out_of_memory" if runtime.is_out_of_memory(error) else "crashed"
        if isinstance(error, OSError) and error.errno in FULL:
            kind = "disk_full"
        result = _failed(run_id, config_hash, kind, f"{type(error).__name__}: {error}")
    return _finish(paths, result)


def _kind(error: NightflyError) -> FailureKind:
    if isinstance(error, Rejected):
        return "rejected"
    if isinstance(error, TrainingDiverged | SimulationDiverged):
        return "diverged"
    return "invalid_config" if isinstance(error, ConfigError) else "crashed"


def _failed(run_id: str, config_hash: str, kind: FailureKind, message: str) -> SlotResult:
    line = " ".join(message.split())[:500]
    print(f"{kind}: {line}", file=sys.stderr)
    failure = Failure(kind=kind, message=line)
    return SlotResult(run_id=run_id, config_hash=config_hash, status="failed", failure=failure)


def _finish(paths: SlotPaths, result: SlotResult) -> SlotResult:
    write_atomic(paths.result, canonical_json(result.model_dump()) + "\n")
    # A training that was no fault of the config's own goes on where it stood.
    if result.failure is None or not result.failure.blameless:
        paths.checkpoint.unlink(missing_ok=True)
    return result


def main(arguments: list[str]) -> int:
    """The worker's command line: one argument, the slot's folder."""
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print("usage: python -m trainer.slot DIR, where DIR holds config.yaml and job.json", file=sys.stderr)
        return 2
    return 0 if run_folder(Path(arguments[0])).status == "done" else 3
