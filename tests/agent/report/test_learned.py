"""The five lines: always five, true to the table, honest about luck and about what is not known yet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.claude.mock import MockLLM
from agent.ledger.ledger import Ledger
from agent.ledger.standing import candidate, verdict_data
from agent.night.loop import run_batch, start
from agent.night.night import open_night
from agent.report.learned import PRINCIPLES, lessons, principles
from agent.report.story import Story, read_story
from agent.report.write import lines_json
from state.blobs import BlobStore
from state.journal import Record, read_records
from state.paths import RunPaths
from tests.agent.conftest import write_campaign
from tests.agent.report.conftest import HOSTILE
from trainer.engines.inline import InlineEngine

ABOUT = ["Best config", "Robust", "Failed", "Claude believes", "Cost"]


def told(ledger: Ledger, story: Story) -> dict[str, str]:
    found = lessons(ledger, story)
    assert [lesson.about for lesson in found] == ABOUT
    return {lesson.about: lesson.text for lesson in found}


def until(root: Path, kind: str, count: int) -> tuple[Ledger, Story]:
    """The state of a run just after its ``count``-th record of ``kind``."""
    paths = RunPaths(root)
    whole, _ = read_story(paths)
    ledger, story, seen = Ledger(whole.campaign, whole.blobs), Story(), 0
    for record in read_records(paths.journal):
        ledger.fold(record)
        story.apply(record)
        seen += record.type == kind
        if seen == count:
            break
    return ledger, story


def test_before_anything_has_finished(plain: Path) -> None:
    lines = told(*until(plain, "batch_planned", 1))
    assert lines["Best config"] == "Nothing has finished yet."
    assert lines["Failed"].startswith("0 of 0 slots failed")


def test_before_a_trial_nothing_is_called_better(plain: Path) -> None:
    line = told(*until(plain, "slot_finished", 1))["Best config"]
    assert line.startswith("No config is confirmed better than the baseline C1")
    assert "Error budget 5 % a night" in line


def test_a_config_that_leads_is_told_as_unconfirmed(tmp_path: Path) -> None:
    ridge_night(tmp_path, batches=20)
    committed = 0
    while True:
        committed += 1
        ledger, story = until(tmp_path / "r", "batch_committed", committed)
        if (name := candidate(ledger.views)) is not None:
            break
    line = told(ledger, story)["Best config"]
    assert f"of {len(ledger.views.table)} tried is {name}" in line
    assert "No config is confirmed better" in line
    assert "it is the best of many and not confirmed" in line


def test_a_confirmed_config_is_told_with_interval_and_runs(tmp_path: Path) -> None:
    ledger, story = ridge_night(tmp_path, batches=20)
    best = ledger.views.confirmations.best
    assert best is not None
    line = told(ledger, story)["Best config"]
    assert line.startswith(best.config_id)
    assert "is confirmed better than the baseline C1" in line
    assert f"confirmed better by {best.looks[-1].runs} fresh runs; V_rest_R2 +0." in line
    assert "95 % interval +0." in line


def test_the_lines_are_json_with_their_figures(tmp_path: Path) -> None:
    ledger, _ = ridge_night(tmp_path, batches=20)
    data = json.loads(lines_json(tmp_path / "r"))
    assert [line["about"] for line in data["lines"]] == ABOUT
    assert data["verdict"] == json.loads(json.dumps(verdict_data(ledger.views)))
    assert data["verdict"]["best"] != "C1"


def ridge_night(tmp_path: Path, batches: int) -> tuple[Ledger, Story]:
    """A night on which one key matters much."""
    surface = {"surface": "ridge", "effect": 0.2, "failure_share": 0.0}
    night = open_night(write_campaign(tmp_path / "c.yaml", surrogate=surface), tmp_path / "r", dry_run=True)
    try:
        start(night, MockLLM())
        for _ in range(batches):
            run_batch(night, MockLLM(), InlineEngine(night.campaign.surrogate), lambda *_: None)
    finally:
        night.close()
    return read_story(RunPaths(tmp_path / "r"))


def test_failures_and_money_are_counted(hostile: Path) -> None:
    ledger, story = read_story(RunPaths(hostile))
    failed = sum(node.failure is not None for node in ledger.views.tree.nodes())
    lines = told(ledger, story)
    assert lines["Failed"].startswith(f"{failed} of 24 slots failed")
    # The night is a dry run by name: its replies cost nothing, whatever a model says of itself.
    assert lines["Cost"].startswith("no money")


def test_what_claude_believes_is_its_own_words(hostile: Path) -> None:
    ledger, story = read_story(RunPaths(hostile))
    believed = principles(ledger)
    assert believed[0] == " ".join((HOSTILE + "principle").split())
    assert lessons(ledger, story)[3].by_model
    assert told(ledger, story)["Claude believes"].startswith(believed[0])


def test_a_memory_without_principles_believes_nothing(plain: Path) -> None:
    ledger, story = until(plain, "campaign_started", 1)
    assert principles(ledger) == []
    assert not lessons(ledger, story)[3].by_model
    assert "Nothing is noted" in told(ledger, story)["Claude believes"]


def test_times_and_attempts_follow_the_journal(plain: Path) -> None:
    _, story = read_story(RunPaths(plain))
    records: list[Record] = list(read_records(RunPaths(plain).journal))
    ended = {r.data["iteration"]: r.time for r in records if r.type in ("slot_finished", "slot_failed")}
    assert {number: spans[-1][1] for number, spans in story.attempts.items()} == ended
    assert story.records == len(records)


def test_failed_runs_and_undefined_values_are_told_beside_a_mean(odd: Path) -> None:
    ledger, story = read_story(RunPaths(odd))
    line = told(ledger, story)["Best config"]
    reference = ledger.views.table["C1"]
    assert reference.failed
    assert f"over {len(reference.runs)} runs ({reference.failed} failed, counted as 0)" in line
    vrest = reference.spreads["V_rest_R2"]
    assert vrest.n < len(reference.runs)
    assert f"(defined in {vrest.n})" in line


def test_a_night_of_failures_names_no_best_mean(odd: Path) -> None:
    ledger, story = until(odd, "slot_failed", 1)
    assert len(ledger.views.tree) == 1
    line = told(ledger, story)["Best config"]
    assert "connectivity_R2 0.000, V_rest_R2 0.000 over 1 run (1 failed, counted as 0)" in line
    assert "leads" not in line


def test_a_request_without_a_reply_is_no_reply_and_what_the_program_filled_in_is_no_verdict(hostile: Path) -> None:
    ledger, story = read_story(RunPaths(hostile))
    lost = [talk for talk in story.talks if talk.answered and talk.reply is None]
    assert len(lost) == 1
    lines = told(ledger, story)
    assert f"{len(story.talks) - 1} replies of the mocked Claude (1 more request without a reply)" in lines["Cost"]
    mutations = [it.entry for it in ledger.history.iterations.values() if it.entry and it.planned.changes]
    silent = [entry for entry in mutations if entry["observation"] == "not described: no accepted reply"]
    assert f"of {len(mutations) - len(silent)} mutations judged by Claude" in lines["Failed"]
    assert f"; {len(silent)} without a verdict of Claude's" in lines["Failed"]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("- -0.05 is the offset", "-0.05 is the offset"),
        ("-0.05 is the offset", "-0.05 is the offset"),
        ("* **joint_ratio** of 0.5", "**joint_ratio** of 0.5"),
        ("•  two   spaces", "two spaces"),
        ("  - deeper", "deeper"),
        ("x" * 301, "x" * 299 + "…"),
    ],
)
def test_a_principle_keeps_every_sign_of_its_own(plain: Path, written: str, shown: str) -> None:
    ledger, _ = read_story(RunPaths(plain))
    memory = f"{PRINCIPLES}\n\n-\n{written}\n\n### Open Questions\n- none"
    ledger.blobs = InMemory(memory)
    assert principles(ledger) == [shown]


class InMemory(BlobStore):
    """One text under every name."""

    def __init__(self, text: str) -> None:
        super().__init__(Path("absent"))
        self._text = text

    def get(self, name: str) -> bytes:
        return self._text.encode()


def test_runs_of_failed_status_are_told_beside_failed_slots(odd: Path) -> None:
    ledger, story = read_story(RunPaths(odd))
    nodes = ledger.views.tree.nodes()
    slots = sum(node.failure is not None for node in nodes)
    poor = sum(node.status == "failed" for node in nodes) - slots
    assert poor > 0
    line = told(ledger, story)["Failed"]
    assert line.startswith(f"{slots} of {len(nodes)} slots failed (")
    assert f"; {poor} more ended with connectivity_R2 below 0.3, a failed status;" in line


def test_a_config_that_a_failed_slot_makes_fragile_is_told_apart(odd: Path) -> None:
    ledger, story = read_story(RunPaths(odd))
    fragile = [stats for stats in ledger.views.table.ranking() if stats.robustness == "fragile"]
    spoiled = sum(stats.failed > 0 for stats in fragile)
    assert spoiled > 0
    assert f"fragile ({spoiled} of them with failed slots, which count as 0): " in told(ledger, story)["Robust"]
