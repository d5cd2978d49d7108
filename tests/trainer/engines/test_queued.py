"""The queued engine when its scheduler is slow, silent, forgetful or refuses; with stand-ins for LSF's commands."""

from __future__ import annotations

import logging
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from state.errors import UserError
from state.paths import SlotPaths
from tests.trainer.engines.conftest import Bench
from tests.trainer.engines.standins import calls
from tests.trainer.engines.workers import FAMILY, WAITS, began, ended, gone, job, killed_driver, pids, runs, until
from trainer.engines.contract import Dispatcher, Job, collect
from trainer.engines.script import read_exit

MakeBench = Callable[[str], Bench]


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    return make_bench("lsf")


@pytest.fixture
def lsf(bench: Bench, tmp_path: Path) -> Path:
    return tmp_path / "lsf"


def poll_for(engine: Dispatcher, seconds: float) -> None:
    """Polls for a while, in which nothing may end."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert engine.poll()[1] == []
        time.sleep(0.02)


def test_jobs_are_unknown_and_not_lost_while_the_scheduler_is_silent(
    tmp_path: Path, bench: Bench, lsf: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine, one, two = bench.build(), job(tmp_path, "one", WAITS), job(tmp_path, "two", WAITS)
    engine.submit([one, two])
    began(engine, one)
    pids(two)
    (lsf / "down").touch()
    poll_for(engine, 1.5)
    # The exit file needs no scheduler.
    (one.folder / "go").touch()
    assert collect(ended(engine, 1)["one"]).status == "done"
    (lsf / "down").unlink()
    poll_for(engine, 1.0)
    (two.folder / "go").touch()
    assert collect(ended(engine, 1)["two"]).status == "done"
    assert (runs(one), runs(two)) == (1, 1)
    said = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert [("does not answer" in text, "answers again" in text) for text in said] == [(True, False), (False, True)]


def test_a_job_handed_over_while_the_scheduler_is_silent_runs_once_it_answers(
    tmp_path: Path, bench: Bench, lsf: Path
) -> None:
    (lsf / "down").touch()
    engine, one = bench.build(), job(tmp_path, "one", "succeed()")
    engine.submit([one])
    poll_for(engine, 1.0)
    (lsf / "down").unlink()
    assert collect(ended(engine, 1)["one"]).status == "done"
    assert runs(one) == 1


def test_a_submission_that_arrived_without_an_answer_is_not_repeated(tmp_path: Path, bench: Bench, lsf: Path) -> None:
    (lsf / "mute").touch()
    engine, one = bench.build(), job(tmp_path, "one", WAITS)
    engine.submit([one])
    began(engine, one)
    poll_for(engine, 1.0)
    assert calls(lsf, "bsub") == 1
    (lsf / "mute").unlink()
    (one.folder / "go").touch()
    assert collect(ended(engine, 1)["one"]).status == "done"
    assert runs(one) == 1


def test_a_second_copy_of_a_job_does_nothing(tmp_path: Path, bench: Bench) -> None:
    engine, one = bench.build(), job(tmp_path, "one", WAITS)
    engine.submit([one])
    began(engine, one)
    script = SlotPaths(one.folder).attempt("one").script
    assert subprocess.run(["bash", str(script)], check=False, timeout=60).returncode == 0
    assert read_exit(SlotPaths(one.folder).attempt("one"), 1000) is None
    (one.folder / "go").touch()
    assert collect(ended(engine, 1)["one"]).status == "done"
    assert runs(one) == 1


def test_a_later_driver_keeps_an_unseen_job_from_starting(tmp_path: Path, bench: Bench, lsf: Path) -> None:
    one = job(tmp_path, "one", "succeed()")
    (lsf / "down").touch()
    first = bench.build()
    first.submit([one])
    poll_for(first, 0.6)
    (lsf / "down").unlink()
    assert bench.build().reattach([one]) == []
    script = SlotPaths(one.folder).attempt("one").script
    assert subprocess.run(["bash", str(script)], check=False, timeout=60).returncode == 0
    assert runs(one) == 0


def test_without_an_answer_an_earlier_job_is_watched_and_not_begun_again(
    tmp_path: Path, bench: Bench, lsf: Path
) -> None:
    one = job(tmp_path, "one", WAITS)
    killed_driver(bench.config, bench.worker, [one])
    (lsf / "down").touch()
    engine = bench.build()
    assert engine.reattach([one]) == [one]
    poll_for(engine, 1.0)
    (lsf / "down").unlink()
    poll_for(engine, 0.6)
    (one.folder / "go").touch()
    assert collect(ended(engine, 1)["one"]).status == "done"
    assert runs(one) == 1


def test_an_end_that_no_driver_saw_is_told_by_the_next_one(tmp_path: Path, bench: Bench) -> None:
    one = job(tmp_path, "one", 'publish("pids", str(os.getpid())); wait_for(folder / "go"); sys.exit(3)')
    killed_driver(bench.config, bench.worker, [one])
    (one.folder / "go").touch()
    until(lambda: read_exit(SlotPaths(one.folder).attempt("one"), 1000), "the exit file is there")
    engine = bench.build()
    assert engine.reattach([one]) == [one]
    assert ended(engine, 1)["one"].exit_code == 3


def test_a_job_killed_while_no_driver_was_there_runs_again(tmp_path: Path, bench: Bench) -> None:
    one = job(tmp_path, "one", FAMILY)
    killed_driver(bench.config, bench.worker, [one])
    os.kill(pids(one)[0], 15)
    until(lambda: read_exit(SlotPaths(one.folder).attempt("one"), 1000), "the exit file is there")
    assert bench.build().reattach([one]) == []
    until(lambda: gone(pids(one)), "nothing is left of it")


def test_a_refused_job_is_one_sentence(tmp_path: Path, bench: Bench) -> None:
    bench.settings["lsf"] = bench.settings["lsf"] | {"queue": "nowhere"}
    engine = bench.build()
    engine.submit([job(tmp_path, "one", "succeed()")])
    with pytest.raises(UserError, match="No such queue") as caught:
        ended(engine, 1)
    assert "\n" not in str(caught.value)


def test_a_missing_command_is_one_sentence(tmp_path: Path, bench: Bench, lsf: Path) -> None:
    (lsf / "bsub").unlink()
    engine = bench.build()
    engine.submit([job(tmp_path, "one", "succeed()")])
    with pytest.raises(UserError, match="no command bsub"):
        ended(engine, 1)


def test_one_question_an_interval_however_often_it_is_polled(tmp_path: Path, bench: Bench, lsf: Path) -> None:
    bench.settings["lsf"] = bench.settings["lsf"] | {"poll_interval_s": 600}
    engine, jobs = bench.build(), [job(tmp_path, f"j{n}", WAITS) for n in range(4)]
    engine.submit(jobs)
    for one in jobs:
        began(engine, one)
    for _ in range(500):
        assert engine.poll()[1] == []
    assert (calls(lsf, "bsub"), calls(lsf, "bjobs")) == (4, 1)
    for one in jobs:
        (one.folder / "go").touch()
    # The exit files are seen without a question.
    assert set(ended(engine, 4)) == {one.run_id for one in jobs}
    assert calls(lsf, "bjobs") <= 2


def test_a_waiting_job_is_cancelled_where_it_waits(tmp_path: Path, bench: Bench, lsf: Path) -> None:
    (lsf / "hold").touch()
    engine, one = bench.build(), job(tmp_path, "one", "succeed()")
    engine.submit([one])
    poll_for(engine, 1.0)
    engine.cancel("one")
    assert ended(engine, 1)["one"].cancelled
    assert not list(lsf.glob("*.pid"))
    assert runs(one) == 0


def test_a_forgotten_job_is_lost_with_the_schedulers_word_and_never_starts_later(
    tmp_path: Path, bench: Bench, lsf: Path
) -> None:
    (lsf / "hold").touch()
    engine, one = bench.build(), job(tmp_path, "one", "succeed()")
    engine.submit([one])
    until(lambda: engine.poll() and list(lsf.glob("*.pid")), "it is handed over")
    poll_for(engine, 0.6)
    next(lsf.glob("*.pid")).unlink()
    failure = collect(ended(engine, 1)["one"]).failure
    assert failure is not None
    assert (failure.kind, "lsf: the scheduler does not know it" in failure.message) == ("lost", True)
    subprocess.run(["bash", str(next(lsf.glob("*.sh")))], check=True, timeout=60)
    assert runs(one) == 0


@pytest.mark.parametrize("name", ["with space", "it's", 'quo"te', "$HOME", "`id`", "a;b&c", "per%cent", "ünï", "-dash"])
def test_odd_folder_names_are_only_names(tmp_path: Path, bench: Bench, name: str) -> None:
    (tmp_path / name).mkdir()
    plain = job(tmp_path / name, "one", 'publish("seen", json.dumps(sys.argv[1:])); succeed()')
    one = Job("one", "h", plain.folder, 1000)
    engine = bench.build()
    engine.submit([one])
    assert collect(ended(engine, 1)["one"]).status == "done"
    assert (one.folder / "seen").exists()


def test_keys_of_the_driver_do_not_reach_a_job_but_data_places_do(
    tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    monkeypatch.setenv("DATAVIS_ROOT", "/data of/davis")
    engine = bench.build(threads_per_slot=3)
    one = job(tmp_path, "one", 'publish("seen", json.dumps(dict(os.environ))); succeed()')
    engine.submit([one])
    ended(engine, 1)
    seen = (one.folder / "seen").read_text()
    assert "sk-secret" not in seen
    assert '"DATAVIS_ROOT": "/data of/davis"' in seen
    assert '"OMP_NUM_THREADS": "3"' in seen
    assert "sk-secret" not in SlotPaths(one.folder).attempt("one").script.read_text()
