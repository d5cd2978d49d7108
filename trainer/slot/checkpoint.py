"""The checkpoint of a training: one file, whole or absent, of this config or ignored."""

from __future__ import annotations

import io
import pickle
import struct
import sys
import time
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from state.files import sha256, write_atomic
from state.records import TrajectoryPoint
from trainer.fit.schedule import BLOCK
from trainer.fit.training import State

if TYPE_CHECKING:
    from trainer.fly.connectome import Connectome

EVERY_S = 120.0
FORMAT = 1
# Errors of reading a file that is no whole checkpoint: from the archive, the pickle, or the fields.
UNREADABLE = (
    OSError,
    RuntimeError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    EOFError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
    pickle.UnpicklingError,
)


@dataclass(frozen=True)
class Checkpoint:
    """Training between two blocks: the state of `fit`, the rows measured so far, and the seconds spent so far."""

    state: State
    trajectory: list[TrajectoryPoint]
    seconds: float


@dataclass(frozen=True)
class Owner:
    """What a checkpoint must agree with to be continued, beside its format.

    ``truth`` digests the true parameters and names the stimulus: a config may say `auto` and mean other data tomorrow.
    """

    config_hash: str
    truth: str

    @classmethod
    def of(cls, config_hash: str, connectome: Connectome, stimulus: str) -> Owner:
        """The owner that trains ``config_hash`` on these data."""
        arrays = (connectome.source, connectome.target, connectome.weight, connectome.tau, connectome.V_rest)
        return cls(config_hash, sha256(b"".join(x.tobytes() for x in arrays) + stimulus.encode()))


class CheckpointFile:
    """Reads and writes ``path``, at most every ``every_s`` seconds."""

    def __init__(self, path: Path, owner: Owner, run_id: str, every_s: float = EVERY_S) -> None:
        self.path, self._owner, self._run_id, self._every_s = path, owner, run_id, every_s
        self._last = time.monotonic()

    def due(self) -> bool:
        """Whether the last one is old enough."""
        return time.monotonic() - self._last >= self._every_s

    def save(self, state: State, trajectory: Sequence[TrajectoryPoint], seconds: float) -> None:
        """Replace the checkpoint. A full disk or the like is a line on stderr: it must not end a healthy slot."""
        content = {
            **self._head(),
            "run_id": self._run_id,
            "state": {name: _on_cpu(value) for name, value in vars(state).items()},
            "trajectory": [point.model_dump() for point in trajectory],
            "seconds": seconds,
        }
        buffer = io.BytesIO()
        torch.save(content, buffer)
        try:
            write_atomic(self.path, buffer.getvalue())
        except OSError as error:
            print(f"{self.path}: checkpoint not written ({error.strerror}); training goes on", file=sys.stderr)
        self._last = time.monotonic()

    def load(self) -> Checkpoint | None:
        """The checkpoint to continue; None when there is none, or, with a line on stderr, when it cannot be used."""
        try:
            content = torch.load(_checked(self.path.read_bytes()), map_location="cpu", weights_only=True)
            if (reason := self._foreign(content)) is None:
                points = [TrajectoryPoint.model_validate(point) for point in content["trajectory"]]
                return Checkpoint(State(**content["state"]), points, float(content["seconds"]))
        except FileNotFoundError:
            return None
        except UNREADABLE as error:
            reason = f"it is not readable as one: {type(error).__name__}"
        print(f"{self.path}: checkpoint ignored ({reason}); training starts from the beginning", file=sys.stderr)
        return None

    def _head(self) -> dict[str, Any]:
        # With another block length, frames would be drawn and penalties annealed at other iterations.
        return {"format": FORMAT, "block": BLOCK, "config_hash": self._owner.config_hash, "truth": self._owner.truth}

    def _foreign(self, content: Any) -> str | None:
        if not isinstance(content, dict):
            return "it is not a checkpoint"
        wrong = [name for name, value in self._head().items() if content.get(name) != value]
        return f"its {wrong[0]} is another one" if wrong else None


def _checked(data: bytes) -> io.BytesIO:
    """``data`` if its checksums hold: torch does not look at them and would read a flipped bit without a word."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if (name := archive.testzip()) is not None:
            raise zipfile.BadZipFile(name)
    return io.BytesIO(data)


def _on_cpu(value: Tensor | int) -> Tensor | int:
    return value.detach().cpu().clone() if isinstance(value, Tensor) else value
