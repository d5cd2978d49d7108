"""Entries of several runs in the manner of the newest instructions, written for the tests."""

from __future__ import annotations

from collections.abc import Sequence

VALUES = (0.91, 0.95, 0.96, 0.94)


def entry(
    number: int = 1,
    header: str = "Robust",
    values: Sequence[float] = VALUES,
    stats: str = "mean_conn_R2=0.94, std=0.02, CV=2.3%, min=0.91, max=0.96",
    stability: str = "",
    config: str = "lr_W=6e-4, lr=1.2e-3",
    metric: str = "connectivity_R2",
) -> str:
    """One entry whose slots have ``values`` of ``metric``."""
    rows = [
        f"## Iter {number}: {header}",
        f"Node: id={number}, parent={'root' if number == 1 else number - 1}",
        'Hypothesis tested: "made up"',
        f"Config (same for all slots): {config}",
    ]
    for slot, value in enumerate(values):
        rows.append(f"Slot {slot}: {metric}={value:.2f}, tau_R2=0.{90 - slot - number}, sim_seed={10 * number + slot},")
        rows.append(f"        onestep=0.9{slot}")
    rows += [f"Seed stats: {stats}"] if stats else []
    rows += [f"Stability: {stability}"] if stability else []
    return "\n".join([*rows, "Mutation: none", "Verdict: supported", f"Next: parent={number}", "", ""])
