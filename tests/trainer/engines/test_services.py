"""What only a real Slurm or a real Ray can show; `make test-engines` starts both."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from state.errors import UserError
from state.paths import SlotPaths
from tests.trainer.engines.conftest import Bench, service
from tests.trainer.engines.workers import WAITS, began, ended, gone, job, pids, read_json, runs, until
from trainer.engines.contract import collect

MakeBench = Callable[[str], Bench]
SEES = 'publish("seen", json.dumps(dict(os.environ))); publish("pids", "1"); wait_for(folder / "go")'


@pytest.mark.parametrize("kind", ["slurm", "ray"])
def test_each_slot_gets_a_gpu_of_its_own(tmp_path: Path, make_bench: MakeBench, kind: str) -> None:
    engine = make_bench(kind).build()
    jobs = [job(tmp_path, f"j{n}", SEES) for n in range(2)]
    engine.submit(jobs)
    for one in jobs:
        began(engine, one)
    seen = [read_json(one.folder / "seen")["CUDA_VISIBLE_DEVICES"] for one in jobs]
    for one in jobs:
        (one.folder / "go").touch()
    ended(engine, 2)
    assert len(set(seen)) == 2
    assert all(device.isdigit() for device in seen)


@pytest.fixture
def frozen_controller() -> Callable[[bool], None]:
    """Stops the Slurm controller, so that its port takes calls and nobody answers, and lets it go on."""
    folder = Path(service("SLURM"))

    def freeze(on: bool) -> None:
        pid = int((folder / "slurmctld.pid").read_text())
        os.kill(pid, signal.SIGSTOP if on else signal.SIGCONT)

    return freeze


def test_a_frozen_slurm_neither_loses_nor_doubles_a_job(
    tmp_path: Path, make_bench: MakeBench, frozen_controller: Callable[[bool], None]
) -> None:
    bench = make_bench("slurm")
    bench.settings["slurm"] = bench.settings["slurm"] | {"command_timeout_s": 2.0}
    engine, before, during = bench.build(), job(tmp_path, "before", WAITS), job(tmp_path, "during", WAITS)
    engine.submit([before])
    began(engine, before)
    frozen_controller(True)
    try:
        engine.submit([during])
        (before.folder / "go").touch()
        # Its exit file is enough.
        assert collect(ended(engine, 1)["before"]).status == "done"
        until(lambda: engine.poll() and getattr(engine, "_trouble", ""), "the silence is noticed")
    finally:
        frozen_controller(False)
    began(engine, during)
    (during.folder / "go").touch()
    assert collect(ended(engine, 1)["during"]).status == "done"
    assert (runs(before), runs(during)) == (1, 1)


def test_a_job_cancelled_by_someone_else_is_not_done(tmp_path: Path, make_bench: MakeBench) -> None:
    bench = make_bench("slurm")
    engine, one = bench.build(), job(tmp_path, "one", 'publish("pids", str(os.getpid())); time.sleep(200)')
    engine.submit([one])
    began(engine, one)
    name = SlotPaths(one.folder).attempt("one").name.read_text().strip()
    subprocess.run(["scancel", f"--name={name}"], check=True)
    failure = collect(ended(engine, 1)["one"]).failure
    assert failure is not None
    assert failure.kind in ("killed", "lost")
    until(lambda: gone(pids(one)), "nothing is left of it")


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"partition": "nowhere"}, "partition"), ({"gres": "gpu:99"}, "not available"), ({"options": ["--qqq"]}, "--qqq")],
)
def test_slurms_refusal_is_one_sentence(
    tmp_path: Path, make_bench: MakeBench, changes: dict[str, object], says: str
) -> None:
    bench = make_bench("slurm")
    bench.settings["slurm"] = bench.settings["slurm"] | changes
    engine = bench.build()
    engine.submit([job(tmp_path, "one", "succeed()")])
    with pytest.raises(UserError, match="sbatch refused the job") as caught:
        ended(engine, 1)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
