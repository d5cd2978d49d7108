"""What the journal implies: configs made again from their parents are those of the blobs."""

from __future__ import annotations

from collections.abc import Callable

from agent.ledger.ledger import Ledger
from agent.ledger.views import Views
from agent.night.night import Night
from state.blobs import BlobStore
from state.journal import read_records


def test_a_config_made_from_its_parent_is_the_one_in_the_blob(finished: Callable[[int], Night]) -> None:
    night = finished(4)
    ledger = Ledger(night.campaign, BlobStore(night.paths.blobs))
    for record in read_records(night.paths.journal):
        ledger.fold(record)
    iterations = list(ledger.history.iterations.values())
    assert len({it.planned.config_id for it in iterations}) > 1
    for iteration in iterations:
        made = ledger.views._made_again(iteration.planned)
        assert made == ledger.views._read(iteration.planned.config)


def test_a_plan_that_does_not_give_the_blob_is_not_believed(finished: Callable[[int], Night]) -> None:
    night = finished(1)
    iteration = night.history.iterations[2]
    wrong = iteration.planned.model_copy(update={"training_seed": 1})
    views = Views(night.campaign, night.history, night.blobs)
    assert views._made_again(wrong) is None
    iteration.planned = wrong
    assert views.config(iteration).training.seed != 1
