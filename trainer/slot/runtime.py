"""Device, threads, determinism and memory of this process."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch.utils import deterministic

from state.errors import ConfigError
from trainer.model.bf16 import bf16_is_there

_OUT_OF_MEMORY = ("allocate memory", "not enough memory", "out of memory", "bad_alloc", "ALLOC_FAILED")
_DETERMINISTIC: Any = deterministic  # its setting is a property that no type checker sees
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # names of glibc's malloc.h


def choose_device(wanted: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """The device to train on; ConfigError when CUDA is asked for and absent."""
    present = torch.cuda.is_available()
    if wanted == "cuda" and not present:
        raise ConfigError("training.device is cuda, but torch sees no CUDA device; use auto or cpu")
    return torch.device("cuda" if present and wanted != "cpu" else "cpu")


@contextmanager
def prepared(device: torch.device, matmul: Literal["float32", "tf32", "bf16"] = "float32") -> Iterator[None]:
    """Make runs repeatable, and keep denormal numbers (the tails of Adam's averages) from slowing the CPU tenfold.

    ``matmul``: how a GPU rounds the factors of its products (a CPU takes no notice of tf32), or bf16, of which
    ConfigError says where the device has no such products.
    """
    if matmul == "bf16" and not bf16_is_there(device):
        raise ConfigError(f"training.matmul is bf16, which needs a CPU with AVX-512; use float32 on this {device.type}")
    _keep_freed_memory()
    repeatable = torch.are_deterministic_algorithms_enabled()
    fill, precision = _DETERMINISTIC.fill_uninitialized_memory, torch.backends.cuda.matmul.fp32_precision
    torch.set_flush_denormal(True)
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        # Else each new tensor would be filled with NaN first; nothing here reads what it has not written.
        _DETERMINISTIC.fill_uninitialized_memory = False
        torch.backends.cuda.matmul.fp32_precision = "tf32" if matmul == "tf32" else "ieee"
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.use_deterministic_algorithms(repeatable)
        _DETERMINISTIC.fill_uninitialized_memory = fill
        torch.backends.cuda.matmul.fp32_precision = precision


def _keep_freed_memory() -> None:
    """Ask glibc to reuse freed blocks instead of returning them: the step's buffers come and go at every iteration."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if platform.system() == "Linux" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 2**30)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def device_name(device: torch.device) -> str:
    """One line for people."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"CPU {platform.machine()}, {threads} thread{'s' if threads > 1 else ''}"


def peak_memory_mb(device: torch.device) -> float:
    """Largest memory use so far in MiB: of the GPU's tensors, or of this process on the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` means that memory ran out; several of torch's and CUDA's errors say so only in their text."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _OUT_OF_MEMORY)


def is_of_the_device(error: BaseException) -> bool:
    """Whether ``error`` may be the doing of another slot on the same device: no memory, or a device that failed."""
    return is_out_of_memory(error) or (isinstance(error, RuntimeError) and "CUDA error" in str(error))
