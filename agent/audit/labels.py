"""The labels that lines of an entry begin with, as models write them."""

from __future__ import annotations

import re

# What a label may be; those after `Next` are known as prose only.
LABELS = (
    "Node",
    "Mode/Strategy",
    "Mode",
    "Strategy",
    "Seeds",
    "Config",
    "Simulation",
    "Metrics",
    "R2 trajectory",
    "Peaks",
    "Failure",
    "Activity",
    "Degeneracy",
    "Embedding",
    "CODE MODIFICATION",
    "Seed stats",
    "Stability",
    "Mutation",
    "Change",
    "Parent rule",
    "Hypothesis",
    "Hypothesis tested",
    "Observation",
    "Verdict",
    "Check",
    "Variance update",
    "Testing principle",
    "Next",
    "Analysis",
    "Assessment",
    "DISQUALIFIED",
    "Field",
    "Model",
    "New principle",
    "Phase",
    "RankScore",
    "Rationale",
    "Slot",
    "Status",
    "Training time",
    "Visual",
    "W matrix",
)
_WRAPPED = frozenset({"Seeds", "Config", "Metrics", "Mutation", "Seed stats"})
_REPEATABLE = frozenset({"Check", "CODE MODIFICATION", "Testing principle"})
_BY_NAME = {label.casefold(): label for label in LABELS}
_SLOT = re.compile(r"slot[ _]{0,2}([0-9]{1,4})", re.IGNORECASE)
# `Config (same for all slots)` is a `Config`.
_ASIDE = re.compile(r" {0,4}\([^()]{0,40}\) {0,4}$")


def read_label(row: str) -> tuple[str, str]:
    """Label and text of `Label: text`, also in bold or as a list item; an unknown label is none.

    The runs of an entry that holds several have the labels `Slot 0`, `Slot 1`, ...
    """
    name, colon, _ = row[:60].partition(":")
    if not colon:
        return "", ""
    plain = _ASIDE.sub("", name.strip("-*•`_ "))
    slot = _SLOT.fullmatch(plain)
    label = f"Slot {int(slot[1])}" if slot else _BY_NAME.get(plain.casefold(), "")
    return label, row[len(name) + 1 :].strip().lstrip("*").strip() if label else ""


def is_slot(label: str) -> bool:
    """Whether ``label`` is that of one run of several."""
    return label.startswith("Slot ")


def wraps(label: str) -> bool:
    """Whether a line of ``label`` may go on, indented, on the next."""
    return label in _WRAPPED or is_slot(label)


def repeats(label: str) -> bool:
    """Whether an entry may have several lines of ``label``."""
    return label in _REPEATABLE or is_slot(label)
