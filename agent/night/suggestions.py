"""Proposals that were made when no further batch was paid for: another evening holds the policy against them first."""

from __future__ import annotations

from agent.briefing.context import build_context
from agent.briefing.facts import guard_facts
from agent.guard.acceptance import settled_proposals
from agent.guard.guard import check
from agent.guard.reply import ProposalReply, ProposalRole, Reply
from agent.guard.table import RULES
from agent.ledger.ledger import Ledger
from state.records import Edit
from state.shapes import Proposal


def proposals_to_run(ledger: Ledger) -> list[Proposal]:
    """The proposals committed last; of suggestions, what breaks a rule of the policy is replaced by a fallback."""
    exchanges, proposals = ledger.history.exchanges, ledger.history.proposals
    accepted = exchanges[-1].accepted if exchanges else None
    if not (accepted and accepted.get("suggestions")):
        return proposals
    # A batch is about to be planned, whatever the budget said when they were made.
    context = build_context(ledger).model_copy(update={"last_batch": False})
    made = [_as_made(proposal) for proposal in proposals]
    reply = Reply(entries=[None] * len(made), proposals=made, memory="")
    ruling = check(reply, guard_facts(ledger, context), rules=[rule for rule in RULES if rule.of_policy])
    _, held, replaced = settled_proposals(ledger, context, ruling)
    return [new if str(slot) in replaced else old for slot, (old, new) in enumerate(zip(proposals, held, strict=True))]


def _as_made(proposal: Proposal) -> ProposalReply | None:
    """As it stood in the reply; None for one of the control arm, which never did."""
    role = _role(proposal)
    return (
        None
        if role is None
        else ProposalReply(
            role=role,
            parent="root" if proposal["parent"] is None else proposal["parent"],
            parent_rule=proposal["parent_rule"],
            mutation=proposal["mutation"],
            edits=[Edit.model_validate(edit) for edit in proposal["edits"]],
            simulation_seed=proposal["simulation_seed"],
            training_seed=proposal["training_seed"],
            seed_rationale=proposal["seed_rationale"],
            hypothesis=proposal["hypothesis"],
        )
    )


def _role(proposal: Proposal) -> ProposalRole | None:
    """A fallback of the program is a replicate to every rule; no rule looks at its runs of standard training."""
    if proposal["role"] == "control":
        return None
    if proposal["role"] == "fallback":
        return "replicate"
    return "baseline" if proposal["role"] == "standard-baseline" else proposal["role"]
