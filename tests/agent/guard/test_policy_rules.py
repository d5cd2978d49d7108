"""Rules on baselines and on the time that a larger network would take."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from agent.briefing.context import build_context
from agent.claude.mock import answer
from agent.commands.status import describe
from agent.night.ask import read_reply
from agent.night.night import Night
from prompts.render import render_prompt, render_system
from state.files import dump_yaml, read_yaml, write_atomic
from state.paths import SlotPaths
from state.records import SlotResult
from state.surrogate import SurrogateConfig
from tests.agent.conftest import play, write_campaign
from tests.agent.guard.replies import one_edit, verdict
from trainer.engines.contract import Job
from trainer.engines.inline import InlineEngine


def test_the_baseline_block_accepts_only_baselines(tmp_path: Path) -> None:
    night = play(write_campaign(tmp_path / "c.yaml", policy={"baseline_runs": 8}), tmp_path / "r", 1)
    reply = answer(build_context(night))
    assert verdict(night, reply) == []
    proposal = reply["slot_0"]["proposal"]
    proposal |= {"role": "replicate", "parent": 1, "mutation": "[none] — robustness re-run of Node 1"}
    assert verdict(night, reply) == [("baseline_required", 0)]
    proposal |= {"role": "baseline", "mutation": "[none] — baseline, campaign defaults unchanged"}
    assert verdict(night, reply) == [("baseline_parent", 0)]


def test_baselines_are_on_new_data(tmp_path: Path) -> None:
    night = play(write_campaign(tmp_path / "c.yaml", policy={"baseline_runs": 8}), tmp_path / "r", 1)
    reply = answer(build_context(night))
    reply["slot_0"]["proposal"] |= {"seed_rationale": "same-data-robustness", "simulation_seed": 1001}
    assert verdict(night, reply) == [("baseline_seeds", 0)]


WIDER = {"graph_model.hidden_dim": {"min": 8, "max": 160, "description": "width of g_phi"}}


@pytest.mark.parametrize(("limit", "value", "want"), [(78, 160, 1), (78, 40, 0), (70, 100, 1), (1000, 160, 0)])
def test_no_larger_network_past_the_time_limit(limit: float, value: int, want: int, tmp_path: Path) -> None:
    """The surrogate's defaults take 76 min and a little: over 70, just under 78."""
    file = write_campaign(tmp_path / "c.yaml", explorable=WIDER, policy={"time_limit_min": limit})
    night = play(file, tmp_path / "r", 1)
    reply = answer(build_context(night))
    one_edit("graph_model.hidden_dim", 80, value)(reply)
    assert [code for code, slot in verdict(night, reply) if slot == 0] == ["architecture_time"] * want


def test_baseline_after_its_block_is_refused(night: Night, good: dict[str, Any]) -> None:
    reply = json.loads(json.dumps(good))
    proposal = reply["slot_2"]["proposal"]
    proposal |= {"role": "baseline", "parent": "root", "mutation": "[none] — baseline, campaign defaults unchanged"}
    assert ("baseline_over", 2) in verdict(night, reply)


@pytest.mark.parametrize(
    ("key", "old", "new", "want"),
    [
        ("training.n_epochs", 2, 3, ["predicted_time"]),
        ("training.alternate_joint_ratio", 0.4, 0.3, []),
        ("training.n_epochs", 2, 1, []),
    ],
)
def test_only_what_makes_a_run_longer_is_held_to_the_limit(
    key: str, old: float, new: float, want: list[str], tmp_path: Path
) -> None:
    """The defaults take 76 min, over the limit of 70 already: they may be changed, and made shorter, not longer."""
    explorable = {
        "training.n_epochs": {"choices": [1, 2, 3]},
        "training.alternate_joint_ratio": {"choices": [0.3, 0.4]},
    }
    file = write_campaign(tmp_path / "c.yaml", explorable=explorable, policy={"time_limit_min": 70})
    night = play(file, tmp_path / "r", 1)
    reply = answer(build_context(night))
    one_edit(key, old, new)(reply)
    assert [code for code, slot in verdict(night, reply) if slot == 0] == want


@pytest.mark.parametrize(
    ("explorable", "advice"),
    [
        ({"training.n_epochs": {"choices": [2, 3]}}, "at most 70 min; lower training.n_epochs"),
        (
            {"training.n_epochs": {"choices": [2, 3]}, "training.data_augmentation_loop": {"choices": [20, 25]}},
            "at most 70 min; lower training.data_augmentation_loop or training.n_epochs",
        ),
    ],
)
def test_a_suggestion_names_only_keys_that_may_be_edited(
    explorable: dict[str, Any], advice: str, tmp_path: Path
) -> None:
    file = write_campaign(tmp_path / "c.yaml", policy={"time_limit_min": 70})
    tree = read_yaml(file) | {"explorable": explorable}
    file.write_text(dump_yaml(tree))
    night = play(file, tmp_path / "r", 1)
    context = build_context(night)
    reply = answer(context)
    one_edit("training.n_epochs", 2, 3)(reply)
    _, found = read_reply(night, context, json.dumps(reply))
    assert [violation.allowed for violation in found.violations if violation.slot == 0] == [advice]
    assert f"propose less work ({advice.partition('; ')[2]})" in re.sub(r"\s+", " ", render_system(context))


class LoadedMachine(InlineEngine):
    """Some batches of four find the machine busy: each stage of their slots takes 3.3 times as long."""

    busy: tuple[int, ...] = ()

    def submit(self, jobs: list[Job]) -> list[Job]:
        done = super().submit(jobs)
        for job in jobs:
            path = SlotPaths(job.folder).result
            result = SlotResult.model_validate_json(path.read_text())
            if (int(job.folder.name) - 1) // 4 + 1 in self.busy:
                slow = {stage: 3.3 * seconds for stage, seconds in result.seconds.items()}
                write_atomic(path, result.model_copy(update={"seconds": slow}).model_dump_json() + "\n")
        return done


@pytest.mark.parametrize(("busy", "load"), [((1,), ""), ((2,), "3.3")])
def test_the_load_of_the_machine_refuses_nothing(busy: tuple[int, ...], load: str, tmp_path: Path) -> None:
    """The defaults took 251 and 76 min: three epochs take 114 on the quiet machine, below the limit of 120."""
    explorable = {"training.n_epochs": {"choices": [2, 3]}, **WIDER}
    policy = {"baseline_runs": 8, "time_limit_min": 120}
    file = write_campaign(tmp_path / "c.yaml", explorable=explorable, policy=policy)
    engine = LoadedMachine(SurrogateConfig(failure_share=0))
    engine.busy = busy
    night = play(file, tmp_path / "r", 2, engine=engine)
    context = build_context(night)
    reply = answer(context)
    one_edit("training.n_epochs", 2, 3)(reply)
    assert verdict(night, reply) == []
    one_edit("graph_model.hidden_dim", 80, 90)(reply)
    assert verdict(night, reply) == []
    one_edit("graph_model.hidden_dim", 80, 160)(reply)
    assert verdict(night, reply) == [("architecture_time", 0)]
    told = re.sub(r"\s+", " ", render_prompt(context))
    assert ("This batch took 3.3 times as long as equal work" in told) == bool(load)
    assert [view.minutes for view in context.configs] == [pytest.approx(76.0, abs=0.1)]
    status = describe(night.paths, night)["times"]
    assert status.startswith("a run of the defaults takes 76.0 min")
    assert ("batch 2 took 3.3 times as long as equal work before" in status) == bool(load)
