"""What the report tells beyond the ledger: when things happened, every request to Claude, every trajectory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from agent.ledger.ledger import Ledger
from agent.ledger.open_run import open_run
from state.config import Scalar
from state.journal import Place, Record
from state.metrics import traced
from state.paths import RunPaths
from state.shapes import (
    BatchCommitted,
    ClaudeAwaited,
    DriverStarted,
    PromptRendered,
    ReplyAccepted,
    ReplyReceived,
    ReplyRejected,
    SlotCut,
    SlotEnded,
    SlotPlanned,
    SlotStarted,
    Stopped,
    UserInputTaken,
    why_useless,
)

PHASES = ("joint", "V_rest", "standard")
DIGITS = 5


@dataclass
class Talk:
    """One request to Claude and what became of it; ``prompt``, ``system`` and ``reply`` are blob names.

    ``useless`` says why nothing of the whole conversation was accepted for any slot.
    """

    batch: int
    kind: str
    asked: str
    system: str
    prompt: str
    reply: str | None = None
    answered: str | None = None
    outcome: str = ""
    request: str = ""
    images: dict[str, str] = field(default_factory=dict)
    accepted: bool = False
    model: str = ""
    seconds: float | None = None
    cost_usd: float | None = None
    usage: dict[str, int] = field(default_factory=dict)
    tries: list[dict[str, Any]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    fallbacks: dict[str, list[str]] = field(default_factory=dict)
    useless: str = ""


@dataclass
class Words:
    """What a person told the run: an instruction for Claude (``text`` is its blob), or pause, resume, stop."""

    kind: str
    batch: int
    time: str
    text: str | None = None
    answer: str = ""
    answered: str = ""


@dataclass
class Story:
    """A fold over all records of a run, beside a `Ledger` that has folded them."""

    first_time: str = ""
    last_time: str = ""
    records: int = 0
    head: str = ""
    talks: list[Talk] = field(default_factory=list)
    # Iteration -> [began, ended or None] of each attempt.
    attempts: dict[int, list[list[str | None]]] = field(default_factory=dict)
    # Iteration -> columns iteration, phase and those of `state.metrics.traced` of its metrics.log.
    trajectories: dict[int, list[list[Any]]] = field(default_factory=dict)
    missing: dict[int, dict[str, str]] = field(default_factory=dict)
    events: list[tuple[str, str]] = field(default_factory=list)
    words: list[Words] = field(default_factory=list)
    drivers: list[DriverStarted] = field(default_factory=list)
    summaries: dict[int, str] = field(default_factory=dict)
    # Batch -> what the model set for the whole campaign with it.
    settings: dict[int, dict[str, Scalar]] = field(default_factory=dict)

    def apply(self, record: Record) -> None:
        """Take in one record."""
        self.first_time = self.first_time or record.time
        self.last_time, self.head, self.records = record.time, record.hash, record.seq + 1
        handler = getattr(self, f"_{record.type}", None)
        if handler is not None:
            handler(record)

    def _driver_started(self, record: Record) -> None:
        started = record.of(DriverStarted)
        self.drivers.append(started)
        self.events.append((record.time, f"driver started on {started.get('host', 'an unknown host')}"))

    def _driver_stopped(self, record: Record) -> None:
        self.events.append((record.time, f"driver stopped: {record.of(Stopped)['reason']}"))

    _budget_stop = _driver_stopped

    def _user_input_taken(self, record: Record) -> None:
        taken = record.of(UserInputTaken)
        kind = taken["kind"]
        self._take_words(record, taken)
        told = "Claude acknowledged the instructions" if kind == "acknowledged" else f"a person: {kind}"
        self.events.append((record.time, told))

    def _take_words(self, record: Record, taken: UserInputTaken) -> None:
        """Keep an instruction, once however often it was sent, with Claude's answer to it; or what was asked."""
        waiting = next(
            (w for w in reversed(self.words) if w.text and w.text == taken.get("text") and not w.answer), None
        )
        if taken["kind"] == "acknowledged":
            if waiting is not None:
                waiting.answer, waiting.answered = taken.get("answer", ""), record.time
        elif waiting is None:
            self.words.append(Words(taken["kind"], record.batch, record.time, taken.get("text")))

    def _claude_awaited(self, record: Record) -> None:
        awaited = record.of(ClaudeAwaited)
        self.events.append((record.time, f"waiting for Claude until {awaited['until']}: {awaited['reason']}"))

    def _slot_planned(self, record: Record) -> None:
        slot = record.of(SlotPlanned)["slot"]
        told = f"a place is idle: run {slot['iteration']} ({slot['config_id']} again) ahead of batch {slot['batch']}"
        self.events.append((record.time, told))

    def _slot_started(self, record: Record) -> None:
        self.attempts.setdefault(record.of(SlotStarted)["iteration"], []).append([record.time, None])

    def _slot_finished(self, record: Record) -> None:
        ended = record.of(SlotEnded)
        iteration, result = ended["iteration"], ended["result"]
        spans = self.attempts.setdefault(iteration, [[record.time, None]])
        spans[-1][1] = record.time
        self.missing[iteration] = result.get("missing", {})
        self.trajectories[iteration] = _columns(result.get("trajectory", []))

    _slot_failed = _slot_finished

    def _slot_cut(self, record: Record) -> None:
        cut = record.of(SlotCut)
        self.events.append((record.time, f"run {cut['iteration']} cut: {cut['metric']} {cut['value']:.3f}"))

    def _prompt_rendered(self, record: Record) -> None:
        data = record.of(PromptRendered)
        talk = Talk(record.batch, data["kind"], record.time, data["system"], data["text"], images=data["images"])
        self.talks.append(talk)

    def _reply_received(self, record: Record) -> None:
        talk, data = self.talks[-1], record.of(ReplyReceived)
        talk.answered, talk.reply = record.time, data["reply"]
        talk.outcome = data.get("stop_reason") or data.get("outcome", "")
        talk.model, talk.seconds = data.get("model") or "", data.get("seconds")
        talk.request = data.get("request_id") or ""
        talk.cost_usd, talk.usage, talk.tries = data.get("cost_usd"), data.get("usage") or {}, data.get("tries") or []

    def _reply_rejected(self, record: Record) -> None:
        self.talks[-1].violations = record.of(ReplyRejected)["violations"]

    def _reply_accepted(self, record: Record) -> None:
        talk, data = self.talks[-1], record.of(ReplyAccepted)
        talk.accepted, talk.warnings, talk.fallbacks = True, data["warnings"], data["fallbacks"]
        talk.useless = why_useless(data)

    def setting(self, key: str, batch: int, default: Scalar) -> Scalar:
        """The value of ``key`` once ``batch`` was committed."""
        values = [made[key] for at, made in self.settings.items() if at <= batch and key in made]
        return values[-1] if values else default

    def _batch_committed(self, record: Record) -> None:
        data = record.of(BatchCommitted)
        if settings := data.get("settings"):
            self.settings[record.batch] = settings
        if summary := data["block_summary"]:
            self.summaries[record.batch] = summary


def _columns(points: list[dict[str, Any]]) -> list[list[Any]]:
    return [
        [point["iteration"] for point in points],
        [PHASES.index(point["phase"]) for point in points],
        *([_short(point.get(trace.column)) for point in points] for trace in traced().values()),
    ]


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)


class Reading:
    """Ledger and story of the run at ``paths``, read without the driver's lock; RunError for what is no run."""

    def __init__(self, paths: RunPaths) -> None:
        self._run, self._place = open_run(paths.root), Place()
        self.ledger, self.story = self._run.new_ledger(), Story()
        self._read()

    def goes_on(self) -> bool:
        """Read what was written since; False where the journal is no longer the one that was read."""
        if not self._place.holds(self._run.paths.journal):
            return False
        self._read()
        return True

    def _read(self) -> None:
        self._run.fold(self.ledger.fold, self.story.apply, place=self._place)


def read_story(paths: RunPaths) -> tuple[Ledger, Story]:
    """Ledger and story as a `Reading` has them that is not read on."""
    reading = Reading(paths)
    return reading.ledger, reading.story
