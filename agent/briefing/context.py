"""Gathers, from journal and views alone, the facts that a prompt is filled with and that the guard checks against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent.briefing.comparisons import comparisons
from agent.briefing.config_view import SHOWN_CONFIGS, config_views, node_view
from agent.briefing.evidence import control_runs, effect_lines, noise_lines, run_lines
from agent.briefing.imported import imported_views, stated_facts
from agent.briefing.next_batch import barred, next_demand, replication, room, seed_offers
from agent.briefing.results import hopeless, results
from agent.briefing.screening import screening_facts
from agent.briefing.slot_view import explored_values, slot_view
from agent.guard.table import demands
from agent.ledger.budget import budget_left
from agent.ledger.cutting import cut_words
from agent.ledger.ledger import Ledger
from agent.ledger.policy import shorter_by
from agent.ledger.standard import standard_lines
from agent.ledger.standing import verdict_lines
from prompts.context import Context, HintView, MetricView, Rule
from prompts.memory import empty_memory
from state.campaign import Campaign
from state.explorable import protected
from state.explorer import SAMPLERS, TITLES, named
from state.metrics import described
from state.records import CONTROL_ROLE
from state.search import setting_key
from state.shapes import Hint
from ucb.score import Score
from ucb.table import render_table

# Limits that keep prompts equally long, however many batches there have been.
SHOWN_NODES = 24
SHOWN_SUMMARY = 2000  # characters
SURROGATE_NOTE = "Note: `trainer: surrogate`. A made-up response surface answers; no network is trained."


def build_context(ledger: Ledger) -> Context:
    """The context of the conversation in hand: the start call, or the batch that has just finished."""
    campaign, history, views = ledger.campaign, ledger.history, ledger.views
    slots = history.batch(history.planned)
    # A control arm's runs are no evidence for the explorer that it is compared with.
    own = [iteration for iteration in slots if iteration.planned.role != CONTROL_ROLE]
    block = views.block(slots[-1].planned.iteration if slots else history.next_iteration)
    memory = ledger.blobs.text(history.memory) if history.memory else empty_memory(campaign.name)
    scores = views.scores(block.number).scores if slots else []
    demand = next_demand(ledger)
    return Context(
        format=campaign.format,
        kind="batch" if slots else "start",
        campaign=campaign.name,
        mission=_mission(ledger),
        instruction=_instruction(ledger),
        n_parallel=campaign.search.n_parallel,
        n_iter_block=campaign.search.n_iter_block,
        batch=history.planned,
        block=block.number,
        block_iterations=(block.first, block.last),
        block_end=bool(slots) and views.is_block_end(slots[-1].planned.iteration),
        setting_values=dict(sorted(views.settings.items())),
        design=campaign.policy.design,
        max_changes=campaign.policy.max_changes,
        time_limit_min=campaign.policy.time_limit_min,
        pictures=campaign.claude.pictures,
        slots=[slot_view(ledger, iteration) for iteration in own],
        configs=config_views(ledger, demand),
        nodes=[node_view(ledger, score) for score in scores[:SHOWN_NODES]],
        more_nodes=max(0, len(scores) - SHOWN_NODES),
        **({"variance_table": render_table(views.table, SHOWN_CONFIGS)} | stated_facts(ledger, SHOWN_CONFIGS)),
        comparisons=comparisons(ledger, own),
        **_of_campaign(ledger),
        **_judgement(ledger, scores, bool(slots)),
        **screening_facts(ledger, demand, _of_campaign(ledger)["rules"]),
        demand=demand,
        seeds=seed_offers(ledger),
        barred=barred(ledger, demand),
        last_node=history.last_node,
        imported=imported_views(ledger),
        imported_nodes=len(history.imported),
        first_iteration=history.first_iteration,
        memory=memory,
        user_input=ledger.blobs.text(history.user_input) if history.user_input else "",
        budget=budget_left(ledger),
    )


def _of_campaign(ledger: Ledger) -> dict[str, Any]:
    """What is the same in every prompt of a run: made once."""
    if not ledger.views.unchanging:
        campaign = ledger.campaign
        ledger.views.unchanging = {
            "two_stage": campaign.base_config().training.alternate_training,
            "base_config": campaign.base_config().yaml(),
            "rules": _rules(ledger),
            "settings": _settings(ledger),
            "protected": list(protected(campaign.format, campaign.training.alternate_training).items()),
            "replication": replication(campaign),
            **_aims(campaign),
        }
    return ledger.views.unchanging


def _aims(campaign: Campaign) -> dict[str, Any]:
    """What prompts say of goal and rules since the first release."""
    if campaign.format == 1:
        return {}
    margins = ", ".join(f"{metric} {margin:g}" for metric, margin in campaign.goal.margins.items())
    return {
        "goal": f"{campaign.goal.primary} up; what others may lose: {margins or 'not limited'}",
        "shorter_by": shorter_by(campaign),
        "baseline_standard": campaign.policy.baseline_standard,
        "control": "" if campaign.control is None else TITLES[campaign.control.explorer],
        "control_slots": campaign.control_slots,
        "cut": cut_words(campaign),
        "thresholds": campaign.thresholds.model_dump(),
        "metrics": [MetricView.of(row, campaign.thresholds) for row in described(campaign.format)],
        "demands": demands(campaign),
    }


def _judgement(ledger: Ledger, scores: Sequence[Score], any_run: bool) -> dict[str, Any]:
    """What prompts show of the runs since the first release."""
    campaign = ledger.campaign
    if campaign.format == 1 or not any_run:
        return {}
    puct, c = campaign.search.ucb_formula == "puct", float(ledger.views.settings[setting_key("ucb_c")])
    return {
        "verdicts": verdict_lines(ledger.views),
        "standard": standard_lines(ledger.views),
        "block_summaries": [
            (ledger.views.block(last).number, text if len(text) <= SHOWN_SUMMARY else f"{text[:SHOWN_SUMMARY]} ...")
            for last, text in ledger.history.block_summaries
        ],
        "control_runs": control_runs(ledger),
        **_hints(ledger),
        "room": room(ledger),
        "runs": run_lines(ledger),
        "hopeless": hopeless(ledger),
        "results": results(ledger, ledger.views.table) if ledger.history.explorer in SAMPLERS else [],
        "noise": noise_lines(ledger),
        "effects": effect_lines(ledger),
        "machine_load": ledger.views.times.load(ledger.history.planned),
        "ucb_reward": campaign.search.ucb_reward,
        "ucb_bonus": c * len(scores) ** 0.5 / 2 if puct else None,
        "last_batch": (most := ledger.history.budget.max_batches) is not None and ledger.history.planned >= most,
    }


def _hints(ledger: Ledger) -> dict[str, Any]:
    """What a sampler suggests, as it was journaled."""
    hints, asked = ledger.history.hints, ledger.history.asked_explorers
    if hints is None or asked is None:
        return {}
    by = named(hints, ledger.campaign.seeds.explorer)
    return {"hints": [_hint_view(ledger, hint, by) for hint in asked.get("hints", [])]}


def _hint_view(ledger: Ledger, hint: Hint, by: str) -> HintView:
    parent = ledger.views.config(ledger.history.iterations[hint["parent"]])
    return HintView(**hint, by=by, values=explored_values(ledger, parent))


def _mission(ledger: Ledger) -> str:
    text = ledger.campaign.description.strip() or "Find settings that recover the wiring reliably."
    return text if ledger.campaign.trainer == "gnn" else f"{text}\n\n{SURROGATE_NOTE}"


def _instruction(ledger: Ledger) -> str:
    """The lab's own: as journaled, or of the campaign file before there is a journal."""
    blob = ledger.history.instruction
    return ledger.blobs.text(blob) if blob else ledger.campaign.instruction_text


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
