"""Stated figures against measured ones: true ones at any rounding pass, false ones are found, doubt says nothing."""

from __future__ import annotations

import json
from array import array
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.claude.mock import MockLLM
from agent.claude.protocol import Completion, Prompt
from agent.guard.claims import contradictions, find_claims
from agent.night.night import Night
from agent.replay.whole_run import replay_run
from state.journal import read_records
from tests.agent.conftest import play, write_campaign
from ucb.log import parse_log

WORDS = {
    "connectivity_R2": ["connectivity_R2", "conn_R2", "conn", "connectivity"],
    "tau_R2": ["tau_R2", "tau"],
    "V_rest_R2": ["V_rest_R2", "vrest", "V_rest", "Vrest_R2"],
    "cluster_accuracy": ["cluster_accuracy", "cluster"],
    "test_R2": ["test_R2"],
    "test_pearson": ["test_pearson", "pearson"],
}


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    folder = tmp_path_factory.mktemp("claims")
    return play(write_campaign(folder / "c.yaml"), folder / "r", 4)


def measured(night: Night, iteration: int, metric: str) -> float:
    result = night.history.iterations[iteration].result
    assert result is not None
    value = result.metrics[metric]
    assert value is not None
    return value


def good(night: Night) -> list[int]:
    return [n for n, it in night.history.iterations.items() if it.result and it.result.failure is None]


slow = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@slow
@given(st.data())
def test_true_figures_pass_at_any_rounding_and_others_are_found(night: Night, data: st.DataObject) -> None:
    own, other = data.draw(st.sampled_from(good(night))), data.draw(st.sampled_from(good(night)))
    metric = data.draw(st.sampled_from(sorted(WORDS)))
    word, sign = (
        data.draw(st.sampled_from(WORDS[metric])),
        data.draw(st.sampled_from(["=", " = ", " is ", " of ", "≈", ": "])),
    )
    digits = data.draw(st.integers(2, 6))
    form = data.draw(st.sampled_from(["{claim}", "Node {other}: {claim}", "iter {other} had {claim}, which is good"]))
    about = own if form == "{claim}" else other
    value = measured(night, about, metric)
    text = form.format(claim=f"{word}{sign}{value:.{digits}f}", other=other)
    assert contradictions(text, own, night) == []
    # Other by two units of the last digit or more, wherever that lands; below 0 it would be a difference.
    near = 10.0**-digits * data.draw(st.floats(2, 90))
    path = night.views.courses[about]
    last = path.get(metric, path["tau_R2"])[-1]
    ups = [value + near, value - near, value + 1.5]
    off = data.draw(
        st.sampled_from([number for number in ups if number > 0 and abs(number - last) > 2 * 10.0**-digits])
    )
    wrong = form.format(claim=f"{word}{sign}{off:.{digits}f}", other=other)
    found = contradictions(wrong, own, night)
    assert len(found) == 1, wrong
    assert f"iteration {about}" in found[0]
    assert f"{value:.4f}" in found[0]


@pytest.mark.parametrize(
    "text",
    [
        "conn=0.1 is the goal",
        "better than the parent (conn=0.1)",
        "baseline conn = 0.1, tau = 0.2",
        "conn should stay above 0.1; expected tau = 0.3",
        "C2 has conn = 0.1",
        "Node 3 against Node 4: conn=0.1",
        "from conn=0.1 to conn=0.2",
        "the V_rest phase of 5 minutes, lr_ratio = 0.1, joint_ratio: 0.3 -> 0.4",
        "conn > 0.1, tau_R2 >= 0.2",
        "in the joint phase conn rises; V_rest is low; tau of Dm9 cells",
        "node 999: conn=0.1",
        "conn of 4 slots, tau: +0.02, V_rest = -0.02, cluster = 0.1 to 0.2, conn=0.1-0.2, tau of 0.1/0.2/0.3",
        "slot 2: conn = 0.1",
        "conn is 0.02 higher; tau is 0.01 lower; V_rest: 0.4 more",
        "standard training: conn=0.1; gold conn = 0.2; the usual tau = 0.1",
        "C1 and C2: mean conn=0.1",
        "mean conn=0.1 over all configs",
        "C1 mean conn=0.1 without the failed run; CV(conn_R2)=0.1%",
        "C1 should reach mean conn = 0.1; the goal for C1 is CV(conn_R2)=0.1%",
        "C999 mean conn = 0.1",
    ],
)
def test_what_is_no_clear_claim_is_left_alone(text: str, night: Night) -> None:
    assert contradictions(text, None if text.startswith("conn peak") else good(night)[0], night) == []


def test_peaks_finals_percents_and_spreads_have_their_own_meaning(night: Night) -> None:
    own = good(night)[0]
    path = list(night.views.courses[own]["connectivity_R2"])
    assert contradictions(f"conn peaked at {max(path):.3f}, ended at {path[-1]:.3f}", own, night) == []
    assert len(contradictions(f"conn peaked at {path[0]:.4f}", own, night)) == 1
    accuracy = measured(night, own, "cluster_accuracy")
    assert contradictions(f"cluster = {100 * accuracy:.1f} %", own, night) == []
    assert len(contradictions(f"cluster = {100 * accuracy + 20:.1f} %", own, night)) == 1
    cv = night.views.table["C1"].spreads["connectivity_R2"].cv
    assert cv is not None
    assert contradictions(f"C1: CV(conn_R2)={100 * cv:.1f}%", None, night) == []
    assert len(contradictions(f"C1: CV(conn_R2)={100 * cv + 5:.1f}%", None, night)) == 1


@slow
@given(st.data())
def test_means_and_spreads_of_a_config_are_held_against_the_table(night: Night, data: st.DataObject) -> None:
    stats = data.draw(st.sampled_from([stats for stats in night.views.table.top() if len(stats.runs) > 1]))
    metric = data.draw(st.sampled_from(["connectivity_R2", "tau_R2", "V_rest_R2", "cluster_accuracy"]))
    word, digits = data.draw(st.sampled_from(WORDS[metric])), data.draw(st.integers(2, 5))
    spread = stats.spreads[metric]
    assert spread.mean is not None
    assert spread.cv is not None
    means = ["{c}: mean {w} = {v}", "{w} mean of {v} for {c}", "{c}: {w} mean={v} over its runs"]
    cvs = ["{c}: CV({w})={p}%", "{c} has {w} CV {p} %", "CV of {w} is {p} % for {c}"]
    form = data.draw(st.sampled_from(means + cvs))

    def text(mean: float, cv: float) -> str:
        return form.format(c=stats.config_id, w=word, v=f"{mean:.{digits}f}", p=f"{100 * cv:.{digits}f}")

    assert contradictions(text(spread.mean, spread.cv), 1, night) == []
    assert len(contradictions(text(spread.mean + 2, spread.cv + 2), 1, night)) == 1


def test_what_a_config_had_some_runs_ago_is_old_and_not_false(night: Night) -> None:
    stats = night.views.table["C1"]
    first = [run.metrics["tau_R2"] or 0.0 for run in stats.runs[:2] if run.metrics]
    assert contradictions(f"C1 mean tau_R2 = {sum(first) / len(first):.4f} (2 runs)", None, night) == []


def test_a_peak_is_no_final_value(night: Night) -> None:
    """The surrogate's curves only rise, so the figures are made to fall at the end."""
    own = good(night)[0]
    iteration = night.history.iterations[own]
    assert iteration.result is not None
    whole, path = iteration.result, night.views.courses[own]
    points = array("d", [*path["connectivity_R2"][:-1], 0.5])
    top = max(points)
    iteration.result = whole.model_copy(update={"metrics": whole.metrics | {"connectivity_R2": 0.5}})
    night.views.courses[own] = path | {"connectivity_R2": points}
    try:
        for text in (
            f"conn peak={top:.3f}@joint final=0.500 trend=decaying",
            f"conn peaked at {top:.3f} (joint phase), ended at 0.50",
            f"in the joint phase conn = {top:.3f}",
        ):
            assert contradictions(text, own, night) == []
        for text, wrong in (
            (f"conn = {top:.3f}", 1),
            (f"conn final={top:.3f}", 1),
            ("conn peak=0.500@joint final=0.500", 1),
            (f"conn peak={top:.3f}@joint final={top:.3f}", 1),
            (f"conn peaked at 0.123 (joint phase), ended at {top:.3f}", 2),
        ):
            assert len(contradictions(text, own, night)) == wrong, text
    finally:
        iteration.result, night.views.courses[own] = whole, path


@given(st.text(max_size=300))
def test_any_text_is_read_without_complaint(text: str) -> None:
    list(find_claims(text, 1))


class Boasting(MockLLM):
    """Says in each first reply about batch 2 (or always) that its slot 1 reached 0.999."""

    def __init__(self, always: bool) -> None:
        self.always = always

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        reply = json.loads(super().complete(prompt, schema).text)
        if prompt.context.batch == 2 and (self.always or not prompt.turns):
            reply["slot_1"]["entry"]["observation"] = "A triumph: tau_R2 = 0.123 and more"
            reply["memory"] = reply["memory"].replace("## Current Block", "Node 1 had conn = 7.5\n\n## Current Block")
        return Completion(json.dumps(reply), "end_turn", model="boaster")


def test_a_wrong_figure_is_sent_back_once_and_a_mended_one_leaves_no_trace(tmp_path: Path) -> None:
    night = play(write_campaign(tmp_path / "c.yaml"), tmp_path / "r", 3, Boasting(always=False))
    rejected = [r.data["violations"] for r in read_records(night.paths.journal) if r.type == "reply_rejected"]
    assert len(rejected) == 1
    assert [text.split(" ")[0] for text in rejected[0]] == ["[claim]", "[claim]"]
    assert "Check:" not in night.paths.log.read_text()


def test_a_figure_that_stays_wrong_is_marked_and_counted(tmp_path: Path) -> None:
    night = play(write_campaign(tmp_path / "c.yaml"), tmp_path / "r", 3, Boasting(always=True))
    accepted = [r.data for r in read_records(night.paths.journal) if r.type == "reply_accepted"]
    assert [len(text) for text in accepted[2]["checks"]] == [0, 1, 0, 0]
    assert len(accepted[2]["memory_checks"]) == 1
    entries = {entry.iteration: entry for entry in parse_log(night.paths.log.read_text())}
    assert "'tau_R2 = 0.123' is about iteration 6" in entries[6].checks[0]
    assert "in the memory, 'conn = 7.5' is about iteration 1" in entries[8].checks[0]
    assert "fallback" not in [it.planned.role for it in night.history.batch(3)]
    assert replay_run(tmp_path / "r").passed


def test_the_mocks_own_figures_are_true(tmp_path: Path) -> None:
    night = play(write_campaign(tmp_path / "c.yaml"), tmp_path / "r", 12)
    assert "Check:" not in night.paths.log.read_text()
    assert not [r for r in read_records(night.paths.journal) if r.type == "reply_rejected"]


def test_a_node_named_for_its_data_is_not_the_subject() -> None:
    text = "connectivity_R2=0.9922 on the data on which Node 1 ended at 0.8321"
    assert list(find_claims(text, 4)) == []
    # A run of the first release was judged so, and is replayed so.
    assert [claim.subject for claim in find_claims(text, 4, format=1)] == [1]
    assert [claim.subject for claim in find_claims("connectivity_R2=0.9922 in Node 1", 4)] == [1]
