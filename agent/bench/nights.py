"""Runs the nights of a bench, several at a time, each in a process of its own and an ordinary run directory."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from typing import Any

from agent.bench.layout import BenchPaths
from agent.bench.shared_engine import SharedEngine
from agent.commands.prepare import with_earlier_threads, with_threads
from agent.commands.provenance import driver_facts
from agent.explorers.choose import make_explorer
from agent.ledger.budget import frozen
from agent.night.ended import record_end
from agent.night.loop import run_night
from agent.night.night import open_night
from state.campaign import load_campaign
from state.errors import NightflyError
from state.explorer import Choice
from state.journal import peek
from state.paths import RunPaths
from trainer.engines.contract import Dispatcher
from trainer.engines.factory import make_engine


@dataclass(frozen=True)
class Night:
    """One explorer's night, up to ``batches`` batches in all; ``prepared``: what was found out of the campaign."""

    paths: BenchPaths
    number: int
    who: Choice
    batches: int
    prepared: dict[str, Any]

    @property
    def name(self) -> str:
        """How it is told of."""
        return f"night {self.number}, {self.who.name}"

    @property
    def run(self) -> RunPaths:
        """Its run directory."""
        return self.paths.run(self.number, self.who.name)

    def done(self) -> bool:
        """Whether all its batches are committed."""
        journal = self.run.journal
        if not journal.is_file():
            return False
        return max((record.batch for record in peek(journal, "batch_committed")), default=-1) >= self.batches


def run_all(nights: Sequence[Night], jobs: int) -> Iterator[tuple[Night, str]]:
    """Run what is not done; yields each night as it ends, with '' or the sentence that says what stopped it.

    No more than ``jobs`` are ever handed out, so that none begins after Ctrl-C.
    """
    waiting = [night for night in nights if not night.done()][::-1]
    if not waiting:
        return
    own = os.getpid()
    with ProcessPoolExecutor(jobs, mp_context=get_context("fork"), initializer=_end_with, initargs=(own,)) as pool:
        running: dict[Future[str], Night] = {}
        while waiting or running:
            while waiting and len(running) < jobs:
                night = waiting.pop()
                running[pool.submit(play, night)] = night
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()


def play(night: Night) -> str:
    """Run one night; returns '' or the sentence that says what stopped it."""
    file, root, who = night.paths.campaign(night.number), night.run.root, night.who
    try:
        run = open_night(file, root, who.explorer == "rules", who.explorer, hints=who.hints)
        try:
            run.inbox.clear()
            limits = run.campaign.budget.model_copy(update={"max_batches": night.batches})
            budget = frozen(limits, datetime.now(UTC))
            run.record("driver_started", driver_facts(run, night.prepared, budget))
            with run.interrupt:
                llm = make_explorer(run.campaign, who.explorer)
                why = run_night(run, llm, _engine(night), lambda *_: None, budget)
            run.derived.flush(draw=True)
            return "" if run.history.committed >= night.batches else why
        except (NightflyError, KeyboardInterrupt) as error:
            return record_end(run, error)
        finally:
            run.close()
    except NightflyError as error:
        return str(error)


def _engine(night: Night) -> Dispatcher:
    campaign = load_campaign(night.paths.campaign(night.number))
    campaign = with_earlier_threads(campaign, night.run.root)
    engine = make_engine(with_threads(campaign, night.prepared))
    if campaign.trainer == "surrogate":
        return engine
    return SharedEngine(engine, night.paths.trained(night.number), night.who.name)


def _end_with(parent: int) -> None:
    """End this process when the bench is killed: a night goes on from any place, and must not do so unseen.

    Ctrl-C is the business of a night while it runs, and between two nights of nobody.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()
