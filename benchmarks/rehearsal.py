"""A night without files, less than half the work of a real one: the same steps, with journal and blobs in memory.

Plan, guard, fallback and commit are the loop's own functions; a test holds its decisions against a real night's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.briefing.context import build_context
from agent.claude.protocol import LLMClient, Prompt
from agent.ledger.ledger import Ledger
from agent.night.ask import judged
from agent.night.commit import committed_data
from agent.night.plan import planned_data
from prompts.context import Context
from state.blobs import BlobStore
from state.campaign import Campaign
from state.files import sha256
from state.journal import Record, RecordType
from trainer.engines.surrogate import surrogate_result

TIME = "2026-01-01T00:00:00.000Z"


class Memory(BlobStore):
    """A blob store that keeps everything in memory."""

    def __init__(self) -> None:
        super().__init__(Path())
        self._kept: dict[str, bytes] = {}

    def put(self, content: bytes | str) -> str:
        """Keep ``content`` and return its id."""
        data = content.encode("utf-8") if isinstance(content, str) else content
        name = sha256(data)
        self._kept[name] = data
        return name

    def get(self, name: str) -> bytes:
        """The content of blob ``name``."""
        return self._kept[name]


class Rehearsal(Ledger):
    """One surrogate night in memory; `run` it for some batches, then read its views."""

    def __init__(self, campaign: Campaign, llm: LLMClient) -> None:
        super().__init__(campaign, Memory())
        self._llm = llm
        self._seq = 0
        data = {"name": campaign.name, "campaign": "", "identity": campaign.identity(), "dry_run": True}
        self._record("campaign_started", data)

    def run(self, batches: int) -> None:
        """The start call, then ``batches`` batches."""
        if self.history.committed < 0:
            self.converse(build_context(self))
        for _ in range(batches):
            self.converse(self.train())

    def train(self) -> Context:
        """Plan and run the next batch; returns what Claude would be told of it."""
        self._record("batch_planned", planned_data(self), self.history.planned + 1)
        for iteration in self.history.batch(self.history.planned):
            planned = iteration.planned
            place = {"iteration": planned.iteration, "slot": planned.slot}
            self._record("slot_started", place | {"run_id": f"{planned.run_id}.a1"})
            result = surrogate_result(self.views.config(iteration), f"{planned.run_id}.a1", self.campaign.surrogate)
            kind: RecordType = "slot_failed" if result.failure else "slot_finished"
            self._record(kind, place | {"result": result.model_dump(mode="json"), "artifacts": {}})
        return build_context(self)

    def converse(self, context: Context) -> None:
        """Ask about the batch in hand until a reply is accepted, then commit it."""
        while not (exchanges := self.history.exchanges) or exchanges[-1].accepted is None:
            sent: dict[str, Any] = {
                "kind": "repair" if exchanges else context.kind,
                "text": "",
                "system": "",
                "images": {},
            }
            self._record("prompt_rendered", sent)
            completion = self._llm.complete(Prompt(system="", text="", context=context), {})
            reply: dict[str, Any] = {"reply": self.blobs.put(completion.text), "stop_reason": completion.stop_reason}
            self._record("reply_received", reply | {"usage": {}})
            self._record(*judged(self, context))
        self._record("batch_committed", committed_data(self))

    def _record(self, kind: RecordType, data: Mapping[str, Any], batch: int | None = None) -> None:
        number = self.history.planned if batch is None else batch
        self.fold(Record(seq=self._seq, time=TIME, type=kind, batch=number, data=dict(data), prev=None, hash=""))
        self._seq += 1
