"""Runs the planned slots of a batch and brings their results into the journal; one slot never ends the night."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from agent.ledger.cutting import cut_result
from agent.night.ahead import Ahead
from agent.night.cut import Cutter
from agent.night.night import Night
from agent.night.standstill import Fate
from state.history import Iteration
from state.records import Failure, SlotResult
from state.shapes import SlotEnded, SlotStarted
from trainer.engines.contract import Dispatcher, Ended, Job, collect, stderr_tail

Watch = Callable[[Night, list[Iteration]], None]
POLL_S = 0.1


def run_slots(night: Night, engine: Dispatcher, watch: Watch) -> None:
    """Train what is planned and unfinished: adopt what still runs, take what finished unseen, start the rest.

    A slot that is lost through no fault of its config is started again, one that was cut never. Standstill when all
    slots fail.
    """
    waiting, fate, cutter = dict[str, Iteration](), Fate(night), Cutter(night, engine)
    ahead, adopted = Ahead(night, lambda iteration: _start(night, engine, iteration, fate)), _adopted(night, engine)
    for iteration in night.history.unfinished():
        if iteration.run_id is not None and iteration.run_id in adopted:
            waiting[iteration.run_id] = iteration
        elif iteration.cut is not None:
            _record_result(night, iteration, cut_result(iteration))
        elif not _take_finished(night, iteration):
            waiting[_start(night, engine, iteration, fate)] = iteration
    ahead.look(waiting)
    while waiting:
        cutter.look(waiting.values())
        for ended in night.jobs_ahead.ends(engine.poll()[1], waiting):
            iteration = waiting.pop(ended.job.run_id)
            result = collect(ended) if iteration.cut is None else cut_result(iteration)
            if result.failure is not None and _runs_again(night, iteration, result.failure):
                waiting[_start(night, engine, iteration, fate, result.failure)] = iteration
            else:
                _record_results(night, fate.take(iteration, result))
        ahead.look(waiting)
        watch(night, list(waiting.values()))
        night.take_requests()
        with night.interrupt.welcome():
            time.sleep(POLL_S if waiting else 0)
    _record_results(night, fate.results())


def _adopted(night: Night, engine: Dispatcher) -> set[str]:
    """The run ids that are still at work, of the batch and ahead of the next one."""
    jobs = night.jobs_ahead
    old = [job_of(night, iteration) for iteration in night.history.unfinished() if iteration.run_id]
    early = [job_of(night, iteration) for iteration in night.history.ahead.values() if iteration.run_id]
    found = jobs.adopt(engine, [*old, *early])
    for job in early:
        if job.run_id in found:
            jobs.begun(job.run_id)
    return found


def _runs_again(night: Night, iteration: Iteration, failure: Failure) -> bool:
    return failure.blameless and iteration.lost < night.campaign.engine.retries


def job_of(night: Night, iteration: Iteration) -> Job:
    """The job of an iteration that has been started."""
    return Job(
        run_id=iteration.run_id or "",
        config_hash=iteration.planned.config_hash,
        folder=night.paths.slot(iteration.planned.iteration).root.resolve(),
        time_limit_s=night.campaign.engine.time_limit_min * 60,
        dataset=night.campaign.dataset(iteration.planned.slot),
    )


def _start(night: Night, engine: Dispatcher, iteration: Iteration, fate: Fate, after: Failure | None = None) -> str:
    """Start an attempt. It is journaled before the process exists, so a result can be told to be of this attempt.

    ``after``: what ended the attempt before, through no fault of the config; training goes on from its checkpoint, in a
    process of its own, for it may have been one of those that shared a process.
    """
    planned = iteration.planned
    run_id = f"{planned.run_id}.a{iteration.attempts + 1}"
    started: SlotStarted = {"iteration": planned.iteration, "slot": planned.slot, "run_id": run_id}
    if after is not None:
        started["after"] = {"kind": after.kind, "message": after.message}
    night.record("slot_started", started)
    fate.began[run_id] = time.monotonic()
    job = replace(job_of(night, iteration), alone=after is not None)
    night.journal.check()
    job.write(night.blobs.text(planned.config))
    engine.submit([job])
    return run_id


def _take_finished(night: Night, iteration: Iteration) -> bool:
    """A slot that ended while no driver was there: its result counts if it is whole and its own."""
    if iteration.run_id is None or not night.paths.slot(iteration.planned.iteration).result.exists():
        return False
    result = collect(Ended(job_of(night, iteration), exit_code=None))
    if result.failure is not None and result.failure.kind in ("no_result", "rejected", "lost"):
        return False
    _record_result(night, iteration, result)
    return True


def _record_results(night: Night, results: list[tuple[Iteration, SlotResult]]) -> None:
    for iteration, result in results:
        _record_result(night, iteration, result)


def _record_result(night: Night, iteration: Iteration, result: SlotResult) -> None:
    paths = night.paths.slot(iteration.planned.iteration)
    files = [path for path in (paths.result, paths.metrics_log, *paths.pictures) if path.exists()]
    artifacts = {path.name: night.blobs.put(path.read_bytes()) for path in files}
    if result.status == "failed":
        artifacts["stderr"] = night.blobs.put(stderr_tail(paths.stderr))
    ended: SlotEnded = {
        "iteration": iteration.planned.iteration,
        "slot": iteration.planned.slot,
        "result": result.model_dump(mode="json"),
        "artifacts": artifacts,
    }
    if result.cut:
        paths.checkpoint.unlink(missing_ok=True)
    night.record("slot_finished" if result.status == "done" else "slot_failed", ended)
