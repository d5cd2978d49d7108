"""`nightfly track`: tells a tracker every judged iteration that it does not know. Drivers start it after batches."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast, get_args

from agent.ledger.open_run import open_run
from agent.report.story import read_story
from agent.trackers.facts import judged, run_of, tracked
from agent.trackers.tracker import Tracker, TrackerError
from state.errors import NightflyError, UserError
from state.evening import TrackerKind


def open_tracker(kind: TrackerKind, root: Path) -> Tracker:
    """The tracker of ``kind``; TrackerError when its package is missing."""
    if kind == "mlflow":
        from agent.trackers.mlflow import MlflowTracker

        return MlflowTracker(root)
    if kind == "wandb":
        from agent.trackers.wandb import WandbTracker

        return WandbTracker(root)
    raise UserError("tracker: none is set; write `tracker: mlflow` in the campaign, or give --to mlflow")


def sync(root: Path, kind: TrackerKind) -> int:
    """Tell the tracker what it does not know of the run in ``root``; how many iterations that was.

    Can be called as often as one likes. RunError for what is no run, TrackerError when the tracker fails; what was told
    before stays told.
    """
    run = open_run(root)
    ledger, story = read_story(run.paths)
    genesis = run.first().hash
    tracker = open_tracker(kind, root)
    known, told = tracker.known(run_of(genesis)), 0
    for iteration in judged(ledger):
        if f"{run_of(genesis)}-{iteration.planned.iteration:05d}" not in known:
            tracker.tell(tracked(ledger, story, genesis, iteration))
            told += 1
    return told


def track(root: Path, asked: str | None) -> None:
    """Sync by hand; without ``asked`` as the run's campaign says. UserError for a tracker that is none."""
    if asked is None:
        asked = open_run(root).campaign().tracker
    kind = next((known for known in get_args(TrackerKind) if known == asked), None)
    if kind is None:
        raise UserError(f"--to {asked}: is no tracker; give mlflow or wandb")
    told = sync(root, kind)
    print(f"{root}: {told} iteration{'' if told == 1 else 's'} told to {kind}")


def main() -> None:
    """`python -m agent.trackers.sync RUN KIND`, as a driver calls it."""
    try:
        sync(Path(sys.argv[1]), cast(TrackerKind, sys.argv[2]))
    except (NightflyError, TrackerError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
