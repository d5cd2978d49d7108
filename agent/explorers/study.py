"""What a sampler of Optuna would try next, given the configs that have run. It knows no slots and no rules of a batch.

A study is built anew for every question, from the configs as finished trials, so that a night that is continued asks
exactly what an undisturbed one would have asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import TrialState, create_trial

from prompts.context import ConfigResult, Rule
from state.config import Scalar
from state.explorer import Sampler

Values = Mapping[str, Scalar]
# A night explores two dozen configs in all: after this many a sampler stops drawing at random.
START = 5


def wish(
    kind: Sampler,
    seed: Sequence[int],
    rules: Sequence[Rule],
    results: Sequence[ConfigResult],
    running: Sequence[Values],
    hopeless: Sequence[Values] = (),
) -> dict[str, Scalar]:
    """The config that the sampler would try next: a value for every key of ``rules``.

    ``seed``: any numbers, equal ones give the same answer. ``running``: configs that are proposed already.
    ``hopeless``: configs of which a run was cut; they count as the worst that has been.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {rule.key: distribution(rule) for rule in rules}
    number = int(np.random.SeedSequence(seed).generate_state(1)[0])
    study = optuna.create_study(direction="maximize", sampler=_sampler(kind, number))
    for result in results:
        constraints = result.losses or None
        study.add_trial(
            create_trial(
                value=result.score, params=_params(space, result.values), distributions=space, constraints=constraints
            )
        )
    worst = min((result.score for result in results), default=0.0)
    for values in hopeless:
        study.add_trial(create_trial(value=worst, params=_params(space, values), distributions=space))
    for values in running:
        study.add_trial(create_trial(state=TrialState.RUNNING, params=_params(space, values), distributions=space))
    asked: dict[str, Any] = study.ask(fixed_distributions=space).params
    return {rule.key: _rounded(rule, asked[rule.key]) for rule in rules}


def _sampler(kind: Sampler, seed: int) -> BaseSampler:
    if kind == "random":
        return RandomSampler(seed=seed)
    if kind == "tpe":
        return TPESampler(seed=seed, multivariate=True, n_startup_trials=START)
    return GPSampler(seed=seed, n_startup_trials=START)


def distribution(rule: Rule) -> BaseDistribution:
    """Where the values of a key come from: its choices, or its range on the scale of the explore table."""
    if rule.choices is not None:
        return CategoricalDistribution(rule.choices)
    assert rule.min is not None
    assert rule.max is not None
    log = rule.scale == "log"
    if rule.whole:
        return IntDistribution(int(np.ceil(rule.min)), int(rule.max), log=log)
    return FloatDistribution(rule.min, rule.max, log=log)


def _params(space: Mapping[str, BaseDistribution], values: Values) -> dict[str, Any]:
    """``values`` as a trial holds them: a choice as it stands in the table, 2 and 2.0 being the same."""
    return {key: _choice(found, values[key]) for key, found in space.items()}


def _choice(found: BaseDistribution, value: Scalar) -> Scalar:
    if not isinstance(found, CategoricalDistribution):
        return value
    flag = isinstance(value, bool)
    same: Scalar = next(one for one in found.choices if one == value and isinstance(one, bool) == flag)
    return same


def _rounded(rule: Rule, value: Any) -> Scalar:
    """Three digits of a number from a range, as far as it stays inside."""
    if rule.choices is not None or rule.whole:
        return value  # type: ignore[no-any-return]
    assert rule.min is not None
    assert rule.max is not None
    return min(max(float(f"{value:.3g}"), rule.min), rule.max)
