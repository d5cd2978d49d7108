"""Computes what each journal record must say from the records before it, and says where it says something else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from agent.briefing import batch_picture
from agent.briefing.context import build_context
from agent.ledger.cutting import cut_result
from agent.ledger.evidence import Evidence
from agent.ledger.ledger import Ledger
from agent.night.ask import judged, prompt_data
from agent.night.commit import committed_data
from agent.night.explorers import asked_data, libraries_here
from agent.night.owed_run import slot_ahead
from agent.night.plan import planned_data
from agent.predecessor.imported import Sources, imported_data
from agent.replay.compare import first_difference, text_difference
from prompts.context import Context
from prompts.render import template_hashes
from state.campaign import Campaign
from state.journal import Record
from state.metrics_log import read_column
from state.shapes import (
    BatchCommitted,
    DriverStarted,
    ExplorerAsked,
    PromptRendered,
    ReplyAccepted,
    ReplyReceived,
    ReplyRejected,
    RunImported,
    SlotCut,
    SlotEnded,
    SlotPlanned,
    SlotStarted,
    UserInputTaken,
)
from ucb.cut import third

PARTS: tuple[Literal["system"], Literal["text"]] = ("system", "text")


class Replay(Ledger):
    """A ledger over evidence; `check` a record first, then `fold` it."""

    blobs: Evidence

    def __init__(self, campaign: Campaign, blobs: Evidence) -> None:
        super().__init__(campaign, blobs)
        self._context: Context | None = None
        self._price_table: str | None = None
        self._templates = template_hashes(campaign.format)
        self._checks: dict[str, Callable[[Record], Iterator[str]]] = {
            "campaign_started": self._campaign,
            "run_imported": self._import,
            "batch_planned": self._planned,
            "slot_planned": self._ahead,
            "slot_started": self._started,
            "slot_finished": self._finished,
            "slot_failed": self._finished,
            "slot_cut": self._cut,
            "explorer_asked": self._asked,
            "prompt_rendered": self._prompt,
            "reply_received": self._reply,
            "reply_rejected": self._judged,
            "reply_accepted": self._judged,
            "batch_committed": self._committed,
            "user_input_taken": self._input,
        }

    def fold(self, record: Record) -> None:
        """Take in one record; what the prompts are made of changes with results and commits."""
        super().fold(record)
        if record.type == "driver_started":
            self._price_table = record.of(DriverStarted).get("packages", {}).get("genai-prices")
        if record.type not in ("prompt_rendered", "reply_received", "reply_rejected"):
            self._context = None

    def check(self, record: Record) -> Iterator[str]:
        """Every way in which ``record`` departs from what the records before it imply."""
        return self._checks[record.type](record) if record.type in self._checks else iter(())

    def context(self) -> Context:
        """The facts of the conversation in hand, gathered once."""
        if self._context is None:
            self._context = build_context(self)
        return self._context

    def _campaign(self, record: Record) -> Iterator[str]:
        made = {"name": self.campaign.name, "identity": self.campaign.identity()}
        yield from _differs(made, {key: record.data.get(key) for key in made})

    def _import(self, record: Record) -> Iterator[str]:
        stored = record.of(RunImported)
        files = {name: self.blobs.text(blob) for name, blob in stored["configs"].items()}
        memory = None if stored["memory"] is None else self.blobs.text(stored["memory"])
        sources = Sources(stored["log_name"], self.blobs.get(stored["log"]), memory, files)
        yield from _differs(
            imported_data(sources, self.campaign, self.blobs.put, stored.get("use_metrics", False)), record.data
        )
        yield from self._faults([stored["start_memory"]] if stored["start_memory"] else [])

    def _planned(self, record: Record) -> Iterator[str]:
        yield from _differs(planned_data(self), record.data)
        if record.batch != self.history.committed + 1:
            yield f"batch {record.batch} is planned while batch {self.history.committed} was the last committed"

    def _ahead(self, record: Record) -> Iterator[str]:
        """Which run it is follows from the journal, and from which had ended and how long the others were to train."""
        stored = record.of(SlotPlanned)
        made = slot_ahead(self, stored["ended"], stored["waits_for"], stored["left_min"])
        trains = {it.planned.iteration for it in self.history.unfinished()} - set(stored["ended"])
        if made is None:
            yield f"iteration {stored['slot'].get('iteration')} is run ahead; by the rule of today it is not"
        else:
            yield from _differs(made, record.data)
        if stored["waits_for"] not in trains:
            yield f"iteration {stored['waits_for']} is waited for although it has ended"
        if trains | set(stored["ended"]) != set(self.history.batches[record.batch]):
            yield f"{stored['ended']} are said to have ended of batch {record.batch}; its results say otherwise"

    def _started(self, record: Record) -> Iterator[str]:
        iteration = self.history.run(record.of(SlotStarted)["iteration"])
        run_id = f"{iteration.planned.run_id}.a{iteration.attempts + 1}"
        yield from _differs({"run_id": run_id, "slot": iteration.planned.slot}, _part(record, "run_id", "slot"))
        if iteration.result is not None:
            yield f"iteration {iteration.planned.iteration} is started although it has a result"

    def _finished(self, record: Record) -> Iterator[str]:
        ended = record.of(SlotEnded)
        iteration = self.history.iterations[ended["iteration"]]
        result, planned = ended["result"], iteration.planned
        made = {"run_id": iteration.run_id, "config_hash": planned.config_hash}
        yield from _differs(made, {key: result.get(key) for key in made})
        if iteration.result is not None:
            yield f"iteration {planned.iteration} has a second result"
        if (result["status"] == "failed") != (record.type == "slot_failed"):
            yield f"iteration {planned.iteration} has status {result['status']} in a {record.type} record"
        if (iteration.cut is not None) != ((result.get("failure") or {}).get("kind") == "cut"):
            yield f"iteration {planned.iteration} was {'' if iteration.cut else 'not '}cut; its result says otherwise"
        elif iteration.cut is not None:
            yield from _differs(cut_result(iteration).model_dump(mode="json"), result)
            yield from self._seen(iteration.cut, ended["artifacts"].get("metrics.log"))
        yield from self._faults(ended["artifacts"].values())

    def _cut(self, record: Record) -> Iterator[str]:
        """The decision follows from the figures that the driver saw and from the baseline's runs before it."""
        stored = record.of(SlotCut)
        iteration = self.history.iterations[stored["iteration"]]
        made = self.cutting.decision(iteration, stored["at"], stored["total"], stored["value"])
        if made is None:
            yield f"iteration {stored['iteration']} was cut; by the rule of today it is not"
        else:
            yield from _differs(made, record.data)

    def _seen(self, cut: SlotCut, log: str | None) -> Iterator[str]:
        """The figures that the driver saw stand in the metrics.log of the slot."""
        if log is None or self.blobs.fault(log) is not None:
            yield f"iteration {cut['iteration']} was cut, and its metrics.log is not there to show why"
            return
        found = third(read_column(self.blobs.text(log), self.cutting.column), cut["total"])
        if found != (cut["at"], cut["value"]):
            yield f"iteration {cut['iteration']} was cut at {(cut['at'], cut['value'])}; its metrics.log has {found}"

    def _asked(self, record: Record) -> Iterator[str]:
        """The answers follow from the records before, as long as the samplers are those of that night."""
        if libraries_here(self) == record.of(ExplorerAsked)["libraries"]:
            yield from _differs(asked_data(self) or {}, record.data)

    def _prompt(self, record: Record) -> Iterator[str]:
        stored = record.of(PromptRendered)
        # What the driver drew is not drawn again: another matplotlib would draw other bytes, and no decision reads it.
        drawn = {name: blob for name, blob in stored["images"].items() if name == batch_picture.NAME}
        made = prompt_data(self, self.context(), drawn)
        for part in PARTS:
            if made[part] != stored[part]:
                yield self._other_text(part, made[part], stored)
        for key in ("kind", "images"):
            yield from _differs({key: made[key]}, {key: stored[key]})
        yield from self._faults(stored["images"].values())
        yield from self._faults([stored["system"], stored["text"]])

    def _other_text(self, part: Literal["system", "text"], made: str, stored: PromptRendered) -> str:
        changed = [name for name, digest in self._templates.items() if stored["templates"].get(name) != digest]
        why = f"templates changed since: {', '.join(changed)}" if changed else "templates are the same: code changed"
        fault = self.blobs.fault(stored[part])
        ours = self.blobs.made(made) or ""
        return fault or f"{text_difference(ours, self.blobs.text(stored[part]), f'prompt ({part})')} ({why})"

    def _reply(self, record: Record) -> Iterator[str]:
        data = record.of(ReplyReceived)
        if data["reply"] is not None:
            yield from self._faults([data["reply"]])
            yield from self._cost(data)

    def _cost(self, data: ReplyReceived) -> Iterator[str]:
        """The recorded cost follows from usage and price table, as long as the table is the one of that night."""
        from agent.claude.prices import price, saved_by_cache, table_version

        if data["usage"] and self._price_table == table_version():
            made = price(data["model"], data["usage"])
            yield from _differs({"cost_usd": made}, {"cost_usd": data["cost_usd"]})
            if "saved_usd" in data:
                saved = saved_by_cache(data["model"], data["usage"])
                yield from _differs({"saved_usd": saved}, {"saved_usd": data["saved_usd"]})

    def _judged(self, record: Record) -> Iterator[str]:
        kind, made = judged(self, self.context())
        if kind != record.type:
            yield f"the reply is recorded as {record.type}; the guard of today says {kind} ({_why(made)})"
        elif kind == "reply_rejected" and "codes" not in record.data:
            # Journals of early runs name the broken rules only in the sentences.
            yield from _differs({key: value for key, value in made.items() if key != "codes"}, record.data)
        else:
            yield from _differs(made, record.data)

    def _committed(self, record: Record) -> Iterator[str]:
        yield from _differs(committed_data(self), record.data)
        yield from self._faults([record.of(BatchCommitted)["memory"]])

    def _input(self, record: Record) -> Iterator[str]:
        taken = record.of(UserInputTaken)
        yield from self._faults([taken["text"]] if "text" in taken else [])

    def _faults(self, names: Any) -> Iterator[str]:
        yield from filter(None, map(self.blobs.fault, names))


def _part(record: Record, *keys: str) -> dict[str, Any]:
    return {key: record.data.get(key) for key in keys}


def _differs(made: Mapping[str, Any], stored: Mapping[str, Any]) -> Iterator[str]:
    difference = first_difference(made, stored)
    if difference is not None:
        yield difference


def _why(made: ReplyRejected | ReplyAccepted) -> str:
    return "it is accepted" if "proposals" in made else made["violations"][0]
