"""Logs of a predecessor, as small as a test needs them."""

from __future__ import annotations


def section(number: int, parent: int | str, mutation: str = "none (baseline)", **lines: str) -> str:
    """One entry; further ``lines`` by their labels."""
    rows = [f"## Iter {number}: converged", f"Node: id={number}, parent={parent}", f"Mutation: {mutation}"]
    rows += [f"{label}: {text}" for label, text in lines.items()]
    return "\n".join(rows) + "\n\n"
