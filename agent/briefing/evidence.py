"""What a prompt shows of all runs together: the flat table, the noise of the night, the effect of each key."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.special import ndtri

from agent.briefing.slot_view import explored_values
from agent.ledger.ledger import Ledger
from agent.ledger.policy import slot_minutes
from state.config import Scalar, SlotConfig
from state.explorable import Explorable
from state.history import Iteration
from state.metrics import REWARD, main
from state.records import CONTROL_ROLE, STANDARD_ROLE
from state.shapes import EarlierNoise
from ucb.counted import MARK
from ucb.effects import Effect, Group, main_effects, render_effect
from ucb.estimates import BASELINE
from ucb.noise import Noise
from ucb.shares import is_bad

SHOWN_RUNS = 64
REGRESSED_RUNS = 160


def run_lines(ledger: Ledger) -> list[str]:
    """One line a run, the newest last; of a long night the latest ones."""
    done = [iteration for iteration in _latest(ledger, SHOWN_RUNS) if iteration.result is not None]
    return [_kept_line(ledger, iteration) for iteration in done]


def _kept_line(ledger: Ledger, iteration: Iteration) -> str:
    """Made anew only when the limit of bad runs has moved: most lines of a prompt stood in the last one."""
    number, limit, kept = iteration.planned.iteration, ledger.views.estimates.limit, ledger.views.run_lines
    known = kept.get(number)
    if known is None or known[0] != limit:
        known = kept[number] = (limit, _run_line(ledger, iteration))
        kept.pop(number - SHOWN_RUNS, None)
    return known[1]


def _latest(ledger: Ledger, count: int) -> list[Iteration]:
    first, following = ledger.history.first_iteration, ledger.history.next_iteration
    latest = (ledger.history.iterations[n] for n in range(max(first, following - count), following))
    return [iteration for iteration in latest if iteration.planned.role != CONTROL_ROLE]


def control_runs(ledger: Ledger) -> int:
    """How many runs the control arm has had."""
    if ledger.campaign.control is None:
        return 0
    return sum(iteration.planned.role == CONTROL_ROLE for iteration in ledger.history.iterations.values())


def _run_line(ledger: Ledger, iteration: Iteration) -> str:
    planned, result = iteration.planned, iteration.result
    assert result is not None
    run = ledger.views.table_of(planned.config_id).run(planned.config_id, planned.iteration)
    minutes = slot_minutes(result, ledger.campaign.format)
    metrics = {} if result.failure else result.metrics
    figures = [_figure(metrics.get(metric.name)) for metric in main(ledger.campaign.format)]
    word = (
        result.failure.status if result.failure else "bad" if run and is_bad(run, ledger.views.estimates.limit) else ""
    )
    changed = _changed(ledger, explored_values(ledger, ledger.views.config(iteration))) or "defaults"
    changed = "standard training" if planned.role == STANDARD_ROLE else changed
    seeds = f"{planned.simulation_seed}/{planned.training_seed}"
    took = "" if minutes is None else f"{minutes:.0f}"
    return f"| {' | '.join([str(planned.iteration), planned.config_id, changed, seeds, *figures, took, word])} |"


def _changed(ledger: Ledger, values: dict[str, Scalar]) -> str:
    base = ledger.campaign.base_config().flat()
    return " ".join(f"{key.rpartition('.')[2]}={value}" for key, value in values.items() if value != base[key])


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def noise_lines(ledger: Ledger) -> list[str]:
    """The pooled noise of each metric, and how far a first run that was picked for its height flatters its config."""
    names = [metric.name for metric in main(ledger.campaign.format)]
    lines = [f"{name}: {_noise(noise)}" for name in names if (noise := _known(ledger, name)) is not None]
    if (earlier := ledger.history.earlier_noise) is not None:
        lines.insert(0, _origin(earlier, names))
    primary = _known(ledger, ledger.campaign.goal.primary)
    tried = len(ledger.views.table)
    if primary is not None and tried > 2:
        # The expected largest of n independent standard normal values, by Blom's approximation (1958).
        top = math.sqrt(primary.seeds.square) * float(ndtri((tried - 0.375) / (tried + 0.25)))
        lines.append(
            f"Of {tried} configs that are all alike, the best first run lies about {top:.3f} above their mean in "
            f"{ledger.campaign.goal.primary}: so far may the first run of a config that was picked for it flatter."
        )
    return lines


def _known(ledger: Ledger, metric: str) -> Noise | None:
    noise = ledger.views.estimates.noise(metric)
    return noise if noise.seeds.known else None


def _origin(earlier: EarlierNoise, names: list[str]) -> str:
    """From where the noise comes that is not this night's."""
    told = {metric: data["seeds"][1] for metric, data in earlier["metrics"].items() if metric in names}
    counts = ", ".join(f"{metric} {freedom}" for metric, freedom in told.items())
    return (
        f"pooled with the noise of the earlier run {earlier['run']} of this campaign, which brings these degrees "
        f"of freedom: {counts}; a part that visibly differs tonight stays tonight's own"
    )


def _noise(noise: Noise) -> str:
    sd, freedom = math.sqrt(noise.seeds.square), noise.seeds.freedom
    told = f"one run of any config varies by sd {sd:.3f} ({freedom} degrees of freedom)"
    if noise.training.known:
        told += f", on the same data by {math.sqrt(noise.training.square):.3f} ({noise.training.freedom})"
    if noise.crossed.known:
        told += f", beside {BASELINE} on the same data by {math.sqrt(2 * noise.crossed.square):.3f} a pair"
    return told


def effect_lines(ledger: Ledger) -> list[str]:
    """The main effect of each explored number on the primary metric and connectivity_R2, bad runs left out."""
    keys = _numbers(ledger)
    configs = _latest_configs(ledger, list(keys))
    lines = []
    for metric in _effect_metrics(ledger):
        # One point for each config and data seed; bad runs are left out.
        cells = {name: ledger.views.estimates.cells(name, metric) for name in configs}
        effects = _effects(ledger, [(configs[name], list(one.means.values())) for name, one in cells.items()])
        lines += [f"{metric}: {render_effect(effect)}" for effect in effects]
    return lines


def stated_effect_lines(ledger: Ledger) -> list[str]:
    """The same with the runs counted in that are stated of imported nodes, the latest of them; no standard errors."""
    views, keys = ledger.views, list(_numbers(ledger))
    configs = _latest_configs(ledger, keys)
    stated = list(views.stated.configs.values())[-REGRESSED_RUNS:]
    parents = {one.node: views.parent_config(one.node) for one in stated}
    told = {node: _values_of(ledger, config, keys) for node, config in parents.items() if config is not None}
    lines = []
    for metric in _effect_metrics(ledger) if stated else ():
        groups = [(configs[name], list(views.estimates.cells(name, metric).means.values())) for name in configs]
        groups += [(told[one.node], list(views.estimates.of_runs(one.runs, metric).means.values())) for one in stated]
        lines += [
            f"{metric}, with runs {MARK}: {render_effect(effect, error=False)}" for effect in _effects(ledger, groups)
        ]
    return lines


def _effect_metrics(ledger: Ledger) -> list[str]:
    return list(dict.fromkeys((ledger.campaign.goal.primary, REWARD)))


def _numbers(ledger: Ledger) -> dict[str, Explorable]:
    flat = ledger.campaign.base_config().flat()
    return {
        key: rule
        for key, rule in ledger.campaign.explorable.items()
        if not isinstance(flat[key], bool | str) and (rule.choices is None or len(rule.choices) > 1)
    }


def _effects(ledger: Ledger, groups: Sequence[Group]) -> list[Effect]:
    flat, numbers = ledger.campaign.base_config().flat(), _numbers(ledger)
    log = {key: rule.scale == "log" for key, rule in numbers.items()}
    return main_effects(groups, {key: _step(float(flat[key])) for key in numbers}, log)


def _latest_configs(ledger: Ledger, keys: list[str]) -> dict[str, dict[str, float]]:
    """The configs of the latest runs, with their values of ``keys``."""
    configs = {}
    for name in dict.fromkeys(iteration.planned.config_id for iteration in _latest(ledger, REGRESSED_RUNS)):
        if name in ledger.views.latest_node:
            node = ledger.history.iterations[ledger.views.latest_node[name]]
            configs[name] = _values_of(ledger, ledger.views.config(node), keys)
    return configs


def _values_of(ledger: Ledger, config: SlotConfig, keys: list[str]) -> dict[str, float]:
    values = explored_values(ledger, config)
    return {key: float(values[key]) for key in keys}


def _step(default: float) -> float:
    """A round unit of about a quarter of the default."""
    return float(f"{abs(default) / 4:.0e}") if default else 1.0
