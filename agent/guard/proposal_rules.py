"""Rules on one proposal: its parent, its edits, its role, and what it says of its mutation."""

from __future__ import annotations

from collections.abc import Iterator

from agent.guard.rule import Breach, Case, Draft, Rule, Step, breach
from agent.guard.ruling import mutation_line
from agent.guard.text_rules import MAX_PROSE
from agent.ledger.policy import next_slot_node
from agent.ledger.views import run_key
from ucb.grammar import LogError, parse_mutation, with_dash

UNCHANGED = ("replicate", "baseline")


def _parent_missing(case: Case) -> Iterator[Breach]:
    for one in case.drafts:
        if one.parent is None and not _is_future(one, case):
            yield _no_parent(one, case)


def _parent_future(case: Case) -> Iterator[Breach]:
    for one in case.drafts:
        if one.parent is None and _is_future(one, case):
            yield _no_parent(one, case)


def _is_future(one: Draft, case: Case) -> bool:
    node = one.proposal.node
    return node is not None and node > case.facts.last_node


def _no_parent(one: Draft, case: Case) -> Breach:
    facts = case.facts
    allowed = f"root, or a finished or failed node from {facts.first_node} to {facts.last_node}"
    if facts.first_node > 1:
        own = allowed if facts.last_node else "root"
        allowed = f"{own}, or an imported node whose config is known"
    return breach(one.slot, "parent", one.proposal.parent, allowed)


def _parent_next_slot(case: Case) -> Iterator[Breach]:
    for one in case.drafts:
        barred = next_slot_node(one.slot, len(case.facts.seeds), case.facts.last_node)
        if one.parent is not None and barred is not None and one.proposal.node == barred:
            found = f"{barred}, which would make the entry's line `Next: parent=id+1`"
            yield breach(one.slot, "parent", found, "another node, or the same parent in another slot")


def _parent_standard(case: Case) -> Iterator[Breach]:
    for one in case.drafts:
        run = case.facts.parent_run(one.proposal.node)
        if run is not None and run.standard:
            yield breach(one.slot, "parent", f"{one.proposal.parent}, a run of standard training", "a two-stage node")


def _parent_control(case: Case) -> Iterator[Breach]:
    for one in case.drafts:
        run = case.facts.parent_run(one.proposal.node)
        if run is not None and run.control:
            yield breach(one.slot, "parent", f"{one.proposal.parent}, a run of the control arm", "a node of your own")


def _edit_rule(code: str, demand: str) -> Rule:
    """A rule on single edits: `agent.guard.edits` says which of them cannot be made."""

    def broken(case: Case) -> Iterator[Breach]:
        for one in case.drafts:
            for place, fault in enumerate(one.faults):
                if fault.code == code:
                    yield breach(one.slot, fault.key, fault.found, fault.allowed, place)

    return Rule(code, Step.EDIT, demand, broken)


def _prose(case: Case) -> Iterator[Breach]:
    for one in case.drafts:
        for place, key in enumerate(("parent_rule", "hypothesis", "mutation")):
            text = getattr(one.proposal, key)
            if not text.strip() or len(text) > MAX_PROSE:
                yield breach(one.slot, key, f"{len(text)} characters", f"1 to {MAX_PROSE} characters", place)


def _invalid_config(case: Case) -> Iterator[Breach]:
    for one in case.drafts:
        if one.slot in case.misfits:
            why = case.misfits[one.slot]
            yield breach(one.slot, ", ".join(one.changes), why, "a combination of values that fits together")


def _replicate_with_edits(case: Case) -> Iterator[Breach]:
    for slot, item in case.passed:
        if (role := item.proposal.role) in UNCHANGED and item.changes:
            yield breach(slot, "edits", f"role {role} with edits", "no edits, or role exploit or explore")


def _no_edit(case: Case) -> Iterator[Breach]:
    for slot, item in case.passed:
        # One run of a screening batch has its parent's config; its own rules say which.
        if (role := item.proposal.role) not in UNCHANGED and not item.changes and not item.screens:
            yield breach(slot, "role", f"role {role} without edits", "role replicate, or at least one edit")


def _replicate_of_root(case: Case) -> Iterator[Breach]:
    for slot, item in case.passed:
        if item.proposal.role == "replicate" and item.proposal.parent == "root":
            yield breach(slot, "parent", "root", "the node whose config is run again")


def _baseline_parent(case: Case) -> Iterator[Breach]:
    for slot, item in case.passed:
        if item.proposal.role == "baseline" and item.proposal.parent != "root":
            yield breach(slot, "parent", item.proposal.parent, "root, for a baseline run")


def _mutation_mismatch(case: Case) -> Iterator[Breach]:
    for slot, item in case.passed:
        want = mutation_line(item.changes, item.proposal.role, item.proposal.node)
        given = item.proposal.mutation.strip()
        # A hyphen is understood for the dash; in runs of the first release it was not.
        if not _same_mutation(with_dash(given) if case.facts.campaign.format > 1 else given, want):
            allowed = f"exactly `{want}`, the difference to the parent"
            yield breach(slot, "mutation", item.proposal.mutation, allowed)


def _same_mutation(given: str, want: str) -> bool:
    """Equal text, or equal changes however the numbers are written."""
    try:
        return given == want or (bool(parse_mutation(want)) and parse_mutation(given) == parse_mutation(want))
    except LogError:
        return False


def _duplicate_run(case: Case) -> Iterator[Breach]:
    """The same config with the same seeds would measure nothing new: same seeds, same machine, same numbers."""
    seen: set[tuple[str, int, int]] = set()
    for slot, item in case.passed:
        run = run_key(item.config)
        if run in seen or run in case.facts.known_runs:
            found = f"config, simulation seed {run[1]} and training seed {run[2]} of an earlier or neighbouring run"
            yield Breach(slot, "training_seed", found, "at least one new seed")
        seen.add(run)


def _setting_conflict(case: Case) -> Iterator[Breach]:
    first: dict[str, object] = {}
    for slot, item in case.passed:
        for key, value in item.settings.items():
            if first.setdefault(key, value) != value:
                found = f"{value} beside {first[key]} in another slot"
                yield Breach(slot, key, found, "one value for the whole campaign")


PROPOSAL_RULES = (
    Rule(
        "parent_missing",
        Step.PARENT,
        "`parent` is `root` (the defaults) or a finished or failed node of this batch or of an earlier one. It is the "
        "parent of the config that this slot runs next, and of nothing else.",
        _parent_missing,
    ),
    Rule("parent_future", Step.PARENT, "`parent` is never a node that has not run yet.", _parent_future),
    Rule(
        "parent_next_slot",
        Step.PARENT,
        "`parent` is never id+1: after node N of a slot, N+1 is the next slot of the same batch, which the log's line "
        "`Next: parent=N+1` would make its own parent.",
        _parent_next_slot,
    ),
    Rule(
        "parent_standard",
        Step.PARENT,
        "`parent` is never a run of standard training (role `standard-baseline`): they are for comparison alone.",
        _parent_standard,
        standard=True,
    ),
    Rule(
        "parent_control",
        Step.PARENT,
        "`parent` is never a run of the control arm (role `control`): it is another explorer's.",
        _parent_control,
        control=True,
    ),
    _edit_rule("duplicate_key", "Each key is edited once."),
    _edit_rule("protected_key", "What is listed as protected is never edited."),
    _edit_rule("unknown_key", "Keys are named as in the table of what may be edited."),
    _edit_rule("not_explorable", "Only keys of that table are edited."),
    _edit_rule("value_not_allowed", "Each value is one that is allowed for its key."),
    _edit_rule("no_change", "An edit changes its key's value; what stays as it is needs no edit."),
    Rule(
        "prose",
        Step.PROSE,
        "`parent_rule`, `hypothesis` and `mutation` have 1 to {max_prose:,} characters each.",
        _prose,
    ),
    Rule("invalid_config", Step.CONFIG, "The edited values fit together in one config.", _invalid_config),
    Rule("replicate_with_edits", Step.ROLE, "`replicate` and `baseline` have no edits.", _replicate_with_edits),
    Rule("no_edit", Step.ROLE, "Every other role has at least one edit.", _no_edit),
    Rule(
        "replicate_of_root",
        Step.ROLE,
        "A `replicate` has the node that it runs again as its parent, never `root`.",
        _replicate_of_root,
    ),
    Rule("baseline_parent", Step.ROLE, "A `baseline` has the parent `root`.", _baseline_parent),
    Rule(
        "mutation_mismatch",
        Step.MUTATION,
        "`mutation` states the difference to the parent exactly, and `edits` holds the same changes as full keys and "
        'new values. Short key names, old -> new, several joined by ", ": `alternate_joint_ratio: 0.4 -> 0.3`. Without '
        "edits `{rerun}` (X is the parent), and for a baseline run `{baseline}`.",
        _mutation_mismatch,
    ),
    Rule(
        "duplicate_run",
        Step.DOUBLE,
        "No config runs again with both seeds unchanged: it would measure nothing.",
        _duplicate_run,
    ),
    Rule(
        "setting_conflict",
        Step.CONFLICT,
        "A setting of the whole campaign gets one value in a batch.",
        _setting_conflict,
    ),
)
