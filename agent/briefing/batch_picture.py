"""batch.png: what the driver draws for Claude beside the pictures of the slots."""

from __future__ import annotations

from agent.ledger.ledger import Ledger
from state.records import CONTROL_ROLE
from ucb.estimates import BASELINE
from ucb.table import VarianceTable
from ucb.variance import ConfigStats

NAME = "batch.png"
SHOWN_CONFIGS = 24


def draw_batch(ledger: Ledger) -> bytes:
    """The batch that has just finished, over the runs of the configs at the top of the variance table."""
    # Imported here: only a night with pictures needs it.
    from ucb.batch_plot import Slot, plot_batch

    batch, table = ledger.history.batch(ledger.history.planned), ledger.views.table
    batch = [iteration for iteration in batch if iteration.planned.role != CONTROL_ROLE]
    slots = [
        Slot(
            f"slot {it.planned.slot}: node {it.planned.iteration}, {it.planned.config_id}",
            it.planned.iteration,
            it.result.trajectory if it.result is not None else (),
        )
        for it in batch
    ]
    baseline = table.get(BASELINE)
    return plot_batch(slots, _shown(table, [it.planned.config_id for it in batch]), baseline)


def _shown(table: VarianceTable, always: list[str]) -> list[ConfigStats]:
    """The first configs of the table, the baseline and those of the batch among them."""
    top = table.top(SHOWN_CONFIGS)
    known = {stats.config_id for stats in top}
    missing = [name for name in dict.fromkeys([BASELINE, *always]) if name not in known and name in table]
    return [*top[: SHOWN_CONFIGS - len(missing)], *(table[name] for name in missing)]
