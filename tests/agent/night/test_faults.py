"""What can go wrong around a night: each fault has its own sentence, is survived or refused, and loses nothing."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from agent import cli
from agent.claude.mock import MockLLM
from agent.night.loop import run_night
from agent.night.night import open_night
from agent.replay.whole_run import replay_run
from state import journal as journal_module
from state.errors import JournalError, NightflyError, RunError
from state.evening import Budget
from state.paths import RunPaths
from tests.agent.conftest import play, write_campaign
from trainer.engines.local import LocalEngine

WORKER = """
import json, os, signal, sys, time
from pathlib import Path
from state.files import read_yaml, write_atomic
from state.config import SlotConfig
from trainer.engines.surrogate import surrogate_result

folder = Path(sys.argv[1])
job = json.loads((folder / "job.json").read_text())
config = SlotConfig.model_validate(read_yaml(folder / "config.yaml"))
result = json.loads(surrogate_result(config, job["run_id"]).model_dump_json())
result |= {"status": "done", "failure": None}
result["metrics"] = result["metrics"] or {name: 0.5 for name in (
    "connectivity_R2", "tau_R2", "V_rest_R2", "cluster_accuracy", "test_R2", "test_pearson", "training_time_min")}
text = json.dumps(result)
number = int(folder.name)
if number == 1:
    os.kill(os.getpid(), signal.SIGKILL)
if number == 2:
    time.sleep(600)
if number == 3:
    sys.exit(0)
if number == 4:
    text = json.dumps(result | {"run_id": "somebody.0004.a1"})
if number == 5:
    text = json.dumps(result | {"config_hash": "0" * 64})
if number == 6:
    result["metrics"]["tau_R2"] = float("nan")
    text = json.dumps(result)
if number == 7:
    print("ValueError: no such thing", file=sys.stderr)
    sys.exit(3)
write_atomic(folder / "result.json", text)
"""
EXPECTED = {1: "killed", 2: "timed_out", 3: "no_result", 4: "rejected", 5: "rejected", 6: "no_result", 7: "crashed"}


def test_slots_that_fail_in_every_way_become_failed_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[3]))
    file = write_campaign(tmp_path / "c.yaml", engine={"time_limit_min": 0.04})
    night = open_night(file, tmp_path / "r", dry_run=True)
    try:
        engine = LocalEngine(places=4, threads=1, worker=(sys.executable, str(worker)))
        run_night(night, MockLLM(), engine, lambda *_: None, Budget(max_batches=2))
    finally:
        night.close()
    results = {n: it.result for n, it in night.history.iterations.items()}
    found = {n: result.failure.kind for n, result in results.items() if result and result.failure}
    assert found == EXPECTED
    attempts = {n: it.attempts for n, it in night.history.iterations.items()}
    assert attempts == {n: 3 if n == 1 else 1 for n in attempts}, "only one of them was no fault of its config"
    assert all(it.entry is not None for it in night.history.iterations.values())
    log = night.paths.log.read_text()
    for number, kind in EXPECTED.items():
        assert f"## Iter {number}: failed" in log
        assert f"Failure: {kind}: " in log
    assert "ValueError: no such thing" in log
    assert replay_run(night.paths.root).passed


def test_a_journal_changed_in_the_middle_is_refused_by_line(campaign_file: Path, tmp_path: Path) -> None:
    root = tmp_path / "r"
    play(campaign_file, root, 2)
    path = RunPaths(root).journal
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:6], lines[6].replace(b'"batch":1', b'"batch":2', 1), *lines[7:]]))
    with pytest.raises(JournalError, match=r"line 7: .*changed after writing"):
        open_night(campaign_file, root, True)


def test_a_missing_blob_is_named_and_nothing_is_written(campaign_file: Path, tmp_path: Path) -> None:
    root = tmp_path / "r"
    night = play(campaign_file, root, 2)
    blob = night.paths.blobs / night.history.iterations[8].planned.config
    content, size = blob.read_bytes(), night.paths.journal.stat().st_size
    blob.unlink()
    with pytest.raises(RunError, match=f"{blob.name}: the blob is missing"):
        play(campaign_file, root, 3)
    assert night.paths.journal.stat().st_size == size
    blob.write_bytes(content)
    assert play(campaign_file, root, 3).history.committed == 3


def test_a_torn_tail_is_cut_told_and_the_night_goes_on(campaign_file: Path, tmp_path: Path) -> None:
    play(campaign_file, tmp_path / "whole", 3)
    root = tmp_path / "r"
    play(campaign_file, root, 2)
    with RunPaths(root).journal.open("ab") as file:
        file.write(b'{"batch":2,"da')
    night = open_night(campaign_file, root, True)
    assert night.journal.torn_bytes == 14
    night.close()
    play(campaign_file, root, 3)
    assert (root / "analysis.md").read_bytes() == (tmp_path / "whole" / "analysis.md").read_bytes()


def test_a_clock_that_goes_backwards_changes_nothing(
    campaign_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(campaign_file, tmp_path / "whole", 3)
    minutes = iter(range(59 * 60, 0, -1))

    def earlier_each_time() -> str:
        left = next(minutes)
        return f"2026-01-01T{left // 60 % 24:02d}:{left % 60:02d}:00.000Z"

    monkeypatch.setattr(journal_module.Journal.__init__, "__defaults__", (earlier_each_time,))
    night = play(campaign_file, tmp_path / "r", 3)
    assert (tmp_path / "r" / "analysis.md").read_bytes() == (tmp_path / "whole" / "analysis.md").read_bytes()
    seconds, *_ = night.spending.typical() or (None,)
    assert seconds == 0.0
    assert replay_run(tmp_path / "r").passed


@pytest.mark.parametrize(
    ("number", "says"), [(errno.EROFS, "make it writable"), (errno.EACCES, "make it writable"), (errno.ENOSPC, "free")]
)
def test_a_disk_that_refuses_is_one_sentence_and_the_run_goes_on_later(
    number: int, says: str, campaign_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    runs, real, left = tmp_path / "runs", os.fsync, [30]

    def failing(descriptor: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(number, os.strerror(number), str(runs))
        real(descriptor)

    command = ["nightfly", "run", str(campaign_file), "--dry-run", "--runs-dir", str(runs), "--batches", "2"]
    monkeypatch.setattr(sys, "argv", command)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        with pytest.raises(SystemExit) as stop:
            cli.main()
    assert stop.value.code == 2
    assert says in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0
    play(campaign_file, tmp_path / "whole", 2)
    assert (runs / "surrogate" / "analysis.md").read_bytes() == (tmp_path / "whole" / "analysis.md").read_bytes()
    assert replay_run(runs / "surrogate").passed


def test_every_refusal_is_a_sentence_of_our_own(tmp_path: Path) -> None:
    for wrong in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(NightflyError, match="holds no nightfly run"):
            replay_run(wrong)


def test_files_half_written_by_a_killed_driver_are_no_evidence_and_are_removed(
    campaign_file: Path, tmp_path: Path
) -> None:
    root = tmp_path / "r"
    play(campaign_file, root, 1)
    left = [root / "blobs" / ".abc.x.tmp", root / ".memory.md.x.tmp", root / "configs" / ".surrogate_00.yaml.x.tmp"]
    told = root / ".user_input.md.x.tmp"
    for path in (*left, told):
        path.write_text("half")
    assert replay_run(root).passed
    play(campaign_file, root, 2)
    assert not any(path.exists() for path in left)
    assert told.exists(), "another shell may be at work on it"
    assert replay_run(root).passed
