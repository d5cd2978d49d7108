"""Gathers, from journal and views alone, the facts that a prompt is filled with and that the guard checks against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent.briefing.comparisons import comparisons
from agent.briefing.evidence import effect_lines, noise_lines, run_lines
from agent.briefing.slot_view import explored_values, slot_view
from agent.guard.table import demands
from agent.ledger.budget import budget_left
from agent.ledger.ledger import Ledger
from agent.ledger.policy import demand, next_slot_node, shorter_by, slot_minutes
from agent.ledger.standing import standing, verdict_lines
from prompts.context import (
    Candidate,
    ConfigView,
    Context,
    Demand,
    MetricView,
    NodeView,
    Owed,
    ReplicateRules,
    Rule,
    SeedOffer,
)
from prompts.memory import empty_memory
from state.campaign import Campaign
from state.config import Scalar
from state.explorable import protected
from state.metrics import described
from state.search import setting_key
from ucb.score import Score
from ucb.table import render_table
from ucb.variance import ConfigStats

# Limits that keep prompts equally long, however many batches there have been.
SHOWN_CONFIGS = 20
SHOWN_NODES = 24
SHOWN_SEEDS = 6
SHOWN_SUMMARY = 2000  # characters
LONGER = ("training.data_augmentation_loop", "training.n_epochs")  # what makes a training longer without changing it
SURROGATE_NOTE = "Note: `trainer: surrogate`. A made-up response surface answers; no network is trained."


def build_context(ledger: Ledger) -> Context:
    """The context of the conversation in hand: the start call, or the batch that has just finished."""
    campaign, history, views = ledger.campaign, ledger.history, ledger.views
    slots = history.batch(history.planned)
    block = views.block(slots[-1].planned.iteration if slots else 1)
    memory = ledger.blobs.text(history.memory) if history.memory else empty_memory(campaign.name)
    scores = views.scores(block.number).scores if slots else []
    return Context(
        format=campaign.format,
        kind="batch" if slots else "start",
        campaign=campaign.name,
        mission=_mission(ledger),
        instruction=_instruction(ledger),
        two_stage=campaign.base_config().training.alternate_training,
        n_parallel=campaign.search.n_parallel,
        n_iter_block=campaign.search.n_iter_block,
        batch=history.planned,
        block=block.number,
        block_iterations=(block.first, block.last),
        block_end=bool(slots) and views.is_block_end(slots[-1].planned.iteration),
        base_config=campaign.base_config().yaml(),
        rules=_rules(ledger),
        settings=_settings(ledger),
        setting_values=dict(sorted(views.settings.items())),
        protected=list(protected(campaign.format).items()),
        design=campaign.policy.design,
        max_changes=campaign.policy.max_changes,
        time_limit_min=campaign.policy.time_limit_min,
        replication=_replication(campaign),
        pictures=campaign.claude.pictures,
        slots=[slot_view(ledger, iteration) for iteration in slots],
        configs=_config_views(ledger),
        nodes=[_node_view(ledger, score) for score in scores[:SHOWN_NODES]],
        more_nodes=max(0, len(scores) - SHOWN_NODES),
        variance_table=render_table(views.table, SHOWN_CONFIGS),
        comparisons=comparisons(ledger, slots),
        **_judgement(ledger, scores, bool(slots)),
        demand=_demand(ledger),
        seeds=_seed_offers(ledger),
        barred=_barred(ledger),
        last_node=len(history.iterations),
        memory=memory,
        user_input=ledger.blobs.text(history.user_input) if history.user_input else "",
        budget=budget_left(ledger),
    )


def _judgement(ledger: Ledger, scores: Sequence[Score], any_run: bool) -> dict[str, Any]:
    """What prompts show since the first release."""
    campaign = ledger.campaign
    if campaign.format == 1:
        return {}
    margins = ", ".join(f"{metric} {margin:g}" for metric, margin in campaign.goal.margins.items())
    told: dict[str, Any] = {"goal": f"{campaign.goal.primary} up; what others may lose: {margins or 'not limited'}"}
    metrics = [MetricView.of(row, campaign.thresholds) for row in described(campaign.format)]
    told["shorter_by"] = shorter_by(campaign)
    told |= {"thresholds": campaign.thresholds.model_dump(), "metrics": metrics, "demands": demands(campaign)}
    if not any_run:
        return told
    puct, c = campaign.search.ucb_formula == "puct", float(ledger.views.settings[setting_key("ucb_c")])
    return told | {
        "verdicts": verdict_lines(ledger.views),
        "block_summaries": [
            (ledger.views.block(last).number, text if len(text) <= SHOWN_SUMMARY else f"{text[:SHOWN_SUMMARY]} ...")
            for last, text in ledger.history.block_summaries
        ],
        "room": _room(ledger),
        "runs": run_lines(ledger),
        "noise": noise_lines(ledger),
        "effects": effect_lines(ledger),
        "ucb_reward": campaign.search.ucb_reward,
        "ucb_bonus": c * len(scores) ** 0.5 / 2 if puct else None,
        "last_batch": (most := ledger.history.budget.max_batches) is not None and ledger.history.planned >= most,
    }


def _room(ledger: Ledger) -> str:
    """What the newest batch leaves of the time that the campaign wants used; '' where it uses enough or none is wanted.

    The addendum's limit is from above; the predecessor's newest instructions have one from below as well.
    """
    policy, known = ledger.campaign.policy, ledger.history.batch(ledger.history.planned)
    minutes = [taken for it in known if it.result is not None and (taken := slot_minutes(it.result)) is not None]
    keys = [key for key in LONGER if key in ledger.campaign.explorable]
    longest = max(minutes, default=policy.time_limit_min)
    if longest >= policy.time_floor * policy.time_limit_min or not keys:
        return ""
    return (
        f"The longest slot took {longest:.1f} min, {100 * longest / policy.time_limit_min:.0f} % of the limit; this "
        f"campaign wants {100 * policy.time_floor:g} % used: raise {' or '.join(keys)}."
    )


def _demand(ledger: Ledger) -> Demand:
    """What the next batch must hold; of the replicates some may be owed to a candidate."""
    campaign, views = ledger.campaign, ledger.views
    found = demand(campaign, len(ledger.history.iterations), views.standings(campaign.policy.top_configs))
    candidates = views.confirmations.owed()
    if campaign.format == 1 or found.baseline or not candidates:
        return found
    trial = views.confirmations.open
    if campaign.policy.design == "forced_seeds":
        found = found.model_copy(update={"min_replicates": campaign.search.n_parallel})
    runs = min(found.min_replicates, *(len(one.seeds) for one in candidates))
    if trial is not None:
        runs = min(runs, trial.target - len(trial.expected))
    if runs < 1:
        return found
    offered = [
        Candidate(config_id=one.config_id, simulation_seeds=list(one.seeds[: campaign.search.n_parallel]))
        for one in candidates
    ]
    return found.model_copy(update={"owed": Owed(runs=runs, candidates=offered)})


def _mission(ledger: Ledger) -> str:
    text = ledger.campaign.description.strip() or "Find settings that recover the wiring reliably."
    return text if ledger.campaign.trainer == "gnn" else f"{text}\n\n{SURROGATE_NOTE}"


def _instruction(ledger: Ledger) -> str:
    """The lab's own: as journaled, or of the campaign file before there is a journal."""
    blob = ledger.history.instruction
    return ledger.blobs.text(blob) if blob else ledger.campaign.instruction_text


def _replication(campaign: Campaign) -> ReplicateRules:
    policy, limits = campaign.policy, campaign.thresholds
    return ReplicateRules(
        baseline_runs=policy.baseline_runs,
        min_replicates=policy.min_replicates,
        min_replicates_later=policy.min_replicates_later,
        top_configs=policy.top_configs,
        runs_of_top=policy.runs_of_top,
        enough_runs=limits.enough_runs,
        enough_cv_std=limits.enough_cv_std,
    )


def _rules(ledger: Ledger) -> list[Rule]:
    flat = ledger.campaign.base_config().flat()
    return [
        Rule(
            key=key,
            default=flat[key],
            allowed=rule.allowed(),
            choices=rule.choices,
            min=rule.min,
            max=rule.max,
            scale=rule.scale,
            whole=isinstance(flat[key], int) and not isinstance(flat[key], bool),
            description=rule.description,
        )
        for key, rule in ledger.campaign.explorable.items()
    ]


def _settings(ledger: Ledger) -> list[tuple[str, str, str]]:
    """Key, allowed values and meaning of what the model may set for the whole campaign."""
    rules = ledger.campaign.search.explorable.items()
    return [(setting_key(key), rule.allowed(), rule.description) for key, rule in rules]


def _seed_offers(ledger: Ledger) -> list[SeedOffer]:
    seeds, first = ledger.campaign.seeds, ledger.history.next_iteration
    return [
        SeedOffer(
            slot=slot,
            simulation_seed=seeds.simulation_base + first + slot,
            training_seed=seeds.training_base + first + slot,
            shared_simulation_seed=seeds.simulation_base + first,
        )
        for slot in range(ledger.campaign.search.n_parallel)
    ]


def _barred(ledger: Ledger) -> list[tuple[int, int]]:
    n, last = ledger.campaign.search.n_parallel, len(ledger.history.iterations)
    nodes = ((slot, next_slot_node(slot, n, last)) for slot in range(n))
    return [(slot, node) for slot, node in nodes if node is not None]


def _config_views(ledger: Ledger) -> list[ConfigView]:
    table = ledger.views.table
    shown = table.top(SHOWN_CONFIGS)
    always = ["C1"] if "C1" in table else []
    if ledger.campaign.format > 1:
        always += [one.config_id for one in ledger.views.confirmations.owed()]
        always += [one.config_id for one in _demand(ledger).short]
    for name in always:
        if all(stats.config_id != name for stats in shown):
            shown.append(table[name])
    return [_config_view(ledger, stats) for stats in shown]


def _config_view(ledger: Ledger, stats: ConfigStats) -> ConfigView:
    """Made anew only when its config has run again; most configs of a prompt have not."""
    known = ledger.views.shown.get(stats.config_id)
    if known is None or known[0] is not stats:
        known = ledger.views.shown[stats.config_id] = (stats, _make_config_view(ledger, stats))
    if ledger.campaign.format == 1:
        return known[1]
    name, views = stats.config_id, ledger.views
    return known[1].model_copy(update={"bad": str(views.estimates.share(name)), "standing": standing(views, name)})


def _make_config_view(ledger: Ledger, stats: ConfigStats) -> ConfigView:
    node = ledger.views.latest_node[stats.config_id]
    values = explored_values(ledger, ledger.views.config(ledger.history.iterations[node]))
    return ConfigView(
        config_id=stats.config_id,
        runs=len(stats.runs),
        node=node,
        mean={name: spread.mean for name, spread in stats.spreads.items()},
        std={name: spread.std for name, spread in stats.spreads.items()},
        rank=stats.score if stats.ranked else None,
        robust=stats.robustness,
        enough=stats.enough,
        cv_std=stats.cv_std if stats.simulation_seeds >= ledger.campaign.thresholds.enough_runs else None,
        simulation_seeds=_latest_seeds(stats),
        data_seeds=stats.simulation_seeds,
        minutes=ledger.views.times.predict(ledger.views.config(ledger.history.iterations[node])),
        changes=config_changes(ledger, stats.config_id),
        values=values,
    )


def config_changes(ledger: Ledger, config_id: str) -> dict[str, Scalar]:
    """Explorable key -> value where a config departs from the defaults."""
    node = ledger.views.latest_node[config_id]
    values = explored_values(ledger, ledger.views.config(ledger.history.iterations[node]))
    base = ledger.campaign.base_config().flat()
    return {key: value for key, value in values.items() if value != base[key]}


def _latest_seeds(stats: ConfigStats) -> list[int]:
    return list(dict.fromkeys(run.simulation_seed for run in stats.runs))[-SHOWN_SEEDS:]


def _node_view(ledger: Ledger, score: Score) -> NodeView:
    iteration = ledger.history.iterations[score.node]
    assert iteration.result is not None
    config = ledger.views.config(iteration)
    return NodeView(
        node=score.node,
        parent=score.parent,
        config_id=iteration.planned.config_id,
        ucb=score.ucb,
        visits=score.visits,
        reward=score.connectivity_R2 or 0.0,
        mutation=score.mutation,
        pattern=ledger.views.patterns[score.node],
        minutes=ledger.views.times.predict(config),
        values=explored_values(ledger, config),
    )
