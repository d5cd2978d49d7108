"""`collect`: only a whole result that is the job's own counts as done; everything else is a typed failure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from state.metrics import METRICS
from state.paths import SlotPaths
from state.records import Failure, SlotResult
from trainer.engines.contract import STDERR_TAIL, Ended, Job, collect, stderr_tail

DONE: dict[str, Any] = SlotResult(
    run_id="night.0001.a1", config_hash="c0ffee", status="done", metrics=dict.fromkeys(METRICS, 0.5)
).model_dump(mode="json")


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(run_id="night.0001.a1", config_hash="c0ffee", folder=tmp_path / "0001", time_limit_s=5400)


def lay_down(job: Job, result: dict[str, Any] | str | None, stderr: str = "") -> None:
    paths = SlotPaths(job.folder)
    job.folder.mkdir()
    paths.stderr.write_text(stderr)
    if result is not None:
        paths.result.write_text(result if isinstance(result, str) else json.dumps(result))


def failure(ended: Ended) -> Failure:
    """The failure that `collect` makes of ``ended``; it quotes the job whatever the file says."""
    result = collect(ended)
    assert (result.status, result.metrics) == ("failed", {})
    assert (result.run_id, result.config_hash) == (ended.job.run_id, ended.job.config_hash)
    assert result.failure is not None
    assert "\n" not in result.failure.message
    return result.failure


@pytest.mark.parametrize("exit_code", [0, None])
def test_a_whole_result_of_the_job_is_taken_as_it_is(job: Job, exit_code: int | None) -> None:
    lay_down(job, DONE)
    assert collect(Ended(job, exit_code)).model_dump(mode="json") == DONE


def test_a_failure_told_by_the_worker_is_taken_as_it_is(job: Job) -> None:
    told = {"kind": "diverged", "message": "the loss is not finite at iteration 12"}
    lay_down(job, DONE | {"status": "failed", "metrics": {}, "failure": told})
    assert failure(Ended(job, 3)).model_dump() == told


@pytest.mark.parametrize(
    ("result", "kind", "says"),
    [
        (DONE | {"run_id": "night.0001.a2"}, "rejected", "another run"),
        (DONE | {"config_hash": "beef"}, "rejected", "another run or config"),
        (DONE | {"metrics": dict.fromkeys(list(METRICS)[1:], 0.5)}, "rejected", "expected metrics"),
        (DONE | {"metrics": dict.fromkeys((*METRICS, "speed"), 0.5)}, "rejected", "expected metrics"),
        (DONE | {"status": "failed", "metrics": {}}, "rejected", "status failed and failure None"),
        (DONE | {"failure": {"kind": "crashed", "message": "x"}}, "rejected", "status done and failure"),
        (DONE | {"surprise": 1}, "no_result", "not readable as a result"),
        (DONE | {"metrics": dict.fromkeys(METRICS, "0.5 or so")}, "no_result", "not readable as a result"),
        (json.dumps(DONE).replace("0.5", "NaN"), "no_result", "not readable as a result"),
        (json.dumps(DONE)[:-20], "no_result", "not readable as a result"),
        ("", "no_result", "not readable as a result"),
        ("[" * 100_000, "no_result", "not readable as a result"),
        ("\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "no_result", "not readable as a result"),
    ],
)
def test_a_result_that_is_not_the_jobs_own_or_not_whole_is_refused(
    job: Job, result: dict[str, Any] | str, kind: str, says: str
) -> None:
    lay_down(job, result)
    found = failure(Ended(job, 0))
    assert found.kind == kind
    assert says in found.message


@pytest.mark.parametrize(
    ("exit_code", "kind", "says"),
    [
        (0, "no_result", "exit code 0 but no result.json"),
        (3, "crashed", "exit code 3: RuntimeError: singular"),
        (-9, "killed", "out-of-memory"),
        (137, "killed", "out-of-memory"),
        (-11, "killed", "signal 11"),
        (None, "lost", "vanished"),
    ],
)
def test_an_end_without_a_result_is_told_by_how_it_ended(job: Job, exit_code: int | None, kind: str, says: str) -> None:
    lay_down(job, None, stderr="Traceback\n  File 'x'\nRuntimeError: singular\n\n")
    found = failure(Ended(job, exit_code))
    assert found.kind == kind
    assert says in found.message


@pytest.mark.parametrize(
    ("flag", "kind", "says"), [("timed_out", "timed_out", "90.0 min"), ("cancelled", "killed", "on request")]
)
def test_what_the_driver_ended_is_a_failure_even_with_a_result(job: Job, flag: str, kind: str, says: str) -> None:
    lay_down(job, DONE)
    found = failure(Ended(job, -15, **{flag: True}))
    assert found.kind == kind
    assert says in found.message


def test_a_crash_that_says_nothing_or_has_no_log_at_all_is_still_told(job: Job) -> None:
    lay_down(job, None)
    assert failure(Ended(job, 1)).message == "exit code 1: nothing on stderr"
    SlotPaths(job.folder).stderr.unlink()
    assert failure(Ended(job, 1)).message == "exit code 1: nothing on stderr"


def test_the_tail_of_a_long_log_is_its_end_and_survives_cut_characters(tmp_path: Path) -> None:
    log = tmp_path / "stderr.log"
    log.write_text("é" * 3000 + "end")
    tail = stderr_tail(log)
    assert len(tail.encode()) <= STDERR_TAIL + 3
    assert tail.endswith("éend")


def test_a_job_lays_down_what_its_worker_must_quote(job: Job) -> None:
    job.write("training: {}\n")
    paths = SlotPaths(job.folder)
    assert paths.config.read_text() == "training: {}\n"
    want = {"run_id": "night.0001.a1", "config_hash": "c0ffee", "time_limit_s": 5400}
    assert json.loads(paths.job.read_text()) == want
