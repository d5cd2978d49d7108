"""Undeclared changes, and changes declared under another name."""

from __future__ import annotations

import pytest

from agent.audit.audit import audit


def errors(before: str, after: str, mutation: str) -> list[str]:
    rows = ["# Log (parallel)", "", "## Iter 1: converged", "Node: id=1, parent=root", f"Config: {before}"]
    rows += ["Metrics: connectivity_R2=0.91", "Mutation: baseline", "Next: parent=1", "", "## Iter 5: converged"]
    rows += ["Node: id=5, parent=1", f"Config: {after}", "Metrics: connectivity_R2=0.92", f"Mutation: {mutation}"]
    return [f.code for f in audit("\n".join(rows).encode()).findings if f.severity == "error"]


@pytest.mark.parametrize(
    ("before", "after", "mutation", "found"),
    [
        ("lr_emb=1.5E-3", "lr_emb=1.2E-3", "learning_rate_embedding: 1.5E-3 -> 1.2E-3", []),
        ("lr_k=5E-3", "lr_k=1E-2", "learning_rate_k: 0.005 -> 0.01", []),
        ("hidden_dim_nnr_f=64", "hidden_dim_nnr_f=384", "[hidden_dim]: 64 -> 384", []),
        ("n_layers_nnr_f=3", "n_layers_nnr_f=4", "n_layers: 3 -> 4", []),
        ("lr_NNR_f=1E-5, total_steps=50000", "lr_NNR_f=4E-5, total_steps=200000",
         "[learning_rate_NNR_f]: 1E-5 → 4E-5, [total_steps]: 50k → 200k", []),
        ("lr_emb=1.5E-3", "lr_emb=1.2E-3", "learning_rate_embedding: 1.5E-3 -> 1.1E-3", ["mutation-contradicts-child"]),
        ("lr_k=5E-3", "lr_k=1E-2", "learning_rate_k: 0.005 -> 0.02", ["undeclared-change"]),
        ("lr_k=5E-3", "lr_k=1E-2", "learning_rate_k=0.01", ["undeclared-change"]),
        ("a=1, b=1", "a=2, b=2", "c: 1 -> 2", ["undeclared-change"]),
        ("a=1, b=1", "a=2, b=2", "a: 1 -> 2", ["undeclared-change"]),
        ("a=1, steps=50000", "a=1, steps=200000", "steps: 50k -> 100k", ["mutation-contradicts-child"]),
    ],
)  # fmt: skip
def test_a_change_under_a_name_that_no_config_has(before: str, after: str, mutation: str, found: list[str]) -> None:
    assert errors(before, after, mutation) == found
