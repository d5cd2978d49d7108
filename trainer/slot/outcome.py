"""How a slot ends: its typed failure, if it has one, and result.json, written last and as a whole."""

from __future__ import annotations

import errno
import sys
import traceback

from state.errors import ConfigError, NightflyError
from state.files import canonical_json, write_atomic
from state.paths import SlotPaths
from state.records import Failure, FailureKind, SlotResult
from trainer.fit.training import TrainingDiverged
from trainer.fly.simulate import SimulationDiverged
from trainer.slot import runtime

FULL = (errno.ENOSPC, errno.EDQUOT)


class Rejected(NightflyError):
    """The folder does not hold the job that was planned."""


def failed(run_id: str, config_hash: str, kind: FailureKind, message: str) -> SlotResult:
    """The result of a slot without metrics; told on stderr as well."""
    line = " ".join(message.split())[:500]
    print(f"{kind}: {line}", file=sys.stderr)
    failure = Failure(kind=kind, message=line)
    return SlotResult(run_id=run_id, config_hash=config_hash, status="failed", failure=failure)


def failed_by(error: Exception, run_id: str, config_hash: str) -> SlotResult:
    """The result of a slot that ``error`` has ended; what nobody expects leaves its traceback on stderr."""
    if isinstance(error, NightflyError):
        return failed(run_id, config_hash, _kind(error), str(error))
    traceback.print_exception(error)
    kind: FailureKind = "out_of_memory" if runtime.is_out_of_memory(error) else "crashed"
    if isinstance(error, OSError) and error.errno in FULL:
        kind = "disk_full"
    return failed(run_id, config_hash, kind, f"{type(error).__name__}: {error}")


def _kind(error: NightflyError) -> FailureKind:
    if isinstance(error, Rejected):
        return "rejected"
    if isinstance(error, TrainingDiverged | SimulationDiverged):
        return "diverged"
    return "invalid_config" if isinstance(error, ConfigError) else "crashed"


def finish(paths: SlotPaths, result: SlotResult) -> SlotResult:
    """Publish ``result``."""
    write_atomic(paths.result, canonical_json(result.model_dump()) + "\n")
    # A training that was no fault of the config's own goes on where it stood.
    if result.failure is None or not result.failure.blameless:
        paths.checkpoint.unlink(missing_ok=True)
    return result
