"""The campaign's rules for a batch, each of which may reject or only warn."""

from __future__ import annotations

from agent.guard.reply import ProposalReply
from agent.guard.verdict import Accepted, Facts, Verdict, Violation
from agent.ledger.policy import REPLICATE_ROLES, width


def check_policy(
    slot: int, proposal: ProposalReply, accepted: Accepted, facts: Facts, verdict: Verdict
) -> list[Violation]:
    """What the proposal of ``slot`` breaks; a rule that only warns goes into the verdict's warnings."""
    policy = facts.campaign.policy
    broken: list[Violation] = []

    def rule(mode: str, code: str, key: str, found: str, allowed: str) -> None:
        violation = Violation(code=code, slot=slot, key=key, found=found, allowed=allowed)
        (broken if mode == "reject" else verdict.warnings).append(violation)

    if facts.demand.baseline and proposal.role != "baseline":
        rule(
            policy.baseline, "baseline_required", "role", proposal.role, f"baseline, parent root: {facts.demand.reason}"
        )
    if proposal.role == "baseline" and proposal.seed_rationale == "same-data-robustness":
        allowed = "new data: different-data-generalization or suggested-default"
        rule(policy.baseline, "baseline_seeds", "seed_rationale", "same-data-robustness", allowed)
    if not facts.demand.baseline and proposal.role == "baseline":
        rule(policy.baseline, "baseline_over", "role", "baseline", "replicate of a baseline node: block 1 is complete")
    if len(accepted.changes) > policy.max_changes:
        found = f"{len(accepted.changes)} changed keys"
        rule(policy.mutation_size, "too_many_changes", "edits", found, f"at most {policy.max_changes} a mutation")
    if (late := _too_long(proposal, accepted, facts)) is not None:
        rule(policy.time, *late)
    return broken


def _too_long(proposal: ProposalReply, accepted: Accepted, facts: Facts) -> tuple[str, str, str, str] | None:
    """Code, key, found and allowed of a mutation that would pass the time limit; None when it would not."""
    minutes, limit = facts.predict_minutes(accepted.config), facts.campaign.policy.time_limit_min
    if not accepted.changes:
        return None
    parent = None if proposal.parent == "root" else int(proposal.parent)
    before, run = facts.parent_config(parent), facts.parent_run(parent)
    over = run is not None and run.minutes is not None and run.minutes > limit
    grown = before is not None and width(accepted.config) > width(before)
    if grown and (over or (minutes is not None and minutes > limit)):
        took = f"{run.minutes:.1f} min taken by the parent" if over and run and run.minutes else f"{minutes:.1f} min"
        return "architecture_time", "edits", f"larger layers at {took}", f"no larger layers beyond {limit:g} min"
    if minutes is not None and minutes > limit:
        allowed = f"at most {limit:g} min; reduce n_epochs, data_augmentation_loop or the layers"
        return "predicted_time", "edits", f"{minutes:.1f} min predicted from past runs", allowed
    return None


def check_replicates(facts: Facts, verdict: Verdict) -> None:
    """Whether the batch holds the replicates that the variance table asks for."""
    need = facts.demand.min_replicates
    have = sum(1 for accepted in verdict.accepted if accepted and accepted.proposal.role in REPLICATE_ROLES)
    # A refused slot counts as a possible replicate: its own violation is reported already.
    unknown = sum(1 for accepted in verdict.accepted if accepted is None)
    if have + unknown < need:
        violation = Violation(
            code="too_few_replicates",
            slot=None,
            key="role",
            found=f"{have} replicates",
            allowed=f"at least {need}: {facts.demand.reason}",
        )
        mode = facts.campaign.policy.replicates
        (verdict.violations if mode == "reject" else verdict.warnings).append(violation)
