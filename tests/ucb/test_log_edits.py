"""Whether an edit of the log changes its tree, and what is said of it."""

from __future__ import annotations

import pytest

from benchmarks.samples import own_log
from ucb.log_edits import first_edit, tree_edit

LOG = own_log(13)
ROWS = LOG.split("\n")


def line(text: str) -> int:
    return ROWS.index(text) + 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("two clusters", "three clusters"),
        ("Next: parent=1\n", "Next: parent=2\n"),
        ("converged", "partial"),
        ("0.91", "0.92"),
    ],
)
def test_prose_and_figures_are_no_tree(old: str, new: str) -> None:
    assert old in LOG
    assert tree_edit(LOG, LOG.replace(old, new)) is None
    assert tree_edit(LOG, LOG + "a note of mine\n") is None


def test_nodes_parents_changes_configs_and_seeds_are() -> None:
    found = tree_edit(LOG, LOG.replace("Node: id=7, parent=1", "Node: id=7, parent=2"))
    at = line("Node: id=7, parent=1")
    assert found == (
        f"analysis.md line {at}: node 7 stands there as `Node: id=7, parent=2`, the journal has `Node: id=7, parent=1`"
    )
    for label in ("Mutation", "Config", "Seeds"):
        at = next(n for n in range(line("## Iter 5: converged"), len(ROWS)) if ROWS[n].startswith(f"{label}:"))
        edited = "\n".join([*ROWS[:at], ROWS[at] + "1", *ROWS[at + 1 :]])
        assert str(tree_edit(LOG, edited)).startswith(f"analysis.md line {at + 1}: node 5 stands there as `{label}: ")


def test_an_entry_too_many_or_too_few_is_named() -> None:
    more = str(tree_edit(LOG, own_log(14)))
    assert "node 14 stands there with `## Iter 14`, the journal has nothing of it" in more
    fewer = str(tree_edit(own_log(14), LOG))
    assert "node 14 is missing from there, the journal has `## Iter 14`" in fewer


def test_the_first_edit_is_shown_with_its_line_and_node() -> None:
    at = line("## Iter 6: converged") + 7
    edited = "\n".join([*ROWS[: at - 1], "mine", *ROWS[at:]])
    assert first_edit(LOG, edited) == f"analysis.md line {at} (node 6) held `mine`, the journal has `{ROWS[at - 1]}`"
    assert first_edit(LOG, LOG + "mine").endswith("held `mine`, the journal has ``")
    assert "held nothing, the journal has" in first_edit(LOG + "\nx", LOG)
    two = first_edit(LOG, "\n".join([*ROWS[: at - 1], "mine", "too", *ROWS[at + 1 :]]))
    assert two.endswith("; 2 lines from there on differ")
