"""A finished night whose slots also leave the files that a real slot leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.claude.mock import MockLLM
from agent.night.loop import run_night
from agent.night.night import open_night
from state.evening import Budget
from state.paths import SlotPaths
from tests.agent.conftest import write_campaign
from trainer.engines.contract import Job
from trainer.engines.inline import InlineEngine


class WritingEngine(InlineEngine):
    """The surrogate, with a metrics.log and pictures."""

    def submit(self, jobs: list[Job]) -> list[Job]:
        for job in jobs:
            paths = SlotPaths(job.folder)
            paths.metrics_log.write_text(f"epoch,iteration\n0,{len(job.run_id)}\n")
            for number, picture in enumerate(paths.pictures):
                picture.write_bytes(b"\x89PNG" + job.run_id.encode() + bytes([number]))
        return super().submit(jobs)


def play(root: Path, batches: int = 3) -> Path:
    """A surrogate night of ``batches`` batches in ``root``, with pictures in its prompts."""
    file = write_campaign(root.parent / "campaign.yaml", claude={"pictures": True})
    night = open_night(file, root, dry_run=True)
    try:
        run_night(night, MockLLM(), WritingEngine(), lambda *_: None, Budget(max_batches=batches))
        night.derived.flush(draw=True)
    finally:
        night.close()
    return root


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A night that the tests of one module read and never change."""
    return play(tmp_path_factory.mktemp("night") / "run")
