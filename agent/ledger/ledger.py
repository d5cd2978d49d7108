"""A campaign, its blobs, and what the journal says so far: all that a decision may depend on. Writes nothing."""

from __future__ import annotations

from agent.ledger.cutting import Cutting
from agent.ledger.spending import Spending
from agent.ledger.views import Views
from agent.ledger.waiting import Waiting
from state.blobs import BlobStore
from state.campaign import Campaign
from state.history import History
from state.journal import Record


class Ledger:
    """The driver adds records to it as they happen; the auditor replays them and recomputes every decision."""

    def __init__(self, campaign: Campaign, blobs: BlobStore) -> None:
        self.campaign = campaign
        self.blobs = blobs
        self.history = History()
        self.views = Views(campaign, self.history, blobs)
        self.cutting = Cutting(campaign, self.history)
        self.spending = Spending()
        self.waiting = Waiting()

    def fold(self, record: Record) -> None:
        """Take in one record."""
        self.history.apply(record)
        self.views.apply(record)
        self.cutting.apply(record)
        self.spending.apply(record, self.history)
        self.waiting.apply(record, self.history)
