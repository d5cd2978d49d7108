"""The guard: holds a reply against every rule before anything of it is run; each rule has a code of its own."""

from __future__ import annotations

from collections.abc import Sequence

from agent.guard.confirmation import check_confirmations
from agent.guard.memory_rules import check_carried_on
from agent.guard.owed_rules import check_owed
from agent.guard.policy_rules import check_policy, check_replicates
from agent.guard.reply import ProposalReply, Reply
from agent.guard.seed_rules import check_seed_modes, check_seeds
from agent.guard.setting_rules import check_one_setting, check_settings
from agent.guard.text_rules import MAX_PROSE, check_entry, check_memory, check_text
from agent.guard.verdict import Accepted, Facts, Verdict, Violate, Violation, mutation_line
from agent.ledger.policy import next_slot_node
from agent.ledger.views import run_key
from state.campaign import Campaign
from state.config import Scalar, SlotConfig, difference
from state.errors import ConfigError
from state.explorable import protection
from state.records import Edit
from state.schema import nearest
from ucb.grammar import LogError, parse_mutation, with_dash


def check(reply: Reply, facts: Facts) -> Verdict:
    """Hold ``reply`` against every rule."""
    verdict = Verdict()
    for slot, proposal in enumerate(reply.proposals):
        verdict.accepted.append(_check_proposal(slot, proposal, facts, verdict))
    _check_doubles(facts, verdict)
    check_one_setting(verdict)
    check_seed_modes(reply.proposals, facts, verdict)
    check_replicates(facts, verdict)
    check_owed(facts, verdict)
    check_confirmations(facts, verdict)
    for slot, entry in enumerate(reply.entries):
        verdict.entries.append(check_entry(slot, entry, verdict))
    verdict.memory = check_memory(reply.memory, verdict)
    if verdict.memory is not None and facts.campaign.format > 1 and not check_carried_on(reply.memory, facts, verdict):
        verdict.memory = None
    check_text("block_summary", reply.block_summary, facts.block_end, verdict)
    check_text("acknowledged", reply.acknowledged, facts.user_input, verdict)
    return verdict


def _check_proposal(slot: int, proposal: ProposalReply, facts: Facts, verdict: Verdict) -> Accepted | None:
    found: list[Violation] = []

    def violate(code: str, key: str, what: object, allowed: str) -> None:
        found.append(Violation(code=code, slot=slot, key=_short(key), found=_short(what), allowed=allowed))

    parent = _check_parent(slot, proposal, facts, violate)
    settings, edits = check_settings(proposal.edits, facts, violate)
    changes = _check_edits(edits, parent, facts.campaign, violate) if parent else {}
    _check_prose(proposal, violate)
    check_seeds(slot, proposal, facts, violate)
    accepted = None
    if parent is not None and not found:
        accepted = _check_child(proposal, parent, changes, facts, violate)
    if accepted is not None:
        accepted.settings = settings
        _check_role(proposal, accepted, facts, violate)
        _check_mutation(proposal, accepted, facts.campaign.format, violate)
        found += check_policy(slot, proposal, accepted, facts, verdict)
    verdict.violations += found
    return None if found else accepted


def _check_parent(slot: int, proposal: ProposalReply, facts: Facts, violate: Violate) -> SlotConfig | None:
    number = None if proposal.parent == "root" else proposal.parent
    config = facts.parent_config(number)
    if config is None:
        future = number is not None and isinstance(number, int) and number > facts.last_node
        code = "parent_future" if future else "parent_missing"
        violate(code, "parent", proposal.parent, f"root, or a finished or failed node from 1 to {facts.last_node}")
    elif number is not None and number == next_slot_node(slot, len(facts.seeds), facts.last_node):
        what = f"{number}, which would make the entry's line `Next: parent=id+1`"
        violate("parent_next_slot", "parent", what, "another node, or the same parent in another slot")
    return config


def _check_edits(edits: Sequence[Edit], parent: SlotConfig, campaign: Campaign, violate: Violate) -> dict[str, Scalar]:
    flat, changes = parent.flat(), {}
    names = {key.rsplit(".", 1)[-1]: key for key in flat}
    for edit in edits:
        key = edit.key if edit.key in flat else names.get(edit.key, edit.key)
        if key in changes:
            violate("duplicate_key", key, "two edits of one key", "one edit a key")
        elif (reason := protection(key)) is not None:
            violate("protected_key", key, f"{key} = {edit.value}", f"nothing: {reason}")
        elif key not in flat:
            violate("unknown_key", edit.key, "no such key", nearest(edit.key, list(campaign.explorable)))
        elif key not in campaign.explorable:
            violate("not_explorable", key, f"{key} = {edit.value}", ", ".join(campaign.explorable))
        elif not campaign.explorable[key].allows(edit.value):
            violate("value_not_allowed", key, edit.value, campaign.explorable[key].allowed())
        elif edit.value == flat[key]:
            violate("no_change", key, f"{edit.value}, the parent's value", "a different value, or no edit of this key")
        else:
            changes[key] = edit.value
    return changes


def _check_prose(proposal: ProposalReply, violate: Violate) -> None:
    for key in ("parent_rule", "hypothesis", "mutation"):
        text = getattr(proposal, key)
        if not text.strip() or len(text) > MAX_PROSE:
            violate("prose", key, f"{len(text)} characters", f"1 to {MAX_PROSE} characters")


def _check_child(
    proposal: ProposalReply, parent: SlotConfig, changes: dict[str, Scalar], facts: Facts, violate: Violate
) -> Accepted | None:
    seeds: dict[str, Scalar] = {
        "simulation.seed": proposal.simulation_seed,
        "training.seed": proposal.training_seed,
    }
    try:
        child = parent.replaced(changes | seeds)
    except ConfigError as error:
        violate("invalid_config", ", ".join(changes), error, "a combination of values that fits together")
        return None
    return Accepted(proposal, child, difference(parent, child))


def _check_role(proposal: ProposalReply, accepted: Accepted, facts: Facts, violate: Violate) -> None:
    if proposal.role in ("replicate", "baseline") and accepted.changes:
        violate(
            "replicate_with_edits", "edits", f"role {proposal.role} with edits", "no edits, or role exploit or explore"
        )
    if proposal.role not in ("replicate", "baseline") and not accepted.changes:
        violate("no_edit", "role", f"role {proposal.role} without edits", "role replicate, or at least one edit")
    if proposal.role == "replicate" and proposal.parent == "root":
        violate("replicate_of_root", "parent", "root", "the node whose config is run again")
    if proposal.role == "baseline" and proposal.parent != "root":
        violate("baseline_parent", "parent", proposal.parent, "root, for a baseline run")


def _check_mutation(proposal: ProposalReply, accepted: Accepted, format: int, violate: Violate) -> None:
    parent = None if proposal.parent == "root" else int(proposal.parent)
    want = mutation_line(accepted.changes, proposal.role, parent)
    given = proposal.mutation.strip()
    if not _same_mutation(with_dash(given) if format > 1 else given, want):
        violate("mutation_mismatch", "mutation", proposal.mutation, f"exactly `{want}`, the difference to the parent")


def _same_mutation(given: str, want: str) -> bool:
    """Equal text, or equal changes however the numbers are written."""
    try:
        return given == want or (bool(parse_mutation(want)) and parse_mutation(given) == parse_mutation(want))
    except LogError:
        return False


def _check_doubles(facts: Facts, verdict: Verdict) -> None:
    """The same config with the same seeds would measure nothing new: same seeds, same machine, same numbers."""
    seen: set[tuple[str, int, int]] = set()
    for slot, accepted in enumerate(verdict.accepted):
        if accepted is None:
            continue
        run = run_key(accepted.config)
        if run in seen or run in facts.known_runs:
            found = f"config, simulation seed {run[1]} and training seed {run[2]} of an earlier or neighbouring run"
            violation = Violation(
                code="duplicate_run", slot=slot, key="training_seed", found=found, allowed="at least one new seed"
            )
            verdict.violations.append(violation)
            verdict.accepted[slot] = None
        seen.add(run)


def _short(what: object) -> str:
    text = " ".join(str(what).split())
    return text if len(text) <= 160 else text[:157] + "..."
