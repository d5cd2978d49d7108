"""Device choice and the recognition of exhausted memory."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

from state.errors import ConfigError
from trainer.slot import runtime


def test_cuda_on_a_machine_without_it_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert runtime.choose_device("auto").type == "cpu"
    assert runtime.choose_device("cpu").type == "cpu"
    with pytest.raises(ConfigError, match=r"training\.device is cuda"):
        runtime.choose_device("cuda")


def test_auto_takes_cuda_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert runtime.choose_device("auto").type == "cuda"
    assert runtime.choose_device("cpu").type == "cpu"


def test_a_real_allocation_failure_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert runtime.is_out_of_memory(caught.value)
    assert not runtime.is_out_of_memory(RuntimeError("shapes do not match"))
    assert not runtime.is_out_of_memory(ValueError("allocate memory"))


def test_denormal_numbers_are_flushed_only_inside() -> None:
    tiny = torch.tensor([1e-40])
    with runtime.prepared(torch.device("cpu")):
        assert float(tiny * 0.5) == 0.0
    assert float(tiny * 0.5) != 0.0


@pytest.mark.parametrize(("matmul", "precision"), [("float32", "ieee"), ("tf32", "tf32")])
def test_a_gpu_is_deterministic_and_rounds_as_asked_only_inside(
    matmul: Literal["float32", "tf32"], precision: str
) -> None:
    def found() -> tuple[bool, bool, str]:
        fill = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
        return torch.are_deterministic_algorithms_enabled(), fill, torch.backends.cuda.matmul.fp32_precision

    before = found()
    with runtime.prepared(torch.device("cuda"), matmul):
        assert found() == (True, False, precision)
    assert found() == before


def test_memory_and_name_are_reported() -> None:
    assert runtime.peak_memory_mb(torch.device("cpu")) > 50
    assert runtime.device_name(torch.device("cpu")).startswith("CPU")


def test_bfloat16_where_there_is_none_is_told_in_one_sentence() -> None:
    with pytest.raises(ConfigError, match=r"training\.matmul is bf16, which needs a CPU"):
        runtime.prepared(torch.device("cuda"), "bf16").__enter__()
