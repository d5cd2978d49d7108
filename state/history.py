"""The present state of a run as a fold over its journal records; the same fold serves the driver and the auditor."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from state.config import Scalar
from state.evening import Budget
from state.explorer import Explorer, Hinter, explorer_of
from state.journal import Record
from state.records import Planned, SlotResult
from state.shapes import (
    BatchCommitted,
    BatchPlanned,
    CampaignStarted,
    ClaudeAwaited,
    DriverStarted,
    EarlierNoise,
    ExplorerAsked,
    ImportedNode,
    PromptRendered,
    Proposal,
    ReplyAccepted,
    ReplyReceived,
    ReplyRejected,
    RunImported,
    SlotCut,
    SlotEnded,
    SlotPlanned,
    SlotStarted,
    Stopped,
    UserInputTaken,
    why_useless,
)

KEPT_SUMMARIES = 4  # as many as the newest instruction files of the predecessor show


@dataclass
class Iteration:
    """One training run: what was planned, how often it was started, what came out, what was written about it.

    ``lost``: how many of the starts make up for a loss that was no fault of the config.

    ``cut`` is the decision to end it. The result keeps its trajectory only until the next batch is planned; the journal
    keeps it for ever.
    """

    planned: Planned
    attempts: int = 0
    lost: int = 0
    run_id: str | None = None
    result: SlotResult | None = None
    artifacts: dict[str, str] = field(default_factory=dict)
    entry: dict[str, Any] | None = None
    cut: SlotCut | None = None


@dataclass
class Exchange:
    """One turn of the conversation about a batch: the prompt sent, the reply, and what became of it."""

    prompt: PromptRendered
    reply: ReplyReceived | None = None
    rejected: ReplyRejected | None = None
    accepted: ReplyAccepted | None = None


@dataclass(frozen=True)
class Acknowledgement:
    """Instructions (a blob) that Claude has acknowledged, in which batch and when."""

    text: str
    answer: str
    batch: int
    time: str


@dataclass
class History:
    """Everything the journal says. ``committed`` is -1 before the start call, 0 after it, then the last batch.

    ``instruction`` is the blob of the lab's own. ``block_summaries`` are the latest, each with the last iteration of
    its block, oldest first. ``settings`` are the campaign's `claude.*` values that the model has changed. ``useless``
    counts the conversations in a row, up to now, of which nothing was accepted for any slot (``why_useless`` says why,
    of the last one), ``useless_before`` is its value when the driver began. ``awaited`` is the time until which the
    driver waits for Claude; ``prompt`` is the latest that was no repair. ``user_input`` is the blob of the instructions
    in the conversation in hand; ``asked`` what a person last asked of the driver that runs (pause, stop, stop-now) and
    has not taken back. ``imported`` are the nodes of a predecessor's log (its file name is ``imported_from``), by id;
    the run's own iterations begin at ``first_iteration``. ``asked_explorers``: what the program's own explorers propose
    for the batch that comes next. ``ahead``: slot of the next batch -> the run that is planned for it already; it is no
    part of ``iterations`` before that batch is planned.
    """

    campaign_blob: str | None = None
    campaign_identity: str = ""
    dry_run: bool = False
    explorer: Explorer = "claude"
    hints: Hinter | None = None
    instruction: str | None = None
    imported: dict[int, ImportedNode] = field(default_factory=dict)
    imported_from: str = ""
    first_iteration: int = 1
    iterations: dict[int, Iteration] = field(default_factory=dict)
    batches: dict[int, list[int]] = field(default_factory=dict)
    ahead: dict[int, Iteration] = field(default_factory=dict)
    earlier_noise: EarlierNoise | None = None
    committed: int = -1
    planned: int = 0
    proposals: list[Proposal] = field(default_factory=list)
    memory: str = ""
    block_summaries: list[tuple[int, str]] = field(default_factory=list)
    settings: dict[str, Scalar] = field(default_factory=dict)
    asked_explorers: ExplorerAsked | None = None
    exchanges: list[Exchange] = field(default_factory=list)
    prompt: PromptRendered | None = None
    config_ids: dict[str, str] = field(default_factory=dict)
    drivers: int = 0
    stopped: str | None = None
    budget: Budget = field(default_factory=Budget)
    useless: int = 0
    useless_before: int = 0
    why_useless: str = ""
    awaited: str | None = None
    user_input: str | None = None
    acknowledged: Acknowledgement | None = None
    asked: str | None = None
    records: int = 0

    def apply(self, record: Record) -> None:
        """Fold one record in."""
        getattr(self, f"_{record.type}")(record)
        self.records += 1

    def batch(self, number: int) -> list[Iteration]:
        """The iterations of one batch in slot order."""
        return [self.iterations[n] for n in self.batches.get(number, [])]

    def unfinished(self) -> list[Iteration]:
        """Planned iterations without a result, in slot order."""
        return [it for it in self.batch(self.planned) if it.result is None]

    def run(self, number: int) -> Iteration:
        """A planned iteration, of a batch or ahead of its own; KeyError where there is none."""
        ahead = (iteration for iteration in self.ahead.values() if iteration.planned.iteration == number)
        return next(ahead, None) or self.iterations[number]

    @property
    def next_iteration(self) -> int:
        """The number that the next planned iteration gets; node ids start at 1, or behind what was imported."""
        return self.first_iteration + len(self.iterations)

    @property
    def last_node(self) -> int:
        """The number of the last planned iteration; 0 before the first."""
        return self.next_iteration - 1 if self.iterations else 0

    def _campaign_started(self, record: Record) -> None:
        started = record.of(CampaignStarted)
        self.campaign_blob = started["campaign"]
        self.campaign_identity = started["identity"]
        self.dry_run = started["dry_run"]
        self.explorer, self.hints = explorer_of(started), started.get("hints")
        self.instruction = started.get("instruction")
        self.earlier_noise = started.get("noise")

    def _run_imported(self, record: Record) -> None:
        data = record.of(RunImported)
        self.imported = {node["id"]: node for node in data["nodes"]}
        self.imported_from, self.first_iteration = data["log_name"], data["first_iteration"]
        self.memory = data["start_memory"] or self.memory

    def _driver_started(self, record: Record) -> None:
        self.drivers += 1
        self.stopped = self.asked = self.awaited = None
        self.useless_before = self.useless
        if "budget" in (started := record.of(DriverStarted)):
            self.budget = Budget.model_validate(started["budget"])

    def _driver_stopped(self, record: Record) -> None:
        self.stopped = record.of(Stopped)["reason"]

    _budget_stop = _driver_stopped

    def _user_input_taken(self, record: Record) -> None:
        taken = record.of(UserInputTaken)
        kind = taken["kind"]
        if kind == "instruction":
            self.user_input = taken["text"]
        elif kind == "resume":
            self.asked = None
        elif kind == "stop" and self.asked in ("stop", "stop-now"):
            self.asked = "stop-now"
        elif kind == "acknowledged":
            self.acknowledged = Acknowledgement(taken["text"], taken["answer"], record.batch, record.time)
        else:
            self.asked = kind

    def _batch_planned(self, record: Record) -> None:
        for iteration in self.batch(self.planned):
            # Only the prompt of its own batch needs every point; kept for a long run they would fill the memory.
            if iteration.result is not None:
                iteration.result = iteration.result.model_copy(update={"trajectory": []})
        self.planned = record.batch
        self.batches[record.batch] = []
        self.exchanges = []
        self.asked_explorers = None
        self.user_input = None
        data = record.of(BatchPlanned)
        for fields in data["slots"]:
            planned = Planned.model_validate(fields)
            ahead = self.ahead.pop(planned.slot) if planned.slot in self.ahead else Iteration(planned)
            self.iterations[planned.iteration] = ahead
            self.batches[record.batch].append(planned.iteration)
        self.config_ids.update(data["new_config_ids"])

    def _slot_planned(self, record: Record) -> None:
        planned = Planned.model_validate(record.of(SlotPlanned)["slot"])
        self.ahead[planned.slot] = Iteration(planned)

    def _slot_started(self, record: Record) -> None:
        data = record.of(SlotStarted)
        iteration = self.run(data["iteration"])
        iteration.attempts += 1
        iteration.lost += "after" in data
        iteration.run_id = data["run_id"]

    def _slot_finished(self, record: Record) -> None:
        data = record.of(SlotEnded)
        iteration = self.iterations[data["iteration"]]
        iteration.result = SlotResult.model_validate(data["result"])
        iteration.artifacts = data["artifacts"]

    _slot_failed = _slot_finished

    def _slot_cut(self, record: Record) -> None:
        data = record.of(SlotCut)
        self.iterations[data["iteration"]].cut = data

    def _explorer_asked(self, record: Record) -> None:
        self.asked_explorers = record.of(ExplorerAsked)

    def _prompt_rendered(self, record: Record) -> None:
        self.exchanges.append(Exchange(prompt := record.of(PromptRendered)))
        self.prompt = self.prompt if prompt["kind"] == "repair" else prompt

    def _reply_received(self, record: Record) -> None:
        self.exchanges[-1].reply = record.of(ReplyReceived)
        self.awaited = None

    def _claude_awaited(self, record: Record) -> None:
        self.awaited = record.of(ClaudeAwaited)["until"]

    def _reply_rejected(self, record: Record) -> None:
        self.exchanges[-1].rejected = record.of(ReplyRejected)

    def _reply_accepted(self, record: Record) -> None:
        self.exchanges[-1].accepted = accepted = record.of(ReplyAccepted)
        self.why_useless = why_useless(accepted)
        self.useless = self.useless + 1 if self.why_useless else 0

    def _batch_committed(self, record: Record) -> None:
        data = record.of(BatchCommitted)
        self.committed = record.batch
        self.proposals = data["proposals"]
        self.memory = data["memory"]
        self.settings.update(data.get("settings", {}))
        for entry in data["entries"]:
            self.iterations[entry["iteration"]].entry = entry
        if (summary := data["block_summary"]) and data["entries"]:
            self.block_summaries.append((data["entries"][-1]["iteration"], summary))
            del self.block_summaries[:-KEPT_SUMMARIES]
