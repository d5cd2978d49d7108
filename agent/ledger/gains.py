"""Does the explorer of a night earn its money? The gain of its proposals against those of the control arm.

A gain is the campaign's primary metric in the first run of a new config, less the mean of the baseline's runs.
Replicates are none; a failed run counts as 0, as in every table; a run that was cut or lost has no value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import fmean, variance
from typing import Any

from scipy.special import stdtrit

from agent.ledger.cutting import NEW_ROLES
from agent.ledger.ledger import Ledger
from state.explorer import TITLES
from state.history import Iteration
from state.records import CONTROL_ROLE
from ucb.compare import LEVEL, MIN_SEEDS
from ucb.estimates import BASELINE


@dataclass
class Arm:
    """The proposals of one explorer that have finished: node -> gain; ``cut`` have no value."""

    gains: dict[int, float] = field(default_factory=dict)
    cut: int = 0

    @property
    def mean(self) -> float | None:
        """The gain per proposal."""
        return fmean(self.gains.values()) if self.gains else None

    @property
    def best(self) -> int | None:
        """The node with the highest gain."""
        return max(self.gains, key=lambda node: self.gains[node], default=None)


@dataclass(frozen=True)
class Gains:
    """The arms of a night, and what the explorer that the night belongs to has cost (``dollars`` None: unknown)."""

    metric: str
    own: Arm
    control: Arm
    dollars: float | None

    @property
    def difference(self) -> float | None:
        """Own gain per proposal minus the control's."""
        return None if self.own.mean is None or self.control.mean is None else self.own.mean - self.control.mean

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of `difference`; None with fewer than MIN_SEEDS proposals in one arm, or without noise.

        Unequal variances are allowed for: Welch (1947), degrees of freedom by Satterthwaite (1946).
        """
        samples = [list(arm.gains.values()) for arm in (self.own, self.control)]
        if self.difference is None or min(map(len, samples)) < MIN_SEEDS:
            return None
        squares = [variance(sample) / len(sample) for sample in samples]
        if not (square := sum(squares)):
            return None
        freedom = square**2 / sum(one**2 / (len(some) - 1) for one, some in zip(squares, samples, strict=True))
        half = float(stdtrit(freedom, (1 + LEVEL) / 2)) * math.sqrt(square)
        return self.difference - half, self.difference + half

    @property
    def dollars_a_proposal(self) -> float | None:
        """What one new proposal has cost so far; None where that cannot be said."""
        count = len(self.own.gains) + self.own.cut
        return None if self.dollars is None or not count else self.dollars / count


def gains(ledger: Ledger) -> Gains | None:
    """The two arms of a night; None where the campaign has no control arm."""
    if ledger.campaign.control is None:
        return None
    metric, own, control, seen = ledger.campaign.goal.primary, Arm(), Arm(), set[str]()
    runs = ledger.views.control[BASELINE].runs
    base = fmean(run.value(metric) or 0.0 for run in runs) if runs else None
    for iteration in ledger.history.iterations.values():
        planned, first = iteration.planned, iteration.planned.config_id not in seen
        seen.add(planned.config_id)
        arm = control if planned.role == CONTROL_ROLE else own if planned.role in NEW_ROLES else None
        if arm is not None and first and planned.changes and base is not None:
            _take(ledger, arm, iteration, metric, base)
    dollars = None if ledger.spending.unpriced else ledger.spending.dollars
    return Gains(metric, own, control, dollars)


def _take(ledger: Ledger, arm: Arm, iteration: Iteration, metric: str, base: float) -> None:
    planned, result = iteration.planned, iteration.result
    run = ledger.views.table_of(planned.config_id).run(planned.config_id, planned.iteration)
    if run is not None:
        arm.gains[planned.iteration] = (run.value(metric) or 0.0) - base
    elif result is not None and result.cut:
        arm.cut += 1


def gain_lines(ledger: Ledger) -> list[str]:
    """The comparison as sentences; none where the campaign has no control arm."""
    found, control = gains(ledger), ledger.campaign.control
    if found is None or control is None:
        return []
    who = TITLES[ledger.history.explorer]
    begun, other = f"{who[0].upper()}{who[1:]}", f"the control ({TITLES[control.explorer]})"
    lines = [
        f"Control arm: gain per proposal in {found.metric} over the baseline's mean, in the first runs of new configs: "
        f"{_arm(ledger, who, found.own)}; {_arm(ledger, other, found.control)}."
    ]
    return [*lines, f"{begun} minus control: {_difference(found)}. {_cost(found, begun)}"]


def _arm(ledger: Ledger, name: str, arm: Arm) -> str:
    cut = f", {arm.cut} cut and without a value" if arm.cut else ""
    if arm.mean is None or arm.best is None:
        return f"{name} none yet{cut}"
    many = len(arm.gains)
    config = ledger.history.iterations[arm.best].planned.config_id
    best = f"best {arm.gains[arm.best]:+.3f} ({config}, node {arm.best})"
    return f"{name} {arm.mean:+.3f} over {many} proposal{'s' if many > 1 else ''}, {best}{cut}"


def _difference(found: Gains) -> str:
    counts = f"{len(found.own.gains)} and {len(found.control.gains)}"
    if found.difference is None or min(len(found.own.gains), len(found.control.gains)) < MIN_SEEDS:
        return f"too few runs to tell: {counts}"
    if found.interval is None:
        return f"{found.difference:+.3f}; the runs do not vary, so there is no interval"
    low, high = found.interval
    word = "not distinguishable" if low <= 0 <= high else "ahead" if low > 0 else "behind"
    return f"{found.difference:+.3f} a proposal, 95 % interval {low:+.3f} to {high:+.3f} ({word})"


def _cost(found: Gains, who: str) -> str:
    if found.dollars is None:
        return f"What {who} cost is not known."
    if not found.dollars:
        return f"{who} cost nothing."
    each = found.dollars_a_proposal
    return f"{who} cost ${found.dollars:.2f} so far" + ("." if each is None else f", ${each:.2f} a new proposal.")


def gain_data(ledger: Ledger) -> dict[str, Any] | None:
    """The same as plain data; None where the campaign has no control arm."""
    found, control = gains(ledger), ledger.campaign.control
    if found is None or control is None:
        return None
    return {
        "explorer": control.explorer,
        "slots": ledger.campaign.control_slots,
        "metric": found.metric,
        "own": _arm_data(found.own),
        "control": _arm_data(found.control),
        "difference": found.difference,
        "interval": found.interval,
        "dollars": found.dollars,
        "dollars_a_proposal": found.dollars_a_proposal,
    }


def _arm_data(arm: Arm) -> dict[str, Any]:
    best = None if arm.best is None else {"node": arm.best, "gain": arm.gains[arm.best]}
    return {"proposals": len(arm.gains), "gain": arm.mean, "best": best, "cut": arm.cut}
