"""The addendum's rules for a batch as numbers: baseline first, then replicates until the top configs have runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_high

from prompts.context import ConfigView, Context, Demand, Rule, Short
from state.added import FORMAT
from state.campaign import Campaign
from state.config import Scalar, SlotConfig
from state.records import SlotResult

REPLICATE_ROLES = ("replicate", "fallback")


@dataclass(frozen=True)
class Standing:
    """What the policy needs to know of one config."""

    config_id: str
    runs: int
    mean_connectivity: float


def demand(campaign: Campaign, planned_iterations: int, standings: Sequence[Standing]) -> Demand:
    """What the next batch must hold; ``planned_iterations`` counts those so far, ``standings`` are best first."""
    policy = campaign.policy
    if planned_iterations < policy.baseline_runs + policy.baseline_standard:
        return _baseline_demand(campaign, planned_iterations)
    if policy.design == "forced_seeds":
        reason = "each batch is one config on as many data seeds as there are slots"
        return Demand(baseline=False, min_replicates=0, reason=reason)
    if policy.design == "one_change":
        return Demand(baseline=False, min_replicates=1, reason="slot 0 is the control, the others change one key each")
    top = standings[: policy.top_configs]
    short = [s for s in top if s.runs < policy.runs_of_top]
    if len(top) == policy.top_configs and not short:
        reason = f"the top {policy.top_configs} configs have at least {policy.runs_of_top} runs each"
        return Demand(baseline=False, min_replicates=policy.min_replicates_later, reason=reason)
    names = ", ".join(f"{s.config_id} ({s.runs})" for s in short)
    reason = f"top configs with fewer than {policy.runs_of_top} runs: {names}" if names else ""
    missing = policy.top_configs - len(top)
    reason = "; ".join(
        filter(None, [reason, f"{missing} of the top {policy.top_configs} not yet found" if missing else ""])
    )
    lacking = [Short(config_id=s.config_id, lacks=policy.runs_of_top - s.runs) for s in short]
    told = [] if campaign.format == 1 else lacking
    return Demand(baseline=False, min_replicates=policy.min_replicates, reason=reason, short=told)


def _baseline_demand(campaign: Campaign, planned: int) -> Demand:
    """Baseline runs first, then, in slots of the program, those of standard training."""
    total, more = campaign.policy.baseline_runs, campaign.policy.baseline_standard
    iterations = range(planned + 1, planned + campaign.search.n_parallel + 1)
    standard = [slot for slot, number in enumerate(iterations) if total < number <= total + more]
    left = total - planned
    reason = f"{left} of {total} baseline runs are still to be made: every slot runs the defaults"
    if left <= 0:
        reason = f"the {total} baseline runs are planned, and runs of standard training are still to be made"
    return Demand(baseline=True, min_replicates=0, reason=reason, standard=standard)


def next_slot_node(slot: int, n_parallel: int, last_node: int) -> int | None:
    """The node of the slot after ``slot`` in the batch just done, which the addendum bars as `Next: parent`.

    None for the last slot and before the first batch.
    """
    return last_node - n_parallel + slot + 2 if last_node and slot + 1 < n_parallel else None


def exploring_slots(context: Context) -> list[int]:
    """The slots of the next batch in which something new is tried: the first, as the addendum's table of roles has it.

    Behind them come the replicates: what the program runs itself is none of them, but may be all that is asked for.
    """
    demand = context.demand
    replicates = max(demand.min_replicates, 0 if set(demand.of_program) - set(demand.control) else 1)
    free = [slot for slot in range(context.n_parallel) if slot not in demand.of_program]
    return free[: max(0, len(free) - replicates)]


def node_to_repeat(context: Context, slot: int, config: ConfigView) -> int | None:
    """A node of ``config`` that ``slot`` may name as parent: the latest, else one that is known, else None."""
    barred = next_slot_node(slot, context.n_parallel, context.last_node)
    shown = [(view.iteration, view.config_id) for view in context.slots]
    shown += [(view.node, view.config_id) for view in context.nodes]
    shown += [(node, result.config_id) for result in context.results for node in result.nodes]
    nodes = [config.node, *(node for node, config_id in shown if config_id == config.config_id)]
    return next((node for node in nodes if node != barred), None)


def width(config: SlotConfig) -> int:
    """Multiplications in the hidden layers of both perceptrons: the size of the architecture."""
    model = config.graph_model
    return model.hidden_dim**2 * (model.n_layers - 1) + model.hidden_dim_update**2 * (model.n_layers_update - 1)


def work(config: SlotConfig) -> float:
    """Relative cost of training a config: frames processed times the size of the hidden layers."""
    training = config.training
    frames = training.n_epochs * training.data_augmentation_loop * config.simulation.n_frames * 0.2
    return frames * width(config)


# What makes a training longer or shorter, and changes no network.
LENGTH_KEYS = ("training.data_augmentation_loop", "training.n_epochs")
# All that `work` depends on.
WORK_KEYS = (
    *LENGTH_KEYS,
    "graph_model.hidden_dim",
    "graph_model.n_layers",
    "graph_model.hidden_dim_update",
    "graph_model.n_layers_update",
)


def shorter_by(campaign: Campaign) -> str:
    """What the model may lower to make a run shorter, in words; '' where the campaign opens nothing of the kind."""
    return _opened(campaign, WORK_KEYS)


def longer_by(campaign: Campaign) -> str:
    """What the model may raise to train longer, in words; '' likewise."""
    return _opened(campaign, LENGTH_KEYS)


def _opened(campaign: Campaign, keys: Sequence[str]) -> str:
    return " or ".join(key for key in keys if key in campaign.explorable)


def neighbours(rule: Rule, value: Scalar) -> list[Scalar]:
    """The next allowed values above and below ``value``: one step of the choices, or a factor of 2 in a range."""
    if rule.choices is not None:
        order = rule.choices if isinstance(value, bool | str) else sorted(rule.choices, key=float)
        place = order.index(value) if value in order else 0
        return [*order[place + 1 : place + 2], *order[max(place - 1, 0) : place]]
    assert rule.min is not None
    assert rule.max is not None
    number, span = float(value), (rule.max - rule.min) / 4
    steps = (number * 2, number / 2) if rule.scale == "log" else (number + span, number - span)
    rounded = [float(f"{min(max(step, rule.min), rule.max):.3g}") for step in steps]
    inside = [step for step in rounded if step != number and rule.min <= step <= rule.max]
    return [int(step) for step in inside if step.is_integer()] if rule.whole else list(inside)


def slot_minutes(result: SlotResult, format: int = FORMAT) -> float | None:
    """The wall time of one slot in minutes, all its stages together; None when it was not trained to the end.

    The first release counted data generation and training alone.
    """
    trained = trained_minutes(result)
    return trained if trained is None or format == 1 else sum(result.seconds.values()) / 60


def trained_minutes(result: SlotResult) -> float | None:
    """Minutes of data generation and training; None when it was not trained to the end."""
    data, training = (result.seconds.get(stage) for stage in ("data", "training"))
    return None if data is None or training is None else (data + training) / 60


class FirstTimes:
    """Predicts minutes as in the first release: the work times the median minutes per work seen so far.

    Today's runs go by `agent.ledger.times`, which takes the load of the machine out.
    """

    def __init__(self, keep: int = 32) -> None:
        self._rates: list[float] = []
        self._keep = keep

    def learn(self, config: SlotConfig, result: SlotResult, batch: int) -> None:
        """Take in one finished slot."""
        if (trained := trained_minutes(result)) is not None:
            self._rates = [*self._rates, trained / work(config)][-self._keep :]

    def predict(self, config: SlotConfig) -> float | None:
        """Minutes for ``config``, None before anything has finished."""
        return median_high(self._rates) * work(config) if self._rates else None

    def load(self, batch: int) -> float | None:
        """None: it knew no load."""
        return None
