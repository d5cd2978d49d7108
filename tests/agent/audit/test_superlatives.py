"""`best so far` against the numbers of the log."""

from __future__ import annotations

import pytest

from agent.audit.audit import audit

ROWS = ((0.70, 0.90), (0.80, 0.60), (0.95, 0.50), (0.90, 0.70))


def log(number: int, words: str, model: dict[int, str] | None = None) -> bytes:
    rows = ["# Experiment Log: made up (parallel)", ""]
    for at, (conn, tau) in enumerate(ROWS, 1):
        rows += [f"## Iter {at}: {'converged' if conn > 0.8 else 'partial'}", f"Node: id={at}, parent=root"]
        rows += [f"Model: {model[at]}"] if model else []
        rows += [
            f"Config: lr_W={at}E-3",
            f"Metrics: connectivity_R2={conn:.2f}, tau_R2={tau:.2f}",
            "Mutation: baseline",
        ]
        rows += [f"Observation: {words}"] if at == number else []
        rows += ["Next: parent=root", ""]
    return "\n".join(rows).encode()


@pytest.mark.parametrize(
    ("number", "words", "right"),
    [
        (4, "the best so far, by a margin", 3),
        (4, "**NEW BEST** connectivity", 3),
        (4, "BEST conn_R2 yet (0.90)", 3),
        (4, "highest tau_R2 so far", 1),
        (3, "best result yet! it goes on", None),
        (3, "highest tau so far", 1),
        (4, "best trade-off so far", None),
        (4, "best so far at batch_size=4", None),
        (4, "the best config (batch=4) with a higher rate", None),
        (1, "best so far", None),
    ],
)
def test_a_superlative_that_a_number_contradicts_is_a_note(number: int, words: str, right: int | None) -> None:
    findings = audit(log(number, words)).findings
    assert [f.code for f in findings] == ([] if right is None else ["superlative-contradicted"])
    if right is not None:
        assert f"entry {right} " in findings[0].expected
        assert findings[0].severity == "note"


def test_another_model_is_no_rival() -> None:
    models = {1: "a", 2: "b", 3: "a", 4: "b"}
    assert audit(log(4, "best so far", models)).findings == []
