"""A predecessor's log is read as a tree, or refused with the line that makes it none."""

from __future__ import annotations

import pytest

from agent.predecessor.entries import parent_of, read_entries
from state.errors import UserError
from tests.agent.predecessor.logs import section


def test_entries_come_by_ascending_id_with_their_parents() -> None:
    log = section(3, 1) + section(1, "root") + section(2, 1)
    assert [(entry.id, parent_of(entry)) for entry in read_entries(log.encode(), "l.md")] == [(1, None), (2, 1), (3, 1)]


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("hello\n", "^l.md: holds no `## Iter N: status` section in 1 lines; give a log such as analysis.md$"),
        (section(1, "root") + section(1, "root"), "line 6: Iter 1 has the id 1, as the entry on line 1 has; mend"),
        ("## Iter 1: failed\nMutation: none\n", "line 1: Iter 1 has no `Node: id=N, parent=P` that can be read"),
        (section(1, "somewhere"), "line 2: Iter 1 has no `Node: id=N, parent=P` that can be read"),
        (section(1, 4), "line 2: Iter 1 has the parent 4, expected root or a node with an entry and a smaller id"),
        (section(1, 2) + section(2, "root"), "line 2: Iter 1 has the parent 2, expected root or a node with an entry"),
        (section(2, 2), "line 2: Iter 2 has the parent 2, expected root"),
        (section(5, "root").replace("id=5", "id=6"), "line 2: Iter 5 has the id 6, expected 5, the number of its head"),
        (section(10_000, "root"), "line 2: Iter 10000 has an id above 9,999"),
        (section(1, 4) + section(2, 4), r"parent 4, expected root .* \(and 1 more such\); mend a copy of the log"),
    ],
)
def test_what_is_no_tree_is_refused_in_one_sentence(log: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_entries(log.encode(), "l.md")
