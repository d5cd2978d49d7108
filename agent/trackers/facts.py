"""What a tracker is told of one iteration, from journal and blobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from agent.ledger.ledger import Ledger
from agent.ledger.standing import standing
from agent.report.story import Story
from state.config import Scalar, flatten
from state.files import parse_yaml
from state.history import Iteration
from state.metrics import recorded
from state.records import SlotResult

PREFIX = "nightfly."


@dataclass(frozen=True)
class TrackedRun:
    """One finished and judged iteration; ``key`` is unique among all runs of all campaigns, times in ms since 1970.

    ``steps``: training iteration -> metrics there. ``pictures``: file name -> PNG.
    """

    key: str
    name: str
    campaign: str
    tags: dict[str, str]
    params: dict[str, Scalar]
    metrics: dict[str, float]
    steps: list[tuple[int, dict[str, float]]]
    pictures: dict[str, bytes]
    failed: bool
    began_ms: int
    ended_ms: int


def run_of(genesis: str) -> str:
    """The name of a run for trackers, from the hash of its journal's first record: it stays when folders move."""
    return genesis[:16]


def judged(ledger: Ledger) -> list[Iteration]:
    """The iterations whose entries are committed, oldest first: what trackers are to know."""
    return [iteration for iteration in ledger.history.iterations.values() if iteration.entry is not None]


def tracked(ledger: Ledger, story: Story, genesis: str, iteration: Iteration) -> TrackedRun:
    """Everything about ``iteration``; RunError when a blob of it is missing."""
    result = SlotResult.model_validate_json(_result(ledger, iteration))
    number = iteration.planned.iteration
    spans = story.attempts[number]
    metrics = _defined(recorded(result.metrics))
    return TrackedRun(
        key=f"{run_of(genesis)}-{number:05d}",
        name=f"{ledger.campaign.name} {number}",
        campaign=ledger.campaign.name,
        tags=_tags(ledger, genesis, iteration, result),
        params=flatten(parse_yaml(ledger.blobs.text(iteration.planned.config), "the slot's config")),
        metrics=metrics | {f"seconds/{stage}": value for stage, value in result.seconds.items()},
        steps=[(point.iteration, _defined(point.values())) for point in result.trajectory],
        pictures={n: ledger.blobs.get(blob) for n, blob in iteration.artifacts.items() if n.endswith(".png")},
        failed=result.failed,
        began_ms=_ms(str(spans[0][0])),
        ended_ms=_ms(str(spans[-1][1])),
    )


def _result(ledger: Ledger, iteration: Iteration) -> bytes:
    """The result as the journal has it; its trajectory is kept in memory for the batch in hand only."""
    assert iteration.result is not None
    blob = iteration.artifacts.get("result.json")
    # A slot that was ended from outside failed, whatever its result.json says.
    counts = blob is not None and iteration.result.failure is None
    return ledger.blobs.get(str(blob)) if counts else iteration.result.model_dump_json().encode()


def _tags(ledger: Ledger, genesis: str, iteration: Iteration, result: SlotResult) -> dict[str, str]:
    planned, entry = iteration.planned, iteration.entry or {}
    facts = {
        "run": run_of(genesis),
        "campaign": ledger.campaign.name,
        "iteration": planned.iteration,
        "batch": planned.batch,
        "block": ledger.views.block(planned.iteration).number,
        "slot": planned.slot,
        "role": planned.role,
        "parent": "root" if planned.parent is None else planned.parent,
        "config_id": planned.config_id,
        "config_standing": standing(ledger.views, planned.config_id),
        "mutation": planned.mutation,
        "seed_rationale": planned.seed_rationale,
        "status": ledger.views.status(result),
        "verdict": entry.get("verdict", ""),
        "failure": "" if result.failure is None else f"{result.failure.kind}: {result.failure.message}",
        "truth": result.truth,
        "device": result.device,
        "surrogate": str(ledger.campaign.trainer != "gnn").lower(),
        "dry_run": str(bool(ledger.history.dry_run)).lower(),
        "explorer": ledger.history.explorer,
    }
    return {PREFIX + name: str(value) for name, value in facts.items() if value != ""}


def _defined(values: dict[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}


def _ms(time: str) -> int:
    return round(datetime.fromisoformat(time).timestamp() * 1000)
