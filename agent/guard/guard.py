"""The guard: holds a reply against every rule before anything of it is run; each rule has a code of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from agent.guard.edits import draft
from agent.guard.reply import Reply
from agent.guard.rule import Breach, Case, Draft, Rule, Step
from agent.guard.ruling import Accepted, Facts, Figures, Ruling, Violation
from agent.guard.table import PLACE, RULES
from state.config import Scalar, SlotConfig, difference
from state.errors import ConfigError

Found = list[tuple[Rule, Breach]]
NONE = Figures()


def check(reply: Reply, facts: Facts, figures: Figures = NONE, rules: Sequence[Rule] = RULES) -> Ruling:
    """Hold ``reply`` against every rule, in whatever order they come; what it proposes for the program's slots is no
    matter."""
    mine = [slot for slot in range(len(reply.proposals)) if slot not in facts.demand.of_program]
    drafts = [draft(slot, one, facts) for slot in mine if (one := reply.proposals[slot]) is not None]
    case, found = Case(reply, facts, figures, drafts), Found()
    for number in sorted({step.round for step in Step}):
        if number == Step.CONFIG.round:
            case = _with_configs(case)
        broken = [(r, b) for r in rules if r.step.round == number for b in r.broken(case) if _counts(r, facts)]
        case = _without(case, _refused(broken, facts))
        found += broken
    return _ruling(case, found)


def _counts(rule: Rule, facts: Facts) -> bool:
    if facts.last and rule.of_policy:
        return False
    return rule.holds_in(facts.campaign) and not (rule.once and rule.code in facts.sent_back)


def _refused(found: Found, facts: Facts) -> set[int]:
    """The slots whose proposals are not to run."""
    policy = facts.campaign.policy
    return {
        breach.slot
        for rule, breach in found
        if breach.slot is not None and rule.step < Step.ENTRY and rule.mode(policy) == "reject"
    }


def _without(case: Case, slots: Iterable[int]) -> Case:
    gone = set(slots)
    accepted = [None if slot in gone else item for slot, item in enumerate(case.accepted)]
    return replace(case, drafts=[one for one in case.drafts if one.slot not in gone], accepted=accepted)


def _with_configs(case: Case) -> Case:
    """The case with the config of each draft that still stands, or why it has none."""
    accepted: list[Accepted | None] = [None] * len(case.reply.proposals)
    misfits = {}
    for one in case.drafts:
        if one.parent is None:
            continue
        try:
            accepted[one.slot] = _child(one, one.parent, case.facts)
        except ConfigError as error:
            misfits[one.slot] = str(error)
    return replace(case, accepted=accepted, misfits=misfits)


def _child(one: Draft, parent: SlotConfig, facts: Facts) -> Accepted:
    seeds: dict[str, Scalar] = {
        "simulation.seed": one.proposal.simulation_seed,
        "training.seed": one.proposal.training_seed,
    }
    config = parent.replaced({**one.changes} | seeds)
    node = one.proposal.node
    imported = node is not None and node < facts.first_node
    first_here = imported and config.identity() not in facts.config_ids
    return Accepted(one.proposal, config, difference(parent, config), dict(one.settings), first_here)


def _ruling(case: Case, found: Found) -> Ruling:
    policy, texts = case.facts.campaign.policy, {Step.ENTRY: set[int | None](), Step.MEMORY: set[int | None]()}
    told: dict[bool, list[Violation]] = {True: [], False: []}
    for rule, one in sorted(found, key=_order):
        violation = Violation(code=rule.code, slot=one.slot, key=one.key, found=one.found, allowed=one.allowed)
        told[rule.mode(policy) == "warn"].append(violation)
        texts.get(rule.step, set()).add(one.slot)
    return Ruling(
        violations=told[False],
        warnings=told[True],
        accepted=case.accepted,
        entries=[None if slot in texts[Step.ENTRY] else entry for slot, entry in enumerate(case.reply.entries)],
        memory=None if texts[Step.MEMORY] else case.reply.memory,
        figures=case.figures,
    )


def _order(found: tuple[Rule, Breach]) -> tuple[int, ...]:
    """What is about one proposal comes slot by slot, then what is about the batch."""
    rule, one = found
    slot = len(PLACE) if one.slot is None else one.slot
    step = (slot, rule.step) if rule.step.of_slot else (rule.step, slot)
    return (not rule.step.of_slot, *step, one.place, PLACE[rule.code])
