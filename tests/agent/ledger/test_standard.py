"""Runs of standard training beside the two-stage baseline: planned by the program, compared, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from agent.briefing.context import build_context
from agent.claude.mock import answer
from agent.commands.status import describe
from agent.guard.acceptance import accepted_data
from agent.ledger.policy import demand
from agent.ledger.standard import standard_lines, standard_words
from agent.ledger.standing import standing
from agent.night.ask import _nothing
from agent.night.night import Night
from agent.replay.whole_run import replay_run
from agent.report.learned import best_config, failures
from agent.report.write import write_report
from prompts.render import render_prompt, render_system
from state.campaign import Campaign, load_campaign
from state.errors import ConfigError
from state.schema import validate
from state.shapes import why_useless
from tests.agent import conftest
from tests.agent.conftest import write_campaign
from tests.agent.guard.replies import edit, good, settled, verdict
from tests.agent.test_cli import here
from trainer.engines.inline import InlineEngine
from ucb.log import read_log
from ucb.score import parse_scores

BLOCK_1 = {"baseline_runs": 4, "baseline_standard": 4}


def campaign_file(path: Path, **changes: Any) -> Path:
    """Two-stage training is better by 0.2 in V_rest_R2 and alike in the others; block 1 holds both baselines."""
    usual = {"policy": BLOCK_1, "search": {"n_iter_block": 8}}
    changes = usual | {"surrogate": {"standard_loss": 0.2, "failure_share": 0}} | changes
    return write_campaign(path, **changes)


def play(file: Path, root: Path, batches: int) -> Night:
    """`conftest.play` on the surface of the campaign."""
    return conftest.play(file, root, batches, engine=InlineEngine(load_campaign(file).surrogate))


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """Baseline, standard training, and four batches of exploring; to be read only."""
    root = tmp_path_factory.mktemp("standard")
    return play(campaign_file(root / "c.yaml"), root / "run", 6)


def nodes(night: Night) -> list[int]:
    return [number for number, it in night.history.iterations.items() if it.planned.role == "standard-baseline"]


@pytest.mark.parametrize(
    ("runs", "standard", "planned", "baseline", "slots"),
    [
        (12, 4, 0, True, []),
        (12, 4, 8, True, []),
        (12, 4, 12, True, [0, 1, 2, 3]),
        (12, 4, 16, False, []),
        (12, 0, 12, False, []),
        (12, 6, 16, True, [0, 1]),
        (6, 2, 4, True, [2, 3]),
        (1, 1, 0, True, [1]),
    ],
)
def test_they_follow_the_baseline(runs: int, standard: int, planned: int, baseline: bool, slots: list[int]) -> None:
    """The slots of four that are left, if any, are baselines as well."""
    policy = {"baseline_runs": runs, "baseline_standard": standard}
    explorable = {"training.alternate_joint_ratio": {"choices": [0.2, 0.4]}}
    campaign = validate(Campaign, {"name": "t", "explorable": explorable, "policy": policy}, "c.yaml")
    want = demand(campaign, planned, [])
    assert (want.baseline, want.standard) == (baseline, slots)


def test_they_are_the_defaults_in_standard_training_on_the_baselines_data(night: Night) -> None:
    assert nodes(night) == [5, 6, 7, 8]
    base = night.campaign.base_config()
    planned = [night.history.iterations[number].planned for number in nodes(night)]
    for one in planned:
        assert (one.parent, one.config_id) == (None, "S1")
        config = night.views.config(night.history.iterations[one.iteration])
        assert config.replaced({"training.alternate_training": True}).identity() == base.identity()
        assert not config.training.alternate_training
    baseline = [night.history.iterations[number].planned for number in range(1, 5)]
    assert [one.simulation_seed for one in planned] == [one.simulation_seed for one in baseline]
    assert not {one.training_seed for one in planned} & {one.training_seed for one in baseline}


def test_they_are_no_part_of_the_search(night: Night) -> None:
    context = build_context(night)
    assert "S1" not in night.views.table
    assert [view.config_id for view in context.configs if view.config_id.startswith("S")] == []
    assert len(night.views.table["C1"].runs) == 4 + sum(
        it.planned.config_id == "C1" for number, it in night.history.iterations.items() if number > 8
    )
    assert {it.planned.parent for it in night.history.iterations.values()}.isdisjoint(nodes(night))
    names = list(dict.fromkeys(it.planned.config_id for it in night.history.iterations.values()))
    assert names[:4] == ["C1", "S1", "C2", "C3"], "it takes no number from the others"
    assert "S1" not in context.variance_table
    assert {score.node for score in night.views.scores(1).scores} == {1, 2, 3, 4}
    assert standing(night.views, "S1") == "standard training"
    assert not any(pair for pair in context.comparisons if "S1" in (pair.config_id, pair.against))
    assert "S1" not in {one.config_id for one in context.demand.short}


def test_the_comparison_is_paired_and_stands_in_prompt_report_status_and_lines(night: Night) -> None:
    lines = standard_lines(night.views)
    assert lines[0].startswith("Standard training (S1): 4 of 4 runs finished, 0 of 4 bad")
    vrest = next(line for line in lines if "V_rest_R2" in line)
    assert "C1 against standard training: V_rest_R2: ahead over 4 common data seeds, difference +0.2" in vrest, (
        "0.2, but for the noise"
    )
    assert next(line for line in lines if " tau_R2" in line).count("not distinguishable over 4 common data seeds") == 1
    prompt = render_prompt(build_context(night))
    assert "# Two-stage against standard training" in prompt
    assert all(f"- {line}\n" in prompt for line in lines)
    assert "| 5 | S1 | standard training | 1001/500005 |" in prompt
    assert "4 runs of standard training after the baseline" in render_system(build_context(night))
    assert describe(night.paths, night)["standard"] == lines
    page = write_report(night.paths.root).read_text()
    assert "<h3>Two-stage against standard training</h3>" in page
    assert all(line in page for line in lines)
    assert standard_words(night.views) in best_config(night)
    assert "V_rest_R2 +0.2" in standard_words(night.views)
    changed = [it.planned for it in night.history.iterations.values() if it.planned.changes]
    judged = len(changed) - len(nodes(night))
    assert f"of {judged} mutations judged by Claude" in failures(night), "a reserved run is no mutation of Claude's"


def test_the_log_names_them_and_all_of_it_replays_and_passes_the_auditor(night: Night) -> None:
    text = night.paths.log.read_text()
    entries = {written.entry.iteration: written.entry for written in read_log(text)}
    for number in nodes(night):
        assert (entries[number].role, entries[number].parent) == ("standard-baseline", None)
        assert entries[number].mutation == "alternate_training: True -> False"
        assert entries[number].variance_update.startswith(f"S1 now has {number - 4} run")
    assert "Next: parent=root" in text.split("## Iter 2:")[0]
    assert replay_run(night.paths.root).passed
    scores = night.paths.snapshot("ucb_scores.txt", 1)
    assert {score.node for score in parse_scores(scores.read_text()).scores} == {1, 2, 3, 4}
    code, out, _ = here("audit", night.paths.log, "--ucb-scores", scores)
    assert (code, "0 errors, 0 warnings, 0 notes" in out) == (0, True), out


def test_no_proposal_builds_on_one(night: Night) -> None:
    reply = good(night)
    edit(parent=6, role="replicate", edits=[], mutation="[none] — robustness re-run of Node 6")(reply)
    assert ("parent_standard", 0) in verdict(night, reply)
    assert settled(night, reply)["proposals"][0]["parent"] not in nodes(night)


def test_what_is_proposed_for_the_programs_slots_is_no_matter(tmp_path: Path) -> None:
    night = play(campaign_file(tmp_path / "c.yaml"), tmp_path / "r", 1)
    context = build_context(night).model_copy(update={"last_batch": False})
    assert context.demand.standard == [0, 1, 2, 3]
    assert "Reserved for the program: slots 0, 1, 2, 3." in render_prompt(context)
    reply = answer(context)
    nonsense = {"role": "exploit", "parent": 99, "mutation": "x: 1 -> 2", "simulation_seed": -1, "hypothesis": ""}
    for slot in context.demand.standard:
        reply[f"slot_{slot}"]["proposal"] |= nonsense
    assert verdict(night, reply) == []
    found = settled(night, reply)
    assert [one["role"] for one in found["proposals"]] == ["standard-baseline"] * 4
    assert found["fallbacks"] == {}
    reply["slot_0"]["entry"]["observation"] = ""
    assert [slot for _, slot in verdict(night, reply)] == [0], "the entries are looked at as ever"


def test_no_reply_at_all_still_counts_as_of_no_use(tmp_path: Path) -> None:
    night = play(campaign_file(tmp_path / "c.yaml"), tmp_path / "r", 1)
    context = build_context(night)
    found = accepted_data(night, context, None, _nothing(context, "unreachable", "timeout", "a reply"))
    assert [one["role"] for one in found["proposals"]] == ["standard-baseline"] * 4
    assert "timeout" in why_useless(found)


def test_an_evening_that_ends_before_them_goes_on_with_them(tmp_path: Path) -> None:
    file = campaign_file(tmp_path / "c.yaml")
    whole = play(file, tmp_path / "whole", 3)
    play(file, tmp_path / "parts", 1)
    play(file, tmp_path / "parts", 2)
    parts = play(file, tmp_path / "parts", 3)
    assert nodes(parts) == nodes(whole) == [5, 6, 7, 8]
    planned = [[it.planned for it in run.history.batch(2)] for run in (whole, parts)]
    assert planned[0] == planned[1]
    assert replay_run(tmp_path / "parts").passed


def test_they_share_a_batch_with_the_baselines_left(tmp_path: Path) -> None:
    policy = {"baseline_runs": 6, "baseline_standard": 4}
    night = play(campaign_file(tmp_path / "c.yaml", policy=policy), tmp_path / "r", 4)
    roles = [it.planned.role for it in night.history.iterations.values()]
    assert roles[4:12] == ["baseline"] * 2 + ["standard-baseline"] * 4 + ["baseline"] * 2
    seeds = [night.history.iterations[number].planned.simulation_seed for number in nodes(night)]
    assert seeds == [1001, 1002, 1003, 1004]
    assert replay_run(tmp_path / "r").passed


def test_data_on_which_the_baseline_recovered_comes_first(tmp_path: Path) -> None:
    surrogate = {"failure_share": 0.4, "standard_loss": 0.1}
    policy = {"baseline_runs": 8, "baseline_standard": 4, "max_failed_batches": 9}
    night = play(campaign_file(tmp_path / "c.yaml", surrogate=surrogate, policy=policy), tmp_path / "r", 3)
    results = {it.planned.simulation_seed: it.result for it in map(night.history.iterations.get, range(1, 9)) if it}
    recovered = [seed for seed, result in results.items() if result is not None and result.failure is None]
    assert len(results) > len(recovered) >= 4, "else this test says nothing"
    assert [night.history.iterations[number].planned.simulation_seed for number in nodes(night)] == recovered[:4]


def test_without_them_nothing_changes(tmp_path: Path) -> None:
    plain = play(write_campaign(tmp_path / "c.yaml"), tmp_path / "r", 2)
    none = load_campaign(write_campaign(tmp_path / "n.yaml", policy={"baseline_standard": 0}))
    assert none.identity() == plain.campaign.identity()
    assert "baseline_standard" not in json.dumps(plain.campaign.model_dump())
    context = build_context(plain)
    told = render_prompt(context) + render_system(context)
    assert not re.search(r"\bS1\b|parent_standard|Reserved for the program", told)
    assert standard_lines(plain.views) == []
    assert standard_words(plain.views) == ""


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"training": {"alternate_training": False}}, "all runs of this campaign are of standard training; set"),
        ({"policy": {"baseline_runs": 2, "baseline_standard": 4}}, "has only 2 runs whose data they could share"),
        ({"policy": {"baseline_standard": -1}}, "baseline_standard"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_a_sentence(changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        load_campaign(campaign_file(tmp_path / "c.yaml", **changes))
    assert "\n" not in str(caught.value)
