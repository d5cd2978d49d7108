"""Entries at root whose mutation starts elsewhere."""

from __future__ import annotations

import pytest

from agent.audit.audit import audit

HEAD = """# Log (parallel)

## Iter 1: converged
Node: id=1, parent=root
Config: lr_W=1E-3, lr=1E-4
Metrics: connectivity_R2=0.91
Mutation: baseline
Next: parent=1

"""


def second(number: int, parent: str, config: str, mutation: str) -> str:
    return (
        f"## Iter {number}: converged\nNode: id={number}, parent={parent}\nConfig: {config}\n"
        f"Metrics: connectivity_R2=0.92\nMutation: {mutation}\nNext: parent={number}\n\n"
    )


@pytest.mark.parametrize(
    ("number", "parent", "config", "mutation", "found"),
    [
        (9, "root", "lr_W=4E-3, lr=1E-4", "lr_W: 2E-3 -> 4E-3", ["root-doubtful"]),
        (9, "root", "lr_W=4E-3, lr=1E-4", "lr_W: 1E-3 -> 4E-3", []),
        (9, "root", "lr_W=4E-3, lr=1E-4", "lr_W: 7E-3 -> 4E-3", []),
        (9, "5", "lr_W=4E-3, lr=1E-4", "lr_W: 2E-3 -> 4E-3", []),
        (13, "root", "lr_W=4E-3, lr=1E-4", "lr_W: 2E-3 -> 4E-3", []),
    ],
)
def test_root_with_the_value_of_another_node(
    number: int, parent: str, config: str, mutation: str, found: list[str]
) -> None:
    text = HEAD + second(5, "1", "lr_W=2E-3, lr=1E-4", "lr_W: 1E-3 -> 2E-3") + second(number, parent, config, mutation)
    findings = [f for f in audit(text.encode()).findings if f.code == "root-doubtful"]
    assert [f.code for f in findings] == found
    assert all("parent=5" in f.expected for f in findings)
