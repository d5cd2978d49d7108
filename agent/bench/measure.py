"""What one night came to: its pick after each batch, hours, dollars, time in which nothing ran, refused proposals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.ledger.ledger import Ledger
from agent.ledger.open_run import open_run
from agent.ledger.spending import elapsed_s
from agent.ledger.standing import picked
from state.campaign import Campaign
from state.config import SlotConfig
from state.journal import Record
from state.paths import RunPaths
from state.records import CONTROL_ROLE, TAKEN_OVER
from state.shapes import ReplyAccepted, SlotEnded, SlotStarted
from trainer.engines.surrogate import true_metrics


@dataclass
class Measured:
    """Figures of one night. ``picks``: the pick after each batch, ``values``: its true primary metric on a surrogate.

    ``best``: the highest true value of a config that ran at all, None where it cannot be known.

    ``gpu_hours`` are those that the night would have taken alone, ``paid_hours`` without results of other explorers;
    ``idle``: share of the time from the first start to the last end in which no slot of its own ran,
    None on a surrogate.
    """

    picks: list[SlotConfig] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    best: float | None = None
    gpu_hours: float = 0.0
    paid_hours: float = 0.0
    dollars: float = 0.0
    idle: float | None = None
    replies: int = 0
    sent_back: int = 0
    proposals: int = 0
    refused: int = 0


def measure(paths: RunPaths, batches: int) -> Measured:
    """Read the journal of a run up to the end of batch ``batches``."""
    run, found = open_run(paths.root), Measured()
    ledger, spans, begun = run.new_ledger(), list[tuple[str, str]](), dict[int, str]()
    for record in run.records():
        if record.batch > batches:
            break
        ledger.fold(record)
        if record.type == "slot_started":
            begun[record.of(SlotStarted)["iteration"]] = record.time
        elif record.type in ("slot_finished", "slot_failed"):
            ended = record.of(SlotEnded)
            if TAKEN_OVER not in ended["result"]["device"]:
                spans.append((begun[ended["iteration"]], record.time))
                found.paid_hours += sum(ended["result"]["seconds"].values()) / 3600
        elif record.type == "batch_committed" and record.batch:
            _take_pick(ledger, found)
        else:
            _count(record, found)
    found.gpu_hours, found.dollars = ledger.spending.gpu_hours, ledger.spending.dollars
    found.best = _best_tried(ledger) if ledger.campaign.trainer == "surrogate" else None
    found.idle = idle_share(spans) if ledger.campaign.trainer == "gnn" else None
    return found


def _take_pick(ledger: Ledger, found: Measured) -> None:
    views, campaign = ledger.views, ledger.campaign
    config = views.config(ledger.history.iterations[views.latest_node[picked(views)]])
    found.picks.append(config)
    if campaign.trainer == "surrogate":
        found.values.append(true_value(campaign, config))


def _best_tried(ledger: Ledger) -> float:
    latest = (ledger.history.iterations[node] for node in ledger.views.latest_node.values())
    configs = (ledger.views.config(one) for one in latest if one.planned.role != CONTROL_ROLE)
    return max(true_value(ledger.campaign, config) for config in configs)


def true_value(campaign: Campaign, config: SlotConfig) -> float:
    """The primary metric of ``config`` on the surface of a surrogate campaign, without noise."""
    return true_metrics(config, campaign.surrogate)[campaign.goal.primary] or 0.0


def _count(record: Record, found: Measured) -> None:
    if record.type == "reply_received":
        found.replies += 1
    elif record.type == "reply_rejected":
        found.sent_back += 1
    elif record.type == "reply_accepted":
        accepted = record.of(ReplyAccepted)
        found.proposals += sum(proposal["role"] != CONTROL_ROLE for proposal in accepted["proposals"])
        found.refused += len(accepted["fallbacks"])


def idle_share(spans: Sequence[tuple[str, str]]) -> float | None:
    """The share of the time from the first start to the last end (RFC 3339) without any of them; None for no time."""
    if not spans:
        return None
    ordered = sorted(spans)
    whole = elapsed_s(ordered[0][0], max(end for _, end in spans))
    busy, reached = 0.0, ordered[0][0]
    for begin, end in ordered:
        if end > reached:
            busy += elapsed_s(max(begin, reached), end)
            reached = end
    return 1 - busy / whole if whole else None
