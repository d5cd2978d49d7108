"""GPUs found by themselves: which there are, how many slots share one, and what a worker sees of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from state.campaign import Campaign
from state.engine import EngineConfig
from tests.trainer.engines.workers import ended, job, read_json
from trainer.engines import factory
from trainer.engines.contract import collect
from trainer.engines.factory import find_gpus, gpu_places, make_engine, most_stacked, slots_at_once
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


@pytest.mark.parametrize(
    ("settings", "gpus", "most"),
    [
        ({}, ["0"], 1),
        ({"stack": "auto"}, ["0"], 3),  # 30 GiB, 8 a slot
        ({"stack": "auto"}, ["0", "1"], 1),  # 10 GiB on the second
        ({"stack": "auto", "gpu_gb_per_slot": 5.0}, ["0", "1"], 2),
        ({"stack": "auto", "gpu_gb_per_slot": 0.1}, ["0"], 16),
        ({"stack": "auto", "slots_per_gpu": 3}, ["0"], 1),
        ({"stack": "auto", "gpu_gb_per_slot": 40.0}, ["0"], 1),
        ({"stack": "auto"}, ["7"], 1),  # nobody knows its memory
        ({"stack": "auto"}, [], 1),
        ({"stack": 4}, ["1"], 4),
        ({"stack": 4}, [], 4),
    ],
)
def test_as_many_slots_share_a_process_as_memory_allows_or_as_asked(
    smi: Callable[[str], None], settings: dict[str, Any], gpus: list[str], most: int
) -> None:
    smi(SMI)
    assert most_stacked(EngineConfig.model_validate(settings), gpus) == most


@pytest.mark.parametrize(
    ("n_parallel", "engine", "gpus", "places", "stack", "at_once"),
    [
        (4, {"stack": "auto"}, "0", 1, 3, 3),
        (4, {"stack": "auto"}, "0 1", 2, 1, 2),
        (4, {"stack": 4}, "0 1", 2, 4, 4),
        (4, {"stack": "auto"}, "", 4, 1, 4),
        (4, {"stack": 2}, "", 2, 2, 4),
        (5, {"stack": 2}, "", 3, 2, 5),
        (4, {"stack": 2, "slots_at_once": 1}, "", 1, 2, 2),
    ],
)
def test_a_place_holds_a_stack(
    n_parallel: int,
    engine: dict[str, Any],
    gpus: str,
    places: int,
    stack: int,
    at_once: int,
    smi: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    smi(SMI)
    monkeypatch.setattr(factory, "find_gpus", gpus.split)
    monkeypatch.setattr(factory, "usable_cores", lambda: 16)
    explorable = {"training.n_epochs": {"choices": [2, 3]}}
    search = {"n_parallel": n_parallel, "n_iter_block": n_parallel}
    campaign = Campaign.model_validate({"name": "c", "engine": engine, "explorable": explorable, "search": search})
    made = make_engine(campaign)
    assert isinstance(made, LocalEngine)
    assert (made.places, made.stack, slots_at_once(campaign)) == (places, stack, at_once)


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
