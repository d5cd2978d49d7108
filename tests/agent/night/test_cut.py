"""Nights whose defaults are the optimum, so that first runs of other configs are hopeless and cut."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.commands.status import describe, read_run
from agent.ledger.cutting import cut_result
from agent.night.derived import Derived
from agent.night.harvest import run_slots
from agent.night.night import Night, open_night
from agent.night.plan import plan_batch
from agent.replay.retrain import retrain
from agent.replay.whole_run import replay_run
from agent.report.learned import failures
from agent.report.tables import failure_rows
from state.campaign import load_campaign
from state.errors import ConfigError, RunError
from state.files import canonical_json
from state.journal import chain_hash, read_records
from state.metrics_log import header
from state.surrogate import SurrogateConfig
from tests.agent.conftest import play, write_campaign
from tests.agent.night.test_loop import Stop, contents, stopped_after
from trainer.engines.inline import InlineEngine
from trainer.engines.local import LocalEngine
from trainer.engines.processes import find_workers
from ucb.estimates import BASELINE
from ucb.log import parse_log

QUIET = SurrogateConfig(noise_data=0.002, noise_training=0.002)
OPTIMUM = {
    "alternate_joint_ratio": 0.5,
    "alternate_lr_ratio": 0.05,
    "n_epochs": 3,
    "data_augmentation_loop": 30,
    "coeff_g_phi_diff": 900.0,
    "coeff_W_L1": 1e-4,
}


def campaign(path: Path, cut: str = "on") -> Path:
    return write_campaign(path, policy={"cut": cut, "baseline_runs": 8}, training=OPTIMUM)


def engine() -> InlineEngine:
    return InlineEngine(QUIET, curves=True)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    root = tmp_path_factory.mktemp("cut")
    return play(campaign(root / "c.yaml"), root / "r", 7, engine=engine())


def cuts(night: Night) -> dict[int, dict[str, Any]]:
    return {r.data["iteration"]: r.data for r in read_records(night.paths.journal) if r.type == "slot_cut"}


def test_only_first_runs_of_other_configs_are_cut_and_each_lay_below_the_limit(night: Night) -> None:
    seen: set[str] = set()
    found = cuts(night)
    assert len(found) >= 3
    for number, iteration in night.history.iterations.items():
        name = iteration.planned.config_id
        if number in found:
            assert name not in seen
            assert name != BASELINE
            assert iteration.planned.role not in ("baseline", "replicate", "fallback")
            assert found[number]["value"] < found[number]["limit"] < found[number]["baseline_mean"]
            assert found[number]["total"] <= 3 * found[number]["at"]
        seen.add(name)


def test_a_cut_run_is_in_no_statistic_and_is_shown_as_cut(night: Night) -> None:
    found = cuts(night)
    entries = {entry.iteration: entry for entry in parse_log(night.paths.log.read_text())}
    prompts = "".join(
        night.blobs.text(record.data["text"])
        for record in read_records(night.paths.journal)
        if record.type == "prompt_rendered"
    )
    for number in found:
        iteration = night.history.iterations[number]
        assert iteration.result == cut_result(iteration)
        assert night.views.table.run(iteration.planned.config_id, number) is None
        assert entries[number].status == "cut"
        assert entries[number].metrics is None
        assert entries[number].checks == ()
        assert night.views.tree.node(number).status == "cut"  # type: ignore[union-attr]
        assert f"iteration {number} [CUT]\n" in prompts
        assert f"| {number} | {iteration.planned.config_id} |" in prompts
    failed = {n for n, it in night.history.iterations.items() if it.result and it.result.failed}
    assert not failed & set(found)
    state = describe(*read_run(night.paths.root))
    assert (state["cut"], state["failed"]) == (len(found), len(failed))
    assert f"{len(found)} cut as hopeless" in failures(night)
    assert [row["id"] for row in failure_rows(night, cut=True)] == list(found)
    assert {row["id"] for row in failure_rows(night)} == failed
    system = night.blobs.text(night.history.exchanges[0].prompt["system"])
    assert "A run can also be `cut`: the first run of a config other than the baseline is ended" in system


def test_off_is_the_default_and_changes_nothing(tmp_path: Path) -> None:
    with_key = play(campaign(tmp_path / "a.yaml", "off"), tmp_path / "a", 4, engine=InlineEngine(QUIET))
    file = write_campaign(tmp_path / "b.yaml", policy={"baseline_runs": 8}, training=OPTIMUM)
    assert contents(tmp_path / "a") == contents(play(file, tmp_path / "b", 4, engine=InlineEngine(QUIET)).paths.root)
    assert not cuts(with_key)
    assert load_campaign(file).identity() == load_campaign(tmp_path / "a.yaml").identity()


def test_a_metric_without_a_curve_is_refused(tmp_path: Path) -> None:
    file = write_campaign(
        tmp_path / "c.yaml", policy={"cut": "on"}, goal={"primary": "test_R2", "margins": {"connectivity_R2": 0.03}}
    )
    with pytest.raises(ConfigError, match=r"policy.cut: on needs a goal.primary that is measured along the training"):
        load_campaign(file)


def test_stopped_at_any_record_of_a_batch_and_run_again_the_same_runs_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = campaign(tmp_path / "c.yaml")
    monkeypatch.setattr(Derived, "draw", lambda self: None)
    play(file, tmp_path / "before", 4, engine=engine())
    shutil.copytree(tmp_path / "before", tmp_path / "whole")
    play(file, tmp_path / "whole", 5, engine=engine())
    # The batch with the first cuts; `test_loop` stops a night at every record of its other batches.
    kinds = [record.type for record in read_records(tmp_path / "whole" / "journal.jsonl") if record.batch == 5]
    assert kinds.count("slot_cut") == 2
    want = contents(tmp_path / "whole")
    for stop in range(1, len(kinds)):
        root = tmp_path / f"stopped{stop}"
        shutil.copytree(tmp_path / "before", root)
        with stopped_after(stop):
            play(file, root, 5, engine=engine())
        play(file, root, 5, engine=engine())
        assert contents(root) == want, f"stopped after record {stop} of the batch"
        assert replay_run(root, only=5).passed


def test_replay_finds_a_decision_that_does_not_follow(night: Night, tmp_path: Path) -> None:
    assert replay_run(night.paths.root).passed
    for key, value, says in (
        ("value", 0.9, "by the rule of today it is not"),
        ("limit", 0.9, "limit"),
        ("at", 1100, "its metrics.log has"),
    ):
        forged = forge(night.paths.root, tmp_path / key, key, value)
        faults = [fault for batch in replay_run(forged).batches.values() for fault in batch.faults]
        assert any(says in fault for fault in faults), key


def test_a_cut_run_is_not_trained_again_for_comparison(night: Night) -> None:
    number = next(iter(cuts(night)))
    with pytest.raises(RunError, match=f"iteration {number} was cut and has no final value"):
        retrain(night.paths.root, number)


def forge(root: Path, copy: Path, key: str, value: float) -> Path:
    """A copy of the run whose first `slot_cut` says something else, its chain of hashes made anew."""
    shutil.copytree(root, copy)
    path, prev, changed = copy / "journal.jsonl", None, False
    lines = []
    for line in path.read_text().splitlines():
        fields = json.loads(line)
        del fields["hash"]
        if fields["type"] == "slot_cut" and not changed:
            fields["data"][key], changed = value, True
        fields["prev"] = prev
        prev = chain_hash(fields)
        lines.append(canonical_json(fields | {"hash": prev}))
    path.write_text("\n".join(lines) + "\n")
    return copy


SLOW = """
import json, pathlib, sys, time
folder = pathlib.Path(sys.argv[-1])
(folder / "progress.json").write_text(json.dumps({"stage": "training", "total": 900}) + "\\n")
(folder / "metrics.log").write_text("HEADER\\n0,100,0.5,0.01,0.5,joint\\n0,300,0.5,0.01,0.5,joint\\n")
time.sleep(60)
"""


def test_a_worker_that_trains_is_ended(tmp_path: Path) -> None:
    """Real processes: four slots that train for a minute; two of them are first runs and hopeless."""
    worker = tmp_path / "worker.py"
    worker.write_text(SLOW.replace("HEADER", header()))
    root = tmp_path / "r"
    file = campaign(tmp_path / "c.yaml")
    play(file, root, 4, engine=engine())

    def until_two_are_cut(opened: Night, waiting: list[Any]) -> None:
        if len(waiting) == 2:
            raise Stop

    opened = open_night(file, root, dry_run=True)
    first = LocalEngine(places=4, threads=1, worker=(sys.executable, str(worker)))
    try:
        plan_batch(opened)
        with pytest.raises(Stop):
            run_slots(opened, first, until_two_are_cut)
        batch = opened.history.batch(5)
        assert [it.result.cut for it in batch if it.result] == [True, True]
        assert all("metrics.log" in it.artifacts for it in batch if it.result)
        assert len(ours(worker, root)) == 2
    finally:
        first.close()
        opened.close()
    assert not ours(worker, root)


def ours(worker: Path, root: Path) -> list[str]:
    return [folder for folder in find_workers(str(worker)) if folder.startswith(str(root))]


def test_a_driver_that_died_before_it_told_the_worker_tells_it_when_it_is_back(tmp_path: Path) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(SLOW.replace("HEADER", header()))
    root, file = tmp_path / "r", campaign(tmp_path / "c.yaml")
    play(file, root, 4, engine=engine())
    opened = open_night(file, root, dry_run=True)
    command = (sys.executable, str(worker))
    dying = LocalEngine(places=4, threads=1, worker=command)
    dying.cancel = lambda run_id: (_ for _ in ()).throw(Stop())  # type: ignore[method-assign]
    try:
        plan_batch(opened)
        with pytest.raises(Stop):
            run_slots(opened, dying, lambda *_: None)
    finally:
        opened.close()
    assert len(ours(worker, root)) == 4
    opened, later = open_night(file, root, dry_run=True), LocalEngine(places=4, threads=1, worker=command)
    try:
        with pytest.raises(Stop):
            run_slots(opened, later, lambda night, waiting: stop_when(len(waiting) == 2))
        assert sum(bool(it.result and it.result.cut) for it in opened.history.batch(5)) == 2
    finally:
        later.close()
        # The processes that the first driver started are its children, not those of the second.
        for run in dying._running.values():
            if run.worker.process is not None:
                run.worker.process.wait(10)
        opened.close()


def stop_when(enough: bool) -> None:
    if enough:
        raise Stop
