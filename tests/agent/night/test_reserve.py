"""A disk that fills, for real: a small tmpfs, filled at each of the loop's steps and while Claude writes."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.claude.mock import MockLLM
from agent.claude.protocol import Completion
from agent.night.loop import run_night
from agent.night.night import Night, open_night
from agent.night.reserve import Reserve
from agent.replay.whole_run import replay_run
from state.evening import Budget
from state.journal import Record, read_records
from tests.agent.conftest import play, write_campaign
from trainer.engines.inline import InlineEngine

BATCHES = 2


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", place], check=False)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(disk: Path) -> None:
    """Leave not a byte."""
    with (disk / "junk").open("wb", buffering=0) as file:
        for size in (65536, 4096, 512, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue


class Paid(MockLLM):
    """Counts what was paid for; ``writing`` happens while the reply to request number ``at`` is being written."""

    def __init__(self, at: int = -1, writing: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.at, self.writing, self.prompts = at, writing, list[str]()

    def complete(self, *arguments: Any) -> Completion:
        self.prompts.append(arguments[0].text)
        if len(self.prompts) - 1 == self.at:
            self.writing()
        return super().complete(*arguments)


def drive(night: Night, llm: Paid, watch: Callable[[Record], None] = lambda record: None) -> None:
    night.observers.append(watch)
    try:
        run_night(night, llm, InlineEngine(), lambda *_: None, Budget(max_batches=BATCHES))
    finally:
        night.close()


def finish(disk: Path, file: Path, llm: Paid, whole: Path) -> None:
    """Free the space, go on to the end, and hold the night against an undisturbed one."""
    (disk / "junk").unlink(missing_ok=True)
    llm.at = -1
    night = play(file, disk / "r", BATCHES, llm)
    assert (night.paths.log).read_bytes() == (whole / "analysis.md").read_bytes()
    assert len(llm.prompts) == len(set(llm.prompts)) == BATCHES + 1, "each prompt is paid for once"
    asked = [record for record in read_records(night.paths.journal) if record.type == "prompt_rendered"]
    assert len(asked) == BATCHES + 1
    assert not night.paths.reserve.exists()
    assert replay_run(disk / "r").passed


@pytest.mark.parametrize("at", range(BATCHES + 1))
def test_a_disk_that_fills_while_claude_writes_costs_no_second_request(at: int, disk: Path, tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "c.yaml")
    play(file, tmp_path / "whole", BATCHES)
    llm = Paid(at, lambda: fill(disk))
    with pytest.raises(OSError, match="No space left"):
        drive(open_night(file, disk / "r", dry_run=True), llm)
    assert len(llm.prompts) == at + 1
    finish(disk, file, llm, tmp_path / "whole")


def test_a_disk_that_fills_at_any_step_of_the_loop_costs_nothing_twice(disk: Path, tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "c.yaml")
    play(file, tmp_path / "whole", BATCHES)
    records = sum(1 for _ in read_records(tmp_path / "whole" / "journal.jsonl"))
    stopped = 0
    for step in range(1, records):
        llm, seen = Paid(), [0]

        def watch(record: Record, step: int = step, seen: list[int] = seen) -> None:
            seen[0] += 1
            if seen[0] == step:
                fill(disk)

        night = open_night(file, disk / "r", dry_run=True)
        # The last steps may need no more room.
        with contextlib.suppress(OSError):
            drive(night, llm, watch)
        stopped += night.history.committed < BATCHES
        finish(disk, file, llm, tmp_path / "whole")
        subprocess.run(["rm", "-rf", disk / "r"], check=True)
    assert stopped > records - 5


def test_without_room_nothing_is_asked(disk: Path, tmp_path: Path) -> None:
    file, llm = write_campaign(tmp_path / "c.yaml"), Paid()
    night = open_night(file, disk / "r", dry_run=True)
    (disk / "junk").write_bytes(b"x" * (os.statvfs(disk).f_bavail * 4096 - 100_000))
    with pytest.raises(OSError, match=r"No space left on device: .*reply\.reserved"):
        drive(night, llm)
    assert llm.prompts == []
    play(file, tmp_path / "whole", BATCHES)
    finish(disk, file, llm, tmp_path / "whole")


def test_a_kept_reply_is_of_one_prompt_only(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reply.reserved")
    assert reserve.found("a") is None
    reserve.prepare(1000)
    assert reserve.found("a") is None
    reserve.keep("a", {"reply": "x", "seconds": 1.0}, "the text")
    assert reserve.found("a") == ({"reply": "x", "seconds": 1.0}, "the text")
    assert reserve.found("b") is None
    (tmp_path / "reply.reserved").write_bytes(b"[1]\n")
    assert reserve.found("a") is None
    reserve.clear()
    reserve.clear()
