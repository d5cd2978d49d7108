"""`Change:` lines: mutations of their own entry or of the next, as the Config lines show."""

from __future__ import annotations

from agent.audit.audit import audit


def log(rates: list[str], changes: list[str]) -> bytes:
    rows = ["# Experiment Log: made up", ""]
    for number, (rate, change) in enumerate(zip(rates, changes, strict=True), 1):
        rows += [
            f"## Iter {number}: converged",
            f"Node: id={number}, parent={number - 1 or 'root'}",
            f"Config: lr_W={rate}",
        ]
        rows += [f"Metrics: connectivity_R2=0.9{number}", f"Change: {change}", f"Next: parent={number}", ""]
    return "\n".join(rows).encode()


def test_a_change_is_the_mutation_of_its_entry() -> None:
    result = audit(log(["1E-3", "2E-3", "3E-3"], ["none", "lr_W: 1E-3 -> 2E-3", "lr_W: 2E-3 -> 3E-3 (up)"]))
    assert result.findings == []
    wrong = audit(log(["1E-3", "2E-3", "3E-3"], ["none", "lr_W: 1E-3 -> 2E-3", "lr_W: 2E-3 -> 4E-3"]))
    assert [(f.code, f.iteration, f.lines) for f in wrong.findings] == [("mutation-contradicts-child", 3, (19, 21))]


def test_a_change_may_announce_the_next_entry() -> None:
    result = audit(
        log(["1E-3", "2E-3", "3E-3"], ["lr_W: 1E-3 -> 2E-3", "lr_W: 2E-3 -> 3E-3 (up)", "lr_W: 3E-3 -> 4E-3"])
    )
    assert [f.code for f in result.findings] == ["line-missing"]
    assert [entry.mutation.changes[0].new for entry in result.entries if entry.mutation] == [2e-3, 3e-3]
