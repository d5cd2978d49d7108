"""Rules on the `claude.*` keys that a campaign lets the model set. They belong to no slot's config."""

from __future__ import annotations

from collections.abc import Sequence

from agent.guard.verdict import Facts, Verdict, Violate, Violation
from state.config import Scalar
from state.records import Edit


def check_settings(edits: Sequence[Edit], facts: Facts, violate: Violate) -> tuple[dict[str, Scalar], list[Edit]]:
    """The edits of settings that the campaign names, and all other edits."""
    rules = {f"claude.{key}": rule for key, rule in facts.campaign.claude.explorable.items()}
    settings: dict[str, Scalar] = {}
    for edit in edits:
        if edit.key not in rules:
            continue
        if edit.key in settings:
            violate("duplicate_key", edit.key, "two edits of one key", "one edit a key")
        elif not rules[edit.key].allows(edit.value):
            violate("value_not_allowed", edit.key, edit.value, rules[edit.key].allowed())
        elif edit.value == facts.settings.get(edit.key):
            violate("no_change", edit.key, f"{edit.value}, the value in force", "a different value, or no edit of it")
        else:
            settings[edit.key] = edit.value
    return settings, [edit for edit in edits if edit.key not in rules]


def check_one_setting(verdict: Verdict) -> None:
    """A setting holds for the whole campaign, so two slots must not give it different values."""
    first: dict[str, Scalar] = {}
    for slot, accepted in enumerate(verdict.accepted):
        for key, value in accepted.settings.items() if accepted else ():
            if first.setdefault(key, value) != value:
                found, allowed = f"{value} beside {first[key]} in another slot", "one value for the whole campaign"
                violation = Violation(code="setting_conflict", slot=slot, key=key, found=found, allowed=allowed)
                verdict.violations.append(violation)
                verdict.accepted[slot] = None
