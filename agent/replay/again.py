"""`nightfly replay --ask`: puts the prompt of a past batch to the model of today. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.claude.forms import unwrapped
from agent.claude.protocol import LLMClient
from agent.guard.reply import ProposalReply, asked_of, parse_reply
from agent.guard.ruling import Ruling
from agent.ledger.open_run import Run, open_run
from agent.night.ask import conversation, read_reply, schema_of
from agent.replay.records import Replay
from prompts.context import Context
from state.errors import RunError
from state.explorer import Explorer, explorer_of
from state.shapes import ReplyReceived


@dataclass(frozen=True)
class Answers:
    """Proposals by slot, as given then and as given now (None = unreadable), and what the guard says of the new.

    A slot of the control arm has none.
    """

    batch: int
    then: list[ProposalReply | None] | None
    now: list[ProposalReply | None] | None
    ruling: Ruling
    models: tuple[str, str]


def ask_again(root: Path, batch: int, llm: LLMClient) -> Answers:
    """The first prompt of ``batch`` (0 = the start call) put to ``llm``; the old reply is the one first received."""
    replay, reply = _until_reply(open_run(root), batch)
    context = replay.context()
    completion = llm.complete(conversation(replay, context), schema_of(replay.campaign, context))
    text = unwrapped(completion.text) if completion.form == "text" else completion.text
    new, ruling = read_reply(replay, context, text)
    old = _proposals(replay, context, reply["reply"]) if reply["reply"] else None
    return Answers(batch, old, new.proposals if new else None, ruling, (reply.get("model", ""), completion.model))


def _until_reply(run: Run, batch: int) -> tuple[Replay, ReplyReceived]:
    """The state just before the first reply of ``batch``, and that reply's record."""
    replay = Replay(run.campaign(), run.blobs)
    for record in run.records():
        if record.type == "reply_received" and record.batch == batch:
            return replay, record.of(ReplyReceived)
        replay.fold(record)
    raise RunError(f"{run.paths.root}: no reply was received about batch {batch}; `nightfly replay` lists its batches")


def _proposals(replay: Replay, context: Context, blob: str) -> list[ProposalReply | None] | None:
    try:
        return parse_reply(replay.blobs.text(blob), asked_of(replay.campaign, context)).proposals
    except ValueError:
        return None


def client_of(root: Path, dry_run: bool | None) -> LLMClient:
    """The explorer of the run itself; the mocked Claude or the real one when ``dry_run`` says so."""
    from agent.explorers.choose import make_explorer

    run = open_run(root)
    given: dict[bool, Explorer] = {True: "rules", False: "claude"}
    return make_explorer(run.campaign(), explorer_of(run.started()) if dry_run is None else given[dry_run])


def as_data(answers: Answers) -> dict[str, Any]:
    """Both answers as plain data."""
    then, now = ([p and p.model_dump() for p in side] if side else None for side in (answers.then, answers.now))
    violations = [violation.sentence() for violation in answers.ruling.violations]
    return {
        "batch": answers.batch,
        "models": list(answers.models),
        "then": then,
        "now": now,
        "violations_now": violations,
    }


def as_lines(answers: Answers) -> list[str]:
    """Both answers slot by slot, then what the guard says of the new one."""
    lines = [f"batch {answers.batch}: then {answers.models[0] or 'unknown'}, now {answers.models[1] or 'unknown'}"]
    sides = answers.then or [], answers.now or []
    for slot in range(max(map(len, sides))):
        old, new = (_told(side[slot]) if slot < len(side) else ["unreadable"] for side in sides)
        lines.append(f"slot_{slot}: {'same' if old == new else 'different'}")
        lines += [f"  then  {line}" for line in old] + [f"  now   {line}" for line in new if old != new]
    found = [violation.sentence() for violation in answers.ruling.violations]
    lines += [f"the guard would send back: {sentence}" for sentence in found] or ["the guard accepts the new answer"]
    return lines


def _told(proposal: ProposalReply | None) -> list[str]:
    """A proposal in lines; control characters of the model's text never reach the terminal."""
    if proposal is None:
        return ["the control arm's"]
    seeds = f"seeds {proposal.simulation_seed}/{proposal.training_seed} ({proposal.seed_rationale})"
    lines = (
        f"{proposal.role} of {proposal.parent}, {seeds}",
        f"Mutation: {proposal.mutation}",
        f"Parent rule: {proposal.parent_rule}",
        f"Hypothesis: {proposal.hypothesis}",
    )
    return ["".join(c if c.isprintable() else " " for c in line) for line in lines]
