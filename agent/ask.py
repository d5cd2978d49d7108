"""One conversation about a batch: prompt, reply, guard, repair, and at last a proposal for every slot."""

from __future__ import annotations

import time
from typing import Any

from agent.context import build_context, guard_facts
from agent.guard import check
from agent.ledger import Ledger
from agent.llm import Completion, LLMClient, Prompt, Turn
from agent.night import Night
from agent.reply import Reply, Unreadable, parse_reply, reply_schema
from agent.settle import settle
from agent.user_input import pending
from agent.verdict import Verdict, Violation
from prompts.context import Context
from prompts.render import render_prompt, render_repair, render_system, template_hashes
from state.history import Attempt
from state.journal import RecordType


def ask(night: Night, llm: LLMClient) -> None:
    """Converse until a reply is accepted; every prompt and reply is journaled before anything else happens with it."""
    _take_input(night)
    context = build_context(night)
    while not (attempts := night.history.attempts) or attempts[-1].accepted is None:
        if not attempts or attempts[-1].rejected is not None:
            night.record("prompt_rendered", prompt_data(night, context))
        elif attempts[-1].reply is None:
            _send(night, llm, context)
        else:
            night.record(*judged(night, context))


def _take_input(night: Night) -> None:
    """Journal the instructions that wait in user_input.md, once a conversation: its prompt is made from the record."""
    history = night.history
    if history.user_input is None and not history.attempts and (text := pending(night.paths.user_input)):
        night.record("user_input_taken", {"kind": "instruction", "text": night.blobs.put(text)})


def prompt_data(ledger: Ledger, context: Context) -> dict[str, Any]:
    """The data of the `prompt_rendered` that is due: the start or batch prompt, or the repair of a rejected reply."""
    attempts = ledger.history.attempts
    rejected = attempts[-1].rejected if attempts else None
    text = render_repair(rejected["violations"]) if rejected else render_prompt(context)
    return {
        "kind": "repair" if rejected else context.kind,
        "system": ledger.blobs.put(render_system(context)),
        "text": ledger.blobs.put(text),
        "images": {} if rejected else _images(ledger),
        "templates": template_hashes(),
    }


def _images(ledger: Ledger) -> dict[str, str]:
    """Name -> blob of the pictures that go with a batch prompt."""
    if not ledger.campaign.claude.pictures:
        return {}
    return {
        f"slot_{it.planned.slot}/{name}": blob
        for it in ledger.history.batch(ledger.history.planned)
        for name, blob in it.artifacts.items()
        if name.endswith(".png")
    }


def _send(night: Night, llm: LLMClient, context: Context) -> None:
    start = context.kind == "start"
    prompt, schema = conversation(night, context), reply_schema(night.campaign.claude.n_parallel, start)
    began = time.monotonic()
    with night.interrupt.welcome():
        completion = llm.complete(prompt, schema)
    night.record("reply_received", _received(night, completion, time.monotonic() - began))


def _received(night: Night, completion: Completion, seconds: float) -> dict[str, Any]:
    # A lone surrogate, which JSON can spell and UTF-8 cannot, must not cost a reply that was paid for.
    text = completion.text.encode("utf-8", "replace").decode("utf-8")
    return {
        "reply": night.blobs.put(text),
        "stop_reason": completion.stop_reason,
        "usage": completion.usage,
        "request_id": completion.request_id,
        "model": completion.model,
        "cost_usd": completion.cost_usd,
        "seconds": round(seconds, 3),
    }


def conversation(ledger: Ledger, context: Context) -> Prompt:
    """The prompt of the last attempt with the turns before it, from the blobs: what was or would be sent."""
    *earlier, last = ledger.history.attempts
    turns: list[Turn] = []
    for attempt in earlier:
        turns += [
            Turn("user", ledger.blobs.text(attempt.prompt["text"])),
            Turn("assistant", _reply_text(ledger, attempt)),
        ]
    first = earlier[0] if earlier else last
    return Prompt(
        system=ledger.blobs.text(first.prompt["system"]),
        text=ledger.blobs.text(last.prompt["text"]),
        context=context,
        turns=tuple(turns),
        images=tuple((name, ledger.blobs.get(blob)) for name, blob in first.prompt["images"].items()),
    )


def _reply_text(ledger: Ledger, attempt: Attempt) -> str:
    return ledger.blobs.text(attempt.reply["reply"]) if attempt.reply else ""


def judged(ledger: Ledger, context: Context) -> tuple[RecordType, dict[str, Any]]:
    """What becomes of the last reply: sent back with its violations, or accepted with fallbacks for what is missing."""
    attempts = ledger.history.attempts
    reply, verdict = read_reply(ledger, context, _reply_text(ledger, attempts[-1]))
    if verdict.violations and len(attempts) <= ledger.campaign.claude.repair_turns:
        return "reply_rejected", {"violations": [v.sentence() for v in verdict.violations]}
    return "reply_accepted", settle(ledger, context, reply, verdict)


def read_reply(ledger: Ledger, context: Context, text: str) -> tuple[Reply | None, Verdict]:
    """Parse and guard a reply; an unreadable one is a verdict with one violation and nothing accepted."""
    try:
        reply = parse_reply(text, context.n_parallel, context.kind == "start")
    except Unreadable as error:
        violation = Violation(
            code="unreadable", slot=None, key="", found=str(error), allowed="one JSON object of the given schema"
        )
        empty: list[Any] = [None] * context.n_parallel
        return None, Verdict(violations=[violation], accepted=list(empty), entries=list(empty))
    return reply, check(reply, guard_facts(ledger, context))
