"""The facts that the guard holds a reply against, from journal and views alone."""

from __future__ import annotations

from agent.guard.ruling import Facts, ParentRun
from agent.ledger.ledger import Ledger
from agent.ledger.policy import slot_minutes
from agent.ledger.run_ahead import runs_ahead_of
from prompts.context import Context
from state.records import CONTROL_ROLE, STANDARD_ROLE
from state.shapes import codes_of


def guard_facts(ledger: Ledger, context: Context) -> Facts:
    """What the guard holds a reply against."""
    known, ahead = ledger.views.known_runs, runs_ahead_of(ledger)
    return Facts(
        campaign=ledger.campaign,
        demand=context.demand,
        seeds=context.seeds,
        last_node=context.last_node,
        parent_config=ledger.views.parent_config,
        known_runs=known | ahead if ahead else known,
        predict_minutes=ledger.views.times.predict,
        seeds_of=lambda identity: frozenset(ledger.views.seeds_of.get(identity, ())),
        parent_run=lambda node: _parent_run(ledger, node),
        screening=context.screening,
        no_screening=context.no_screening,
        settings=ledger.views.settings,
        config_ids=ledger.history.config_ids,
        enough=lambda name: ledger.views.table[name].enough,
        block_end=context.block_end,
        user_input=context.kind == "batch" and bool(context.user_input),
        start=context.kind == "start",
        last=context.last_batch,
        memory=context.memory,
        first_node=context.first_iteration,
        sent_back=_sent_back(ledger),
    )


def _sent_back(ledger: Ledger) -> frozenset[str]:
    rejected = [exchange.rejected for exchange in ledger.history.exchanges if exchange.rejected is not None]
    return frozenset(code for one in rejected for code in codes_of(one))


def _parent_run(ledger: Ledger, node: int | None) -> ParentRun | None:
    iteration = ledger.history.iterations.get(node) if node is not None else None
    if iteration is None or iteration.result is None:
        return None
    minutes = slot_minutes(iteration.result, ledger.campaign.format)
    if minutes is not None and ledger.campaign.format > 1:
        minutes = ledger.views.times.predict(ledger.views.config(iteration))
    role = iteration.planned.role
    return ParentRun(iteration.planned.simulation_seed, minutes, role == STANDARD_ROLE, role == CONTROL_ROLE)
