"""The one door to a run directory: says what is no run, reads its records, and makes the ledger of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from agent.ledger.evidence import Evidence
from agent.ledger.ledger import Ledger
from state.campaign import Campaign, begun_campaign, format_of
from state.errors import JournalError, RunError
from state.journal import Place, Record, read_records
from state.paths import RunPaths
from state.shapes import CampaignStarted, check_shape


@dataclass(frozen=True)
class Run:
    """A run directory as readers see it, a driver at work or not; nothing is ever written through it."""

    paths: RunPaths
    blobs: Evidence

    def records(self, place: Place | None = None) -> Iterator[Record]:
        """Every record in order, each with what its type demands; JournalError names the first that has not.

        With a ``place`` those behind it, see `read_records`.
        """
        for record in read_records(self.paths.journal, place):
            try:
                check_shape(record.type, record.data)
            except ValidationError as error:
                raise self._unreadable(record) from error
            yield record

    def first(self) -> Record:
        """The `campaign_started` of the run; RunError when it never began."""
        first = next(read_records(self.paths.journal), None)
        if first is None:
            raise RunError(f"{self.paths.journal}: holds no record; the run never began")
        if first.type != "campaign_started":
            raise RunError(f"the first record is {first.type}, expected campaign_started")
        return first

    def started(self) -> CampaignStarted:
        """What the first record says."""
        return self.first().of(CampaignStarted)

    def campaign(self) -> Campaign:
        """The campaign as the run was begun with it."""
        started = self.started()
        return begun_campaign(started, self.blobs.text(started["campaign"]))

    def new_ledger(self) -> Ledger:
        """A ledger that has taken no record yet."""
        return Ledger(self.campaign(), self.blobs)

    def fold(self, *takers: Callable[[Record], None], place: Place | None = None) -> None:
        """Give every record, or those behind ``place``, to each of ``takers``.

        JournalError for one that this nightfly cannot make sense of.
        """
        for record in self.records(place):
            try:
                for take in takers:
                    take(record)
            # A chain that holds says nothing of what another version of nightfly, or a stranger, wrote into it.
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise self._unreadable(record) from error

    def ledger(self) -> Ledger:
        """What the whole journal says."""
        ledger = self.new_ledger()
        self.fold(ledger.fold)
        return ledger

    def _unreadable(self, record: Record) -> JournalError:
        return JournalError(
            f"{self.paths.journal}, line {record.seq + 1}: a {record.type} that this nightfly cannot read; use the "
            "version that wrote it"
        )


def open_run(root: Path) -> Run:
    """The run in ``root``; RunError when it holds none, or one of a newer format than this program's."""
    paths = RunPaths(root)
    if not paths.journal.is_file():
        raise RunError(f"{root}: holds no nightfly run (no journal.jsonl); give a directory such as runs/quickstart")
    try:
        first = next(read_records(paths.journal), None)
    except JournalError:
        # Whoever reads the records says which line is damaged.
        first = None
    if first is not None and first.type == "campaign_started":
        format_of(first.data)
    return Run(paths, Evidence(paths.blobs))
