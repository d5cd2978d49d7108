"""winner.yaml: at each block end the config to go on with, ready for `nightfly train`, and what is known of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agent.ledger.standing import picked, verdict_lines
from agent.ledger.views import Views
from state.metrics import shown
from ucb.estimates import BASELINE


def render_winner(views: Views, block: int) -> str | None:
    """The confirmed config, else the candidate, else the baseline, of the runs so far; None before any has finished.

    The comment on top says which of the three it is: a candidate is not called a winner.
    """
    best, name = views.confirmations.best, picked(views)
    if name not in views.latest_node:
        return None
    node = views.latest_node[name]
    config = views.config(views.history.iterations[node])
    what = "confirmed better than the baseline" if best is not None else _unconfirmed(name)
    lines = [
        f"{views.campaign.name}, after block {block} ({len(views.tree)} iterations): {name}, {what}",
        f"The config of node {node}, with its seeds. Train it again: nightfly train winner.yaml --out DIR",
        *_measured(views, name),
        *_changed(views, config.flat()),
        *verdict_lines(views),
    ]
    return "".join(f"# {line}\n" for line in lines) + config.yaml()


def _unconfirmed(name: str) -> str:
    return "the baseline; nothing leads it" if name == BASELINE else "a CANDIDATE, not confirmed: it may just be lucky"


def _measured(views: Views, name: str) -> Iterator[str]:
    """Means over data seeds with what varies between them, and the share of bad runs."""
    for metric in shown(views.campaign.format):
        cells = views.estimates.cells(name, metric.name)
        if cells.mean is not None:
            between = "" if cells.std is None else f", sd between data seeds {cells.std:.4f}"
            yield f"{metric.name}: mean {cells.mean:.4f}{between}, {cells.runs} runs on {cells.seeds} data seeds"
    yield f"Failed and badly recovered runs: {views.estimates.share(name)}"


def _changed(views: Views, flat: Mapping[str, object]) -> Iterator[str]:
    base = views.campaign.base_config().flat()
    changed = [f"{key} {base[key]} -> {flat[key]}" for key in views.campaign.explorable if flat[key] != base[key]]
    yield "Changed from the campaign's defaults: " + ("; ".join(changed) or "nothing")
