"""The five lines: always five, true to the table, honest about luck and about what is not known yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.ledger.ledger import Ledger
from agent.report.learned import FLATTERING, PRINCIPLES, lessons, principles
from agent.report.story import Story, read_story
from state.blobs import BlobStore
from state.journal import Record, read_records
from state.paths import RunPaths
from tests.agent.report.conftest import HOSTILE

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


def test_before_a_config_has_enough_runs_none_is_called_the_best(plain: Path) -> None:
    assert "none is ranked" in told(*until(plain, "slot_finished", 1))["Best config"]


def test_the_best_config_is_compared_with_the_baseline(plain: Path) -> None:
    ledger, story = read_story(RunPaths(plain))
    best = ledger.views.table.ranking(1)[0]
    mean = best.spreads["connectivity_R2"].mean
    line = told(ledger, story)["Best config"]
    assert line.startswith(best.config_id)
    assert f"connectivity_R2 {mean:.3f}" in line
    assert "baseline" in line


def test_a_best_of_many_is_said_to_be_flattered(hostile: Path, plain: Path) -> None:
    for root in (hostile, plain):
        ledger, story = read_story(RunPaths(root))
        many = len(ledger.views.table.ranking()) >= FLATTERING
        assert ("flatter" in told(ledger, story)["Best config"]) == many


def test_failures_and_money_are_counted(hostile: Path) -> None:
    ledger, story = read_story(RunPaths(hostile))
    failed = sum(node.failure is not None for node in ledger.views.nodes.values())
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
    best = (ledger.views.table.ranking(1) or ledger.views.table.by_connectivity(1))[0]
    reference = ledger.views.table["C1"]
    for stats in (best, reference):
        assert not stats.failed or f"over {len(stats.runs)} runs ({stats.failed} failed, counted as 0)" in line
    vrest = reference.spreads["V_rest_R2"]
    assert vrest.n < len(reference.runs)
    assert f"(defined in {vrest.n})" in line


def test_a_night_of_failures_names_no_best_mean(odd: Path) -> None:
    ledger, story = until(odd, "slot_failed", 1)
    assert len(ledger.views.nodes) == 1
    assert (
        told(ledger, story)["Best config"] == "No config has 3 runs yet, so none is ranked; no run has been measured."
    )


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
    nodes = ledger.views.nodes.values()
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
