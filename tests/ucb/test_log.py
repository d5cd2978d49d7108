"""The log is read back exactly, and no prose can pose as a field, a header or an entry."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.config import SlotConfig
from state.records import LogStyle
from tests.ucb.strategies import HOSTILE, entries, judgement, planned, prose, result, told
from ucb.entry import LogEntry, entry_from
from ucb.grammar import LogError, parse_mutation, with_dash
from ucb.lines import LINES
from ucb.log import (
    parse_log,
    render_block_heading,
    render_block_summary,
    render_entry,
    render_header,
    render_sections,
)
from ucb.trajectory import Curve

ADDENDUM = Path(__file__).resolve().parents[3] / "shared" / "seed" / "parallel_addendum.md"


def sample() -> LogEntry:
    return entry_from(
        planned(),
        result(0.9123456789012345),
        judgement(),
        config=SlotConfig().flat(),
        explored=["training.coeff_W_L1"],
        variance_update="C2 now has 4 runs, CV(conn_R2)=1.2%, CV(V_rest_R2)=18.0%",
        next_parent=None,
        checks=["Observation says 0.95, measured 0.912"],
    )


GOLDEN = """\
## Iter 5: converged
Node: id=5, parent=2
Mode/Strategy: exploit
Seeds: sim_seed=1005, train_seed=505, rationale=suggested-default
Config: lr_W=0.0005, lr=0.0012, lr_emb=0.00155, joint_ratio=0.4, lr_ratio=0.1, n_epochs=2, aug_loop=20, \
coeff_W_L1=3.3e-05
Metrics: connectivity_R2=0.9123456789012345, tau_R2=0.5, V_rest_R2=0.5, cluster_accuracy=0.5, test_R2=0.5, \
test_pearson=0.5, training_time_min=0.5
R2 trajectory: conn peak=nan final=nan trend=undefined, vrest peak=nan final=nan trend=undefined, \
tau peak=nan final=nan trend=undefined
Embedding: two clusters
Mutation: alternate_joint_ratio: 0.4 -> 0.3
Parent rule: highest UCB
Hypothesis: a shorter joint phase leaves time for V_rest
Observation: fine
Verdict: supported — it rose
Check: Observation says 0.95, measured 0.912
Variance update: C2 now has 4 runs, CV(conn_R2)=1.2%, CV(V_rest_R2)=18.0%
Next: parent=root
"""


def test_an_entry_looks_as_the_design_says() -> None:
    assert render_entry(sample()) == GOLDEN


@given(st.lists(entries(), max_size=4), prose, prose, st.sampled_from(get_args(LogStyle)))
def test_a_log_is_read_back_as_its_style_tells_it(
    written: list[LogEntry], name: str, summary: str, style: LogStyle
) -> None:
    text = render_header(name)
    for number, entry in enumerate(written, 1):
        text += "\n" + render_block_heading(number) + "\n" + render_entry(entry, style) + "\n"
        text += render_block_summary(summary)
    assert parse_log(text) == [told(entry, style) for entry in written]
    again = "".join(render_entry(entry, style) for entry in parse_log(text))
    assert again == "".join(render_entry(entry, style) for entry in written)


def traced() -> LogEntry:
    """An entry with curves."""
    conn = Curve(peak=0.912345, phase="joint", iteration=12800, final=0.9, trend="stable")
    return sample().model_copy(
        update={"trajectory": {"conn": conn, "vrest": Curve(peak=3.21e-05, final=0.25), "tau": Curve()}}
    )


def test_the_trajectory_line_has_the_addendums_form_and_peaks_a_line_of_their_own() -> None:
    rows = render_entry(traced()).split("\n")
    assert rows[6] == (
        "R2 trajectory: conn peak=0.9123 final=0.9 trend=stable, vrest peak=3.21e-05 final=0.25 trend=undefined, "
        "tau peak=nan final=nan trend=undefined"
    )
    assert rows[7] == "Peaks: conn joint 12800"
    first = render_entry(traced(), "first").split("\n")
    assert "conn peak=0.912345@joint final=0.9" in first[6]
    assert first[7].startswith("Embedding:")


@pytest.mark.skipif(not ADDENDUM.exists(), reason="the addendum is not here")
def test_a_strict_entry_has_the_addendums_lines_alone() -> None:
    wanted = ADDENDUM.read_text().split("## Iter N: [converged/partial/failed]\n")[1].split("```")[0].splitlines()
    strict = render_entry(traced(), "strict").rstrip("\n").split("\n")
    assert [row.partition(":")[0] for row in strict[1:]] == [row.partition(":")[0] for row in wanted]
    sections = render_sections([traced()], 4, "learned much", "strict")
    assert sections == "\n" + render_entry(traced(), "strict")
    assert parse_log(render_header("n") + sections) == [told(traced(), "strict")]


def test_a_hyphen_is_understood_for_the_dash() -> None:
    for dash in ("-", "--", "–", "—"):
        assert parse_mutation(f"[none] {dash} robustness re-run of Node 7") == {}
        assert with_dash(f"[none] {dash} robustness re-run of Node 7") == "[none] — robustness re-run of Node 7"
        text = GOLDEN.replace("alternate_joint_ratio: 0.4 -> 0.3", f"[none] {dash} robustness re-run of Node 7")
        assert parse_log(render_header("n") + text)[0].changes == {}
    assert with_dash("x: 0 -> -1") == "x: 0 -> -1"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_prose_stays_in_its_line(text: str) -> None:
    fields = dict.fromkeys(("embedding", "observation", "verdict_reason", "hypothesis", "parent_rule"), text)
    entry = LogEntry.model_validate(sample().model_dump() | fields | {"checks": (text, text)})
    rows = render_entry(entry).split("\n")
    assert len(rows) == len(GOLDEN.split("\n")) + 1
    assert sum(row.startswith("Next:") for row in rows) == 1
    assert sum(row.startswith("#") for row in rows) == 1
    assert parse_log(render_header("n") + "\n" + render_entry(entry)) == [entry]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_summary_is_only_quoted(text: str) -> None:
    summary = render_block_summary(text)
    assert all(row.startswith(">") for row in summary.rstrip("\n").split("\n"))
    assert parse_log(render_header("n") + summary + GOLDEN) == [sample()]


def test_every_missing_or_doubled_line_is_named_with_its_number() -> None:
    rows = GOLDEN.rstrip("\n").split("\n")
    for line in LINES:
        if line.label == "Check" or line.label not in GOLDEN:
            continue
        number = next(i for i, row in enumerate(rows) if row.startswith(f"{line.label}:"))
        for changed in (rows[:number] + rows[number + 1 :], rows[: number + 1] + rows[number:]):
            with pytest.raises(LogError, match="expected") as caught:
                parse_log(render_header("n") + "\n".join(changed) + "\n")
            assert "analysis.md line " in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("## Iter 5: converged", "## Iter 5: great", "line 2: found '## Iter 5: great'"),
        ("id=5", "id=6", "line 3: found id=6, expected id=5"),
        ("parent=2", "parent=two", "line 3: `Node:` found 'two', expected a node id or root"),
        ("exploit", "replicate", "line 4: .*expected robustness-check"),
        ("exploit", "vibes", "line 2: role is 'vibes'"),
        ("sim_seed=1005", "sim_seed=1.5", "line 5: .*expected an integer"),
        ("lr_W=0.0005, ", "", "line 2: .*lr_W in the config"),
        ("tau_R2=0.5", "tau_R2=inf", "line 7: .*finite number or nan"),
        ("tau_R2=0.5, ", "", "line 7: .*expected connectivity_R2, tau_R2"),
        ("conn peak", "con peak", "line 8: .*expected `conn peak"),
        ("0.4 -> 0.3", "0.4 to 0.3", "line 10: .*key: old -> new"),
        ("supported — it", "maybe — it", "line 2: verdict is 'maybe'"),
        ("Next: parent=root", "Next: root", "line 17: .*key=value"),
        ("Check:", "Chek:", "line 15: `Variance update:` found 0 such lines"),
    ],
)
def test_a_fault_is_named_where_it_stands(old: str, new: str, message: str) -> None:
    with pytest.raises(LogError, match=message):
        parse_log(render_header("n") + GOLDEN.replace(old, new, 1))


def test_a_log_begins_with_its_title() -> None:
    with pytest.raises(LogError, match="line 1"):
        parse_log("")


@given(st.text(max_size=200), st.integers(0, 900), st.integers(0, 5))
def test_a_damaged_log_is_read_or_refused(noise: str, at: int, cut: int) -> None:
    text = render_header("n") + GOLDEN + "\n" + GOLDEN
    damaged = text[:at] + noise + text[at + cut :]
    with suppress(LogError):
        assert all(entry.iteration >= 1 for entry in parse_log(damaged))
