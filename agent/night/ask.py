"""One conversation about a batch: prompt, reply, guard, repair, and at last a proposal for every slot."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from agent.briefing import batch_picture
from agent.briefing.batch_picture import draw_batch
from agent.briefing.context import build_context
from agent.briefing.facts import guard_facts
from agent.claude.forms import unwrapped
from agent.claude.protocol import Completion, LLMClient, LLMUnavailable, Prompt, Turn
from agent.guard.acceptance import accepted_data
from agent.guard.checks import wrong_figures
from agent.guard.guard import check
from agent.guard.reply import Reply, Unreadable, asked_of, completed, most_asked, parse_reply, reply_schema
from agent.guard.ruling import Ruling, Violation
from agent.ledger.ledger import Ledger
from agent.night.explorers import ask_explorers
from agent.night.night import Night
from agent.night.patience import await_claude
from agent.night.reserve import Reserve
from agent.night.user_input import pending
from prompts.context import Context
from prompts.render import render_prompt, render_repair, render_system, template_hashes
from state.campaign import Campaign
from state.files import sha256
from state.history import Exchange
from state.journal import RecordType
from state.records import CONTROL_ROLE
from state.shapes import PromptRendered, ReplyAccepted, ReplyReceived, ReplyRejected, codes_of

ANEW = ("refusal", "model_context_window_exceeded")
CUT = (None, "max_tokens", "pause_turn")


def ask(night: Night, llm: LLMClient) -> None:
    """Converse until a reply is accepted; every prompt and reply is journaled before anything else happens with it."""
    _take_input(night)
    ask_explorers(night)
    context = build_context(night)
    while not (exchanges := night.history.exchanges) or exchanges[-1].accepted is None:
        if not exchanges or exchanges[-1].rejected is not None:
            night.record("prompt_rendered", prompt_data(night, context))
        elif exchanges[-1].reply is None:
            _send(night, llm, context)
        else:
            night.record(*judged(night, context))


def batch_schema(campaign: Campaign) -> dict[str, Any]:
    """The largest of the schemas that a night sends."""
    return reply_schema(most_asked(campaign), campaign.format)


def schema_of(campaign: Campaign, context: Context) -> dict[str, Any]:
    """The schema of a reply to the prompt of ``context``."""
    return reply_schema(asked_of(campaign, context), campaign.format)


def _take_input(night: Night) -> None:
    """Journal the instructions that wait in user_input.md, once a conversation: its prompt is made from the record."""
    history = night.history
    if history.user_input is None and not history.exchanges and (text := pending(night.paths.user_input)):
        night.record("user_input_taken", {"kind": "instruction", "text": night.blobs.put(text)})


def prompt_data(ledger: Ledger, context: Context, drawn: Mapping[str, str] | None = None) -> PromptRendered:
    """The data of the `prompt_rendered` that is due: the start or batch prompt, or the repair of a rejected reply.

    ``drawn``: the blob of batch.png by its name, where it has been drawn before.
    """
    exchanges = ledger.history.exchanges
    rejected = exchanges[-1].rejected if exchanges and not _begins_anew(exchanges[-1]) else None
    text = _repair(rejected, context) if rejected else render_prompt(context)
    return {
        "kind": "repair" if rejected else context.kind,
        "system": ledger.blobs.put(render_system(context)),
        "text": ledger.blobs.put(text),
        "images": {} if rejected else _images(ledger, drawn),
        "templates": template_hashes(ledger.campaign.format),
    }


def _repair(rejected: ReplyRejected, context: Context) -> str:
    broken = [one for one in context.demands if one.code in codes_of(rejected)]
    return render_repair(rejected["violations"], broken, context.format)


def _begins_anew(exchange: Exchange) -> bool:
    """Whether the model refused, so that the next prompt is the first one again."""
    return exchange.rejected is not None and exchange.rejected.get("fresh", False)


def _since_anew(exchanges: Sequence[Exchange]) -> Sequence[Exchange]:
    """All of ``exchanges``, or those since the prompt was sent anew: what the model is shown as one conversation."""
    begin = max((n + 1 for n, exchange in enumerate(exchanges) if _begins_anew(exchange)), default=0)
    return exchanges[begin:]


def _images(ledger: Ledger, drawn: Mapping[str, str] | None) -> dict[str, str]:
    """Name -> blob of the pictures that go with a batch prompt: that of the batch, and those of its slots."""
    if not ledger.campaign.claude.pictures:
        return {}
    of_slots = {
        f"slot_{it.planned.slot}/{name}": blob
        for it in ledger.history.batch(ledger.history.planned)
        for name, blob in it.artifacts.items()
        if name.endswith(".png") and it.planned.role != CONTROL_ROLE
    }
    if not of_slots or ledger.campaign.format == 1:
        return of_slots
    return dict({batch_picture.NAME: ledger.blobs.put(draw_batch(ledger))} if drawn is None else drawn) | of_slots


def _send(night: Night, llm: LLMClient, context: Context) -> None:
    """Ask, with room for the reply taken before; a reply that an earlier driver could not journal is taken up."""
    reserve, head = Reserve(night.paths.reserve), str(night.journal.head)
    kept = reserve.found(head)
    if kept is None:
        night.journal.check()
        reserve.prepare(night.campaign.claude.max_tokens)
        kept = _received(night, llm, context)
        if kept is None:
            return
        reserve.keep(head, *kept)
    received, text = kept
    if received["reply"] is not None:
        night.blobs.put(text)
    night.record("reply_received", received)
    reserve.clear()


def _received(night: Night, llm: LLMClient, context: Context) -> tuple[ReplyReceived, str] | None:
    """What came back and its text; None when the night has waited and asks again. LLMUnavailable ends the night."""
    start = context.kind == "start"
    prompt, schema = conversation(night, context), schema_of(night.campaign, context)
    began = time.monotonic()
    try:
        with night.interrupt.welcome():
            completion = llm.complete(prompt, schema)
    except LLMUnavailable as error:
        # At the start call there is no run that a fallback could repeat; a fatal error would only come back.
        spent = start or night.history.useless >= night.campaign.claude.max_fallback_batches
        if spent and await_claude(night, error):
            return None
        if error.fatal or spent:
            raise
        return _unreachable(error, time.monotonic() - began), ""
    return _answered(completion, time.monotonic() - began)


def _unreachable(error: LLMUnavailable, seconds: float) -> ReplyReceived:
    tries = [asdict(one) for one in error.tries]
    received: ReplyReceived = {"reply": None, "outcome": str(error), "tries": tries, "seconds": round(seconds, 3)}
    return {**received, "until": error.until} if error.until else received


def _answered(completion: Completion, seconds: float) -> tuple[ReplyReceived, str]:
    # JSON can contain a lone surrogate, UTF-8 cannot: it is replaced, so that a paid reply is not lost over it.
    text = completion.text.encode("utf-8", "replace").decode("utf-8")
    received: ReplyReceived = {
        "reply": sha256(text.encode("utf-8")),
        "stop_reason": completion.stop_reason,
        "usage": completion.usage,
        "request_id": completion.request_id,
        "model": completion.model,
        "cost_usd": completion.cost_usd,
        "tries": [asdict(one) for one in completion.tries],
        "seconds": round(seconds, 3),
    }
    if completion.form != "full":
        received["form"] = completion.form
    if completion.saved_usd is not None:
        received["saved_usd"] = completion.saved_usd
    return received, text


def conversation(ledger: Ledger, context: Context) -> Prompt:
    """The last prompt with the turns before it, from the blobs: what was or would be sent."""
    exchanges = ledger.history.exchanges
    earlier, last = _since_anew(exchanges[:-1]), exchanges[-1]
    turns: list[Turn] = []
    for exchange in earlier:
        turns += [
            Turn("user", ledger.blobs.text(exchange.prompt["text"])),
            Turn("assistant", _reply_text(ledger, exchange)),
        ]
    first = earlier[0] if earlier else last
    return Prompt(
        system=ledger.blobs.text(first.prompt["system"]),
        text=ledger.blobs.text(last.prompt["text"]),
        context=context,
        turns=tuple(turns),
        images=tuple((name, ledger.blobs.get(blob)) for name, blob in first.prompt["images"].items()),
        refused_before=len(exchanges) > 1 and not earlier,
    )


def _reply_text(ledger: Ledger, exchange: Exchange) -> str:
    if exchange.reply is None or exchange.reply["reply"] is None:
        return ""
    text = ledger.blobs.text(exchange.reply["reply"])
    return unwrapped(text) if exchange.reply.get("form") == "text" else text


def _standing(ledger: Ledger, exchanges: Sequence[Exchange]) -> str:
    """The reply that stands after ``exchanges``: a repair need not repeat what was right, since format 2."""
    sent = [_reply_text(ledger, exchange) for exchange in _since_anew(exchanges)]
    return completed(sent if ledger.campaign.format > 1 else sent[-1:])


def judged(ledger: Ledger, context: Context) -> tuple[RecordType, ReplyRejected | ReplyAccepted]:
    """What becomes of the last reply: sent back with its violations, or accepted with fallbacks for what is missing.

    A refusal, or a conversation too long for the model, is not repaired in place: the prompt is sent anew, once.
    """
    exchanges = ledger.history.exchanges
    last = exchanges[-1].reply
    assert last is not None
    stop = last.get("stop_reason")
    if stop in ANEW:
        if not any(map(_begins_anew, exchanges)):
            return "reply_rejected", _rejected([f"[{stop}] the model ended with {stop}"], [stop], fresh=True)
        return "reply_accepted", accepted_data(
            ledger, context, None, _nothing(context, stop, f"{stop} twice", "a reply")
        )
    if last["reply"] is None:
        return "reply_accepted", accepted_data(ledger, context, *_before_unreachable(ledger, context, last["outcome"]))
    reply, ruling = read_reply(ledger, context, _standing(ledger, exchanges), stop)
    repairs = sum(exchange.prompt["kind"] == "repair" for exchange in exchanges)
    if (found := ruling.violations) and repairs < ledger.campaign.claude.repair_turns:
        return "reply_rejected", _rejected([v.sentence() for v in found], [v.code for v in found])
    return "reply_accepted", accepted_data(ledger, context, reply, ruling)


def _rejected(violations: list[str], codes: list[str], fresh: bool = False) -> ReplyRejected:
    rejected: ReplyRejected = {"violations": violations, "codes": codes}
    return {**rejected, "fresh": True} if fresh else rejected


def _before_unreachable(ledger: Ledger, context: Context, why: str) -> tuple[Reply | None, Ruling]:
    """What stands when no reply could be had: the good part of the reply that was to be repaired, else nothing."""
    if earlier := [exchange for exchange in ledger.history.exchanges[:-1] if _reply_text(ledger, exchange)]:
        return read_reply(ledger, context, _standing(ledger, earlier))
    return None, _nothing(context, "unreachable", why, "a reply within claude.patience_minutes")


def _nothing(context: Context, code: str, found: str, allowed: str) -> Ruling:
    """The ruling on no reply at all: one violation, nothing accepted."""
    empty: list[Any] = [None] * context.n_parallel
    violation = Violation(code=code, slot=None, key="", found=found, allowed=allowed)
    return Ruling(violations=[violation], accepted=empty, entries=empty)


def read_reply(
    ledger: Ledger, context: Context, text: str, stop_reason: str | None = "end_turn"
) -> tuple[Reply | None, Ruling]:
    """Parse and guard a reply; an unreadable one is a ruling with one violation and nothing accepted."""
    try:
        reply = parse_reply(text, asked_of(ledger.campaign, context))
    except Unreadable as error:
        if stop_reason in CUT:
            found = f"a reply cut off (stop_reason {stop_reason}): {error}"
            return None, _nothing(context, "cut", found, "a shorter reply, whole within claude.max_tokens")
        return None, _nothing(context, "unreadable", str(error), "one JSON object of the given schema")
    return reply, check(reply, guard_facts(ledger, context), wrong_figures(ledger, context, reply))
