"""Which runs may be cut, what the baseline's curves were at that point, and the decision; from the journal alone."""

from __future__ import annotations

from collections import Counter

from state.campaign import Campaign
from state.history import History, Iteration
from state.journal import Record
from state.metrics import traced
from state.records import CONTROL_ROLE, Failure, Role, SlotResult
from state.shapes import SlotCut, SlotEnded
from ucb.cut import ALPHA, Floor, floor_of, third
from ucb.estimates import BASELINE

# What tries a new config. A first run in another role is one of an imported config, or of the program's choice.
NEW_ROLES: tuple[Role, ...] = ("exploit", "explore", "principle-test")


class Cutting:
    """Folds over the same records as `History`. ``metric`` is the campaign's primary one, whose curve decides."""

    def __init__(self, campaign: Campaign, history: History) -> None:
        self._on, self._history = campaign.policy.cut == "on", history
        self.metric = campaign.goal.primary
        self._runs: Counter[str] = Counter()
        # Data seed -> the metric at a third of the training, of the first baseline run on it.
        self._baseline: dict[int, float] = {}

    @property
    def column(self) -> str:
        """The column of metrics.log that is looked at."""
        return traced()[self.metric].column

    def apply(self, record: Record) -> None:
        """Take in a record that ``History`` has already taken."""
        if record.type == "batch_planned":
            self._runs.update(iteration.planned.config_id for iteration in self._history.batch(record.batch))
        elif self._on and record.type == "slot_finished":
            self._learn(self._history.iterations[record.of(SlotEnded)["iteration"]])

    def _learn(self, iteration: Iteration) -> None:
        result, planned = iteration.result, iteration.planned
        if planned.config_id != BASELINE or result is None or not result.trajectory:
            return
        rows = ((point.iteration, point.values().get(self.metric)) for point in result.trajectory)
        found = third(rows, result.trajectory[-1].iteration)
        if found is not None and found[1] is not None:
            self._baseline.setdefault(planned.simulation_seed, found[1])

    @property
    def floor(self) -> Floor | None:
        """What a new run of the baseline would stay above; None while too little is known."""
        return floor_of(list(self._baseline.values()))

    def may_cut(self, iteration: Iteration) -> bool:
        """Whether it is the first run of a config that was proposed as new: no replicate, no standard training."""
        planned = iteration.planned
        new = planned.role in (*NEW_ROLES, CONTROL_ROLE) and self._runs[planned.config_id] == 1
        return self._on and new and planned.config_id != BASELINE and iteration.cut is None

    def decision(self, iteration: Iteration, at: int, total: int, value: float) -> SlotCut | None:
        """The data of `slot_cut` for a run whose metric was ``value`` at iteration ``at`` of ``total``, or None.

        ``at`` is the first point of its curve at or after a third of the training.
        """
        floor = self.floor
        if floor is None or not self.may_cut(iteration) or value >= floor.limit:
            return None
        return {
            "iteration": iteration.planned.iteration,
            "slot": iteration.planned.slot,
            "run_id": iteration.run_id or "",
            "metric": self.metric,
            "at": at,
            "total": total,
            "value": value,
            "limit": floor.limit,
            "baseline_mean": floor.mean,
            "baseline_sd": floor.sd,
            "baseline_seeds": floor.seeds,
        }


def cut_words(campaign: Campaign) -> str:
    """When a run is cut and what that means, for the prompt; '' where the campaign cuts none."""
    if campaign.policy.cut == "off":
        return ""
    return (
        f"the first run of a config other than the baseline is ended at a third of its training where its "
        f"{campaign.goal.primary} lies below the {100 * ALPHA:g} % limit of a new baseline run at that point. It has "
        "no final value and is in no mean, count or share; run again, its config is trained to the end"
    )


def cut_result(iteration: Iteration) -> SlotResult:
    """What stands for the result of a run that was cut: no metrics, whatever its worker wrote in the meantime."""
    cut = iteration.cut
    assert cut is not None
    return SlotResult(
        run_id=iteration.run_id or "",
        config_hash=iteration.planned.config_hash,
        status="failed",
        failure=Failure(
            kind="cut",
            # Not `iteration`: in the log that word names a run.
            message=f"{cut['metric']} was {cut['value']:.3f} at step {cut['at']:,} of {cut['total']:,}, below "
            f"{cut['limit']:.3f}, which a run of the baseline stays above ({cut['baseline_mean']:.3f} on average "
            f"there, over {cut['baseline_seeds']} data seeds)",
        ),
    )
