"""Real slots take varying minutes and end in any order: the prompts of such a night follow from its journal all the
same, from whatever batch a replay begins."""

from __future__ import annotations

import random

import pytest

from agent.night.night import Night
from agent.replay.whole_run import replay_run
from state.records import SlotResult
from tests.agent.conftest import play, write_campaign
from trainer.engines import inline
from trainer.engines.contract import Ended, Job
from trainer.engines.inline import InlineEngine
from trainer.engines.surrogate import surrogate_result

BATCHES = 9


class AnyOrder(InlineEngine):
    def poll(self) -> tuple[list[Job], list[Ended]]:
        began, ended = super().poll()
        random.Random(len(ended)).shuffle(ended)
        return began, ended[::-1]


def _with_real_minutes(*arguments: object) -> SlotResult:
    result = surrogate_result(*arguments)  # type: ignore[arg-type]
    factor = random.Random(str(arguments[1])).uniform(0.8, 1.3)
    return result.model_copy(update={"seconds": {stage: s * factor for stage, s in result.seconds.items()}})


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    folder = tmp_path_factory.mktemp("night")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inline, "surrogate_result", _with_real_minutes)
        return play(write_campaign(folder / "c.yaml"), folder / "run", BATCHES, engine=AnyOrder())


def test_the_slots_ended_in_another_order_and_took_varying_minutes(night: Night) -> None:
    ended = [n for n, iteration in night.history.iterations.items() if iteration.result is not None]
    order = [run.iteration for name in night.views.table.names() for run in night.views.table[name].runs]
    assert sorted(order) == sorted(ended)
    baseline = [run.iteration for run in night.views.table["C1"].runs]
    assert baseline != sorted(baseline)
    results = (iteration.result for iteration in night.history.iterations.values())
    assert len({result.seconds.get("training") for result in results if result is not None}) > BATCHES


def test_every_run_is_found_in_the_table(night: Night) -> None:
    for number, iteration in night.history.iterations.items():
        found = night.views.table.run(iteration.planned.config_id, number)
        assert found is not None
        assert found.iteration == number


@pytest.mark.parametrize("only", [None, *range(1, BATCHES + 1)])
def test_it_replays_from_every_batch(night: Night, only: int | None) -> None:
    outcome = replay_run(night.paths.root, only=only)
    assert outcome.passed, [outcome.faults, *(batch.faults for batch in outcome.batches.values())]
