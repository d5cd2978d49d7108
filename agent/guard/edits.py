"""What the edits of a proposal come to: settings of the campaign, changes of the config, and what cannot be made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent.guard.reply import ProposalReply
from agent.guard.rule import Draft, EditFault
from agent.guard.ruling import Facts
from state.campaign import Campaign
from state.config import Scalar, SlotConfig
from state.explorable import Explorable, protection
from state.records import Edit
from state.schema import nearest
from state.search import setting_key


def draft(slot: int, proposal: ProposalReply, facts: Facts) -> Draft:
    """The proposal of ``slot`` as far as it can be read; without a parent its other edits are not looked at."""
    parent = facts.parent_config(proposal.node)
    rules = {setting_key(key): rule for key, rule in facts.campaign.search.explorable.items()}
    settings, wrong = _settings([edit for edit in proposal.edits if edit.key in rules], rules, facts.settings)
    others = [edit for edit in proposal.edits if edit.key not in rules]
    changes, faults = _changes(others, parent, facts.campaign) if parent else ({}, [])
    return Draft(slot, proposal, parent, settings, changes, (*wrong, *faults))


def _settings(
    edits: Sequence[Edit], rules: Mapping[str, Explorable], in_force: Mapping[str, Scalar]
) -> tuple[dict[str, Scalar], list[EditFault]]:
    """The edits of `claude.*` keys that the campaign lets the model set. They belong to no slot's config."""
    settings: dict[str, Scalar] = {}
    faults = []
    for edit in edits:
        if edit.key in settings:
            faults.append(EditFault("duplicate_key", edit.key, "two edits of one key", "one edit a key"))
        elif not rules[edit.key].allows(edit.value):
            allowed = rules[edit.key].allowed()
            faults.append(EditFault("value_not_allowed", edit.key, edit.value, allowed))
        elif edit.value == in_force.get(edit.key):
            found = f"{edit.value}, the value in force"
            faults.append(EditFault("no_change", edit.key, found, "a different value, or no edit of it"))
        else:
            settings[edit.key] = edit.value
    return settings, faults


def _changes(
    edits: Sequence[Edit], parent: SlotConfig, campaign: Campaign
) -> tuple[dict[str, Scalar], list[EditFault]]:
    """Dotted key -> new value of the edits that can be made, and the faults of the others."""
    flat = parent.flat()
    names = {key.rsplit(".", 1)[-1]: key for key in flat}
    changes: dict[str, Scalar] = {}
    faults = []
    for edit in edits:
        key = edit.key if edit.key in flat else names.get(edit.key, edit.key)
        fault = _fault(key, edit, flat, changes, campaign)
        if fault is None:
            changes[key] = edit.value
        else:
            faults.append(fault)
    return changes, faults


def _fault(
    key: str, edit: Edit, flat: dict[str, Scalar], changes: dict[str, Scalar], campaign: Campaign
) -> EditFault | None:
    if key in changes:
        return EditFault("duplicate_key", key, "two edits of one key", "one edit a key")
    two_stage = campaign.format == 1 or campaign.training.alternate_training
    if (reason := protection(key, two_stage)) is not None:
        return EditFault("protected_key", key, f"{key} = {edit.value}", f"nothing: {reason}")
    if key not in flat:
        allowed = nearest(edit.key, list(campaign.explorable))
        return EditFault("unknown_key", edit.key, "no such key", allowed)
    if key not in campaign.explorable:
        return EditFault("not_explorable", key, f"{key} = {edit.value}", ", ".join(campaign.explorable))
    if not campaign.explorable[key].allows(edit.value):
        return EditFault("value_not_allowed", key, edit.value, campaign.explorable[key].allowed())
    if edit.value == flat[key]:
        found = f"{edit.value}, the parent's value"
        return EditFault("no_change", key, found, "a different value, or no edit of this key")
    return None
