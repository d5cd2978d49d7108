"""Replies to a night's batch, good and changed, and what the guard and the settlement make of them."""

from __future__ import annotations

import copy
import json
from typing import Any

from agent.briefing.context import build_context
from agent.claude.mock import answer
from agent.guard.acceptance import accepted_data
from agent.night.ask import read_reply
from agent.night.night import Night


def good(night: Night) -> dict[str, Any]:
    """The mock's reply, to be changed."""
    return copy.deepcopy(answer(build_context(night)))


def verdict(night: Night, reply: object) -> list[tuple[str, int | None]]:
    """(code, slot) of each rule that ``reply`` breaks."""
    _, found = read_reply(night, build_context(night), reply if isinstance(reply, str) else json.dumps(reply))
    return [(violation.code, violation.slot) for violation in found.violations]


def settled(night: Night, reply: object) -> dict[str, Any]:
    """What is committed after ``reply``, which may be any text."""
    context = build_context(night)
    text = reply if isinstance(reply, str) else json.dumps(reply)
    return accepted_data(night, context, *read_reply(night, context, text))


def edit(**changes: Any) -> Any:
    return lambda reply: reply["slot_0"]["proposal"].update(changes)


def edits(*pairs: tuple[str, Any]) -> Any:
    return edit(edits=[{"key": key, "value": value} for key, value in pairs])


def one_edit(key: str, old: Any, new: Any) -> Any:
    leaf = key.rsplit(".", 1)[-1]
    return edit(parent="root", role="explore", edits=[{"key": key, "value": new}], mutation=f"{leaf}: {old} -> {new}")
