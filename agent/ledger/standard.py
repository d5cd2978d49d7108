"""Runs of standard training beside the two-stage baseline (`policy.baseline_standard`): their data, and what they say.

They are the program's alone: no parents, no rank, no part of the pooled noise.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.ledger.ledger import Ledger
from agent.ledger.views import Views
from prompts.context import SeedOffer
from state.config import Scalar
from state.metrics import REWARD, main
from state.records import STANDARD_ROLE, Edit
from state.shapes import Proposal
from ucb.compare import Comparison, render_comparison, show_interval
from ucb.estimates import BASELINE
from ucb.grammar import render_mutation
from ucb.variance import STANDARD

TWO_STAGE = "training.alternate_training"


def standard_run(ledger: Ledger, offer: SeedOffer, before: Sequence[Proposal]) -> Proposal:
    """A slot that the program runs: the defaults in standard training, on the data of a baseline run.

    ``before``: the proposals of the slots before it.
    """
    changes: dict[str, tuple[Scalar, Scalar]] = {TWO_STAGE: (True, False)}
    return {
        "role": STANDARD_ROLE,
        "parent": None,
        "parent_rule": f"planned by the program: standard training on data of the baseline {BASELINE}",
        "mutation": render_mutation(changes, STANDARD_ROLE, None),
        "changes": {key: [old, new] for key, (old, new) in changes.items()},
        "edits": [Edit(key=key, value=new).model_dump() for key, (_, new) in changes.items()],
        "simulation_seed": _data_seed(ledger, offer, before),
        "training_seed": offer.training_seed,
        "seed_rationale": "different-data-generalization",
        "hypothesis": "none: it is compared with two-stage training by the program",
    }


def _data_seed(ledger: Ledger, offer: SeedOffer, before: Sequence[Proposal]) -> int:
    """The baseline's first data seed that has no such run yet, of those first on which the baseline recovered well."""
    planned = [(it.planned.role, it.planned.simulation_seed) for it in ledger.history.iterations.values()]
    planned += [(proposal["role"], proposal["simulation_seed"]) for proposal in before]
    seeds = list(dict.fromkeys(seed for role, seed in planned if role == "baseline"))
    used = {seed for role, seed in planned if role == STANDARD_ROLE}
    good = ledger.views.estimates.cells(BASELINE, REWARD).values
    free = sorted((seed for seed in seeds if seed not in used), key=lambda seed: seed not in good)
    return next(iter([*free, *seeds]), offer.simulation_seed)


def standard_lines(views: Views) -> list[str]:
    """Two-stage against standard training as sentences, each difference two-stage minus standard; none before a run."""
    if not (runs := views.standard[STANDARD].runs):
        return []
    share = views.estimates.share_of(runs)
    planned = views.campaign.policy.baseline_standard
    lines = [f"Standard training ({STANDARD}): {len(runs)} of {planned} runs finished, {share}."]
    for name in _two_stage(views):
        against = f"{name} against standard training"
        lines += [f"{against}: {render_comparison(one)}." for one in _comparisons(views, name)]
    return lines


def standard_words(views: Views) -> str:
    """The same in one sentence on the baseline; '' before a run has finished."""
    told = [_short(one) for one in _comparisons(views, BASELINE)] if views.standard[STANDARD].runs else []
    return f"Two-stage training ({BASELINE}) against standard training: {'; '.join(told)}." if told else ""


def _short(one: Comparison) -> str:
    if one.interval is None:
        return render_comparison(one)
    return f"{one.metric} {one.difference:+.3f}, {show_interval(one)} ({one.standing})"


def _two_stage(views: Views) -> list[str]:
    """The configs that are held against standard training: the baseline, and what is confirmed better than it."""
    best = views.confirmations.best
    return [BASELINE] if best is None else [BASELINE, best.config_id]


def _comparisons(views: Views, name: str) -> list[Comparison]:
    runs = views.standard[STANDARD].runs
    return [views.estimates.against(name, runs, metric.name) for metric in main(views.campaign.format)]
