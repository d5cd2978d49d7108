"""GPUs found by themselves: which there are, how many slots share one, and what a worker sees of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from state.engine import EngineConfig
from tests.trainer.engines.workers import ended, job, read_json
from trainer.engines.contract import collect
from trainer.engines.factory import find_gpus, gpu_places
from trainer.engines.local import LocalEngine

# Answers `-L`, and index, uuid and free MiB: 30 GiB on the first, 10 GiB on the second.
SMI = """#!/bin/sh
if [ "$1" = -L ]; then
    echo "GPU 0: Fly A (UUID: GPU-aaaa)"
    echo "GPU 1: Fly B (UUID: GPU-bbbb)"
else
    echo "0, GPU-aaaa, 30720"
    echo "1, GPU-bbbb, 10240"
fi
"""
SEES = 'publish("seen.json", json.dumps(os.environ["CUDA_VISIBLE_DEVICES"])); succeed()'


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts an `nvidia-smi` on the path."""

    def put(script: str) -> None:
        path = tmp_path / "bin" / "nvidia-smi"
        path.parent.mkdir(exist_ok=True)
        path.write_text(script)
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return put


def test_gpus_are_found_by_themselves(smi: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    smi(SMI)
    assert find_gpus() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert find_gpus() == ["1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert find_gpus() == []


def test_a_driver_without_a_gpu_is_a_machine_without_one(smi: Callable[[str], None]) -> None:
    smi('#!/bin/sh\necho "NVIDIA-SMI has failed" >&2\nexit 9\n')
    assert find_gpus() == []


@pytest.mark.parametrize(
    ("per_gpu", "gb", "places"),
    [
        (1, 8.0, ["0", "1"]),
        (2, 8.0, ["0", "1", "0"]),
        (3, 8.0, ["0", "1", "0", "0"]),
        (3, 5.0, ["0", "1", "0", "1", "0"]),
        (2, 40.0, ["0", "1"]),
    ],
)
def test_slots_share_a_gpu_where_memory_allows(
    smi: Callable[[str], None], per_gpu: int, gb: float, places: list[str]
) -> None:
    smi(SMI)
    config = EngineConfig(slots_per_gpu=per_gpu, gpu_gb_per_slot=gb)
    assert gpu_places(config, ["0", "1"]) == places


def test_gpus_named_by_their_uuid_are_known_too(smi: Callable[[str], None]) -> None:
    smi(SMI)
    config = EngineConfig(slots_per_gpu=2, gpu_gb_per_slot=8.0)
    assert gpu_places(config, ["GPU-bbbb", "GPU-aaaa"]) == ["GPU-bbbb", "GPU-aaaa", "GPU-aaaa"]


def test_each_slot_sees_the_gpu_of_its_place_alone_and_a_freed_place_is_used_again(
    tmp_path: Path, worker: tuple[str, str]
) -> None:
    engine = LocalEngine(places=2, threads=1, gpus=["0", "GPU-bbbb"], worker=worker)
    jobs = [job(tmp_path, f"j{number}", SEES) for number in range(5)]
    engine.submit(jobs)
    results = [collect(one) for one in ended(engine, 5).values()]
    engine.close()
    assert [result.status for result in results] == ["done"] * 5
    seen = [read_json(one.folder / "seen.json") for one in jobs]
    assert set(seen) == {"0", "GPU-bbbb"}
    assert set(seen[:2]) == {"0", "GPU-bbbb"}


def test_a_slot_that_dies_frees_its_place_at_once(tmp_path: Path, worker: tuple[str, str]) -> None:
    engine = LocalEngine(places=1, threads=1, gpus=["0"], worker=worker)
    jobs = [job(tmp_path, "dies", "os.kill(os.getpid(), 9)"), job(tmp_path, "lives", SEES)]
    engine.submit(jobs)
    found = ended(engine, 2)
    engine.close()
    assert collect(found["dies"]).status == "failed"
    assert collect(found["lives"]).status == "done"
    assert read_json(jobs[1].folder / "seen.json") == "0"
