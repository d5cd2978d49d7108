"""The runs of an entry that holds several of one config, each in a `Slot N:` line."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from agent.audit.labels import is_slot
from agent.audit.read import Field
from agent.audit.values import (
    UNDEFINED,
    Value,
    canonical_metric,
    decimals,
    read_number,
    read_pairs,
    read_value,
    split_notes,
)

_SEEDS = frozenset({"sim_seed", "train_seed", "seed"})


@dataclass
class Measured:
    """Metrics by their full names, None where undefined, and how many decimals the log gives of each."""

    metrics: dict[str, float | None] = field(default_factory=dict)
    decimals: dict[str, int] = field(default_factory=dict)
    strange: list[str] = field(default_factory=list)

    def add(self, key: str, text: str) -> None:
        """Take `key=text`; what is neither a number nor undefined is ``strange``."""
        value = read_number(text)
        if value is None and text.casefold().rstrip(".") not in UNDEFINED:
            self.strange.append(f"{key}={text}")
            return
        name = canonical_metric(key)
        if name not in self.metrics:
            self.metrics[name], self.decimals[name] = value, decimals(text)

    def rounding(self, metric: str) -> float:
        """Half a unit of the last decimal of ``metric``; 0 for whole numbers."""
        told = self.decimals.get(metric, 0)
        return 0.5 * 10.0**-told if told else 0.0


@dataclass
class Slot(Measured):
    """One run of an entry, by the number and the line of its `Slot N:`."""

    number: int = 0
    line: int = 0
    seeds: dict[str, Value] = field(default_factory=dict)


def read_slots(fields: Mapping[str, Field]) -> list[Slot]:
    """The slots of an entry that hold a metric, in the order of their lines."""
    slots = []
    for label, line in fields.items():
        if is_slot(label):
            slot = Slot(number=int(label[5:]), line=line.line)
            for key, text in read_pairs(split_notes(line.text)[0]).items():
                if key.casefold() in _SEEDS:
                    slot.seeds[key] = read_value(text) or 0.0
                else:
                    slot.add(key, text.removesuffix("min"))
            if slot.metrics:
                slots.append(slot)
    return slots


def read_cells(cells: Mapping[str, Field]) -> Measured:
    """Metrics of a table with the columns name and number; rows without a number are its heading."""
    found = Measured()
    for name, cell in cells.items():
        if read_number(cell.text) is not None:
            found.add(name, cell.text)
    return found


def column(slots: Sequence[Slot], metric: str) -> list[float]:
    """The values of ``metric``, of the slots that have one."""
    return [value for slot in slots if (value := slot.metrics.get(metric)) is not None]


def together(slots: Sequence[Slot]) -> Measured:
    """The mean of each metric over the slots; undefined where it is in any of them."""
    found = Measured()
    for metric in names(slots):
        values = column(slots, metric)
        found.metrics[metric] = math.fsum(values) / len(values) if len(values) == len(slots) else None
        found.decimals[metric] = min((slot.decimals[metric] for slot in slots if metric in slot.decimals), default=0)
    return found


def names(slots: Sequence[Slot]) -> Iterator[str]:
    """Every metric of the slots, once, in the order of their lines."""
    return iter(dict.fromkeys(metric for slot in slots for metric in slot.metrics))
