"""Mutations in the shapes that models write them."""

from __future__ import annotations

import pytest

from agent.audit.mutation import read_mutation


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("lr_W: 2E-3 -> 4E-3", [("lr_W", 0.002, 0.004)]),
        ("lr_W: 4E-3 → 8E-2 (20x increase)", [("lr_W", 0.004, 0.08)]),
        ("lr_W:1e-3=>2e-3", [("lr_W", 0.001, 0.002)]),
        ("lr_W 1E-3 -> 2E-3", [("lr_W", 0.001, 0.002)]),
        ("`lr_W`: 1E-3 -> **2E-3**", [("lr_W", 0.001, 0.002)]),
        ("L1: 1E-6 -> 1E-5 (explore higher)", [("coeff_W_L1", 1e-6, 1e-5)]),
        ("training.learning_rate_W_start: 5E-3 -> 7E-3", [("lr_W", 0.005, 0.007)]),
        ("a: 0 -> 1, b: 1 -> 2; c: 2 -> 3 AND d: 3 -> 4", [(key, at, at + 1) for at, key in enumerate("abcd")]),
        ("a: 1 -> 2. Testing principle: \"a: 3 -> 4 is harmless\"", [("a", 1, 2)]),
        ("a: 0.5 -> 0.25. b: 1. -> 2.", [("a", 0.5, 0.25), ("b", 1, 2)]),
        ("a: 1 -> 2 -> 3", [("a", 1, 3)]),
        ("n_frames: 10,000 -> 20,000, b: 1 -> 2", [("n_frames", 10000, 20000), ("b", 1, 2)]),
        ("lr_W: baseline -> 1E-3", [("lr_W", "baseline", 0.001)]),
        ("seed: varied -> 11000", [("seed", "varied", 11000)]),
        ("recurrent_training: F -> T, time_step: 1 -> 4", [("recurrent", False, True), ("time_step", 1, 4)]),
        ("low: False -> True, rank=10", [("low", False, True), ("rank", None, 10)]),
        ("[code] mode: mlp -> tanh + optimizer: sgd", [("mode", "mlp", "tanh"), ("optimizer", None, "sgd")]),
        ("lr_W: 5E-4 (from the best run). Block start", [("lr_W", None, 0.0005)]),
        ("A RECIPE at n=200 (lr_W: 3E-3 -> 1E-4, b: 2 -> 1)", [("lr_W", 0.003, 0.0001), ("b", 2, 1)]),
    ],
)  # fmt: skip
def test_changes_in_many_shapes(text: str, changes: list[tuple[str, object, object]]) -> None:
    mutation = read_mutation(text)
    assert [(change.key, change.old, change.new) for change in mutation.changes] == changes
    assert mutation.kind == "changes"


@pytest.mark.parametrize(
    ("text", "kind", "rerun_of"),
    [
        ("none (baseline)", "none", None),
        ("[none] — baseline, campaign defaults unchanged", "none", None),
        ("[none] — robustness re-run of Node 12", "none", 12),
        ("rerun of iter 61 (seed: 42)", "none", 61),
        ("No change", "none", None),
        ("CONTROL (same as parent, new seeds)", "none", None),
        ("baseline (L1=1E-5, lr_W=3E-3)", "baseline", None),
        ("block start (Dale_law=True baseline)", "baseline", None),
        ("[code] soft thresholding of W (threshold=3E-7)", "prose", None),
        ("", "prose", None),
        ("->", "prose", None),
        ("-> 5", "prose", None),
        ("lr_W: 3 ->", "prose", None),
    ],
)
def test_what_declares_no_change(text: str, kind: str, rerun_of: int | None) -> None:
    mutation = read_mutation(text)
    assert (mutation.kind, mutation.rerun_of, mutation.changes) == (kind, rerun_of, ())


def test_notes_are_mentions_not_changes() -> None:
    mutation = read_mutation("seed: 137 -> 42 (with L1=3E-4)")
    assert [change.key for change in mutation.changes] == ["seed"]
    assert ("coeff_W_L1", 3e-4) in mutation.mentions
