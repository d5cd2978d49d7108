"""What one explorer has trained the next one takes, and its journal says so."""

from __future__ import annotations

from pathlib import Path

from agent.bench.measure import measure
from agent.bench.shared_engine import SharedEngine
from agent.claude.mock import MockLLM
from agent.explorers.choose import make_explorer
from agent.night.loop import run_night
from agent.night.night import Night, open_night
from agent.replay.whole_run import replay_run
from state.evening import Budget
from state.explorer import Explorer
from state.records import TAKEN_OVER
from tests.agent.conftest import write_campaign
from trainer.engines.contract import Job
from trainer.engines.inline import InlineEngine


class Counting(InlineEngine):
    """An engine that remembers what it was given."""

    def submit(self, jobs: list[Job]) -> list[Job]:
        trained.extend(job.run_id for job in jobs)
        return super().submit(jobs)


trained: list[str] = []


def night(file: Path, folder: Path, explorer: Explorer) -> tuple[Night, int]:
    trained.clear()
    run = open_night(file, folder / explorer, explorer == "rules", explorer)
    engine = SharedEngine(Counting(run.campaign.surrogate), folder / "trained", explorer)
    llm = MockLLM() if explorer == "rules" else make_explorer(run.campaign, explorer)
    run_night(run, llm, engine, lambda *_: None, Budget(max_batches=3))
    run.derived.flush()
    run.close()
    return run, len(trained)


def test_the_baseline_is_trained_once_and_the_journal_says_for_whom(tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "c.yaml", policy={"baseline_runs": 8}, surrogate={"failure_share": 0.0})
    rules, first = night(file, tmp_path, "rules")
    random, second = night(file, tmp_path, "random")
    # Beside the baseline both replicates of batch 3 have the same config and seeds.
    assert (first, second) == (12, 2)
    for number in range(1, 9):
        one, other = (run.history.iterations[number].result for run in (rules, random))
        assert one is not None
        assert other is not None
        assert (one.metrics, one.run_id) == (other.metrics, other.run_id)
        assert TAKEN_OVER not in one.device
        assert other.device == f"none{TAKEN_OVER}rules"
    last = random.history.iterations[9].result
    assert last is not None
    assert TAKEN_OVER not in last.device
    assert replay_run(random.paths.root).passed
    found = measure(random.paths, 3)
    assert 0 < found.paid_hours < found.gpu_hours
    assert measure(rules.paths, 3).paid_hours == measure(rules.paths, 3).gpu_hours


def test_a_run_that_failed_is_shared_with_nobody(tmp_path: Path) -> None:
    file = write_campaign(tmp_path / "c.yaml", policy={"baseline_runs": 8}, surrogate={"failure_share": 0.5})
    rules, _ = night(file, tmp_path, "rules")
    failed = sum(rules.history.iterations[n].result.failure is not None for n in range(1, 9))  # type: ignore[union-attr]
    assert failed > 0
    assert night(file, tmp_path, "random")[1] >= failed
