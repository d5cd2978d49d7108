"""The GPU's way through a block of iterations: same numbers as the plain loop; on a real GPU also bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.trainer import N_FRAMES, XNORM, Problem, problem
from state.config import Scalar
from trainer.fit import cuda_graph
from trainer.fit.adam import Adam
from trainer.fit.cuda_graph import GraphedIterations
from trainer.fit.limits import limit
from trainer.fit.step import Step
from trainer.fit.training import set_rates
from trainer.model.gnn import GNN
from trainer.slot import runtime

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def small(stride: int) -> Problem:
    return problem(1, {"training.penalty_stride": stride, "graph_model.hidden_dim": 16})


def build(case: Problem, device: torch.device) -> tuple[GNN, Step, Adam]:
    model = GNN(case.config.graph_model, case.truth, device)
    model.initialise(case.config.training)
    data = SimpleNamespace(**{name: part.to(device) for name, part in vars(case.data).items()})
    adam = Adam(model.theta, model.gradient)
    set_rates(adam, model, case.config.training, 1.0)
    return model, Step(model, data, case.config.training, XNORM), adam


def plain(case: Problem, blocks: list[torch.Tensor], device: torch.device) -> torch.Tensor:
    model, step, adam = build(case, device)
    done = 0
    with torch.inference_mode():
        for frames in blocks:
            adam.prepare(len(frames))
            for index, batch in enumerate(frames.to(device).unbind()):
                step(batch, done + index)
                adam.step(index)
            done += len(frames)
    return model.theta


def graphed(case: Problem, blocks: list[torch.Tensor], device: torch.device, capture: bool) -> torch.Tensor:
    model, step, adam = build(case, device)
    loop, done = GraphedIterations(step, adam, max(map(len, blocks)), capture), 0
    with torch.inference_mode():
        for frames in blocks:
            adam.prepare(len(frames))
            loop.run(frames.to(device), done)
            done += len(frames)
    return model.theta


@pytest.mark.parametrize("stride", [1, 4])
def test_tables_on_the_device_give_the_same_bits_as_the_plain_loop(stride: int) -> None:
    blocks = [torch.randint(N_FRAMES, (n, 2)) for n in (5, 3, 7)]
    cpu = torch.device("cpu")
    assert torch.equal(plain(small(stride), blocks, cpu), graphed(small(stride), blocks, cpu, capture=False))


class Launches(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Names of the operations that compute something, and the devices of what they return."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.devices: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if not func.is_view and func.namespace == "aten":
            self.names.append(func.overloadpacket.__name__)
            self.devices |= {part.device.type for part in pytree.tree_leaves(found) if isinstance(part, torch.Tensor)}
        return found


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"training.penalty_stride": 4, "training.penalty_embedding": "trained", "training.batch_size": 3},
        {"training.grad_clip_W": 1.0, "training.coeff_W_L1_proximal": 1e-4, "training.perceptron_norms": "per_network"},
    ],
)
def test_the_body_reads_nothing_back_and_asks_for_nothing_slow(changes: dict[str, Scalar]) -> None:
    """With tensors that have a device, a GPU, but no content: whatever needs a value on the host raises."""
    case, device = problem(1, changes), torch.device("cuda")
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        model, step, adam = build(case, device)
        limit(adam, model.groups["W"], case.config.training)
        loop = GraphedIterations(step, adam, 4, capture=False)
        assert model.gpu_way
        with Launches() as launches:
            loop._body()
    assert launches.devices == {"cuda"}
    assert len(launches.names) > 50
    # Sorts, atomics or serial sums on a GPU that has to be deterministic, and what stops a capture.
    slow = {"index_copy", "index_copy_", "index_add", "index_add_", "index_put_", "segment_reduce", "mv", "sort"}
    assert not (slow | {"_local_scalar_dense", "nonzero", "diff"}) & set(launches.names)


class FakeCuda:
    """What `torch.cuda` does with streams and graphs, on the CPU: a stream works when somebody waits for it."""

    def __init__(self, said: list[str]) -> None:
        self.said = said
        self.streams = [self.Stream(self, "main")]
        self.graph_of: FakeCuda.CUDAGraph | None = None

    class Stream:
        def __init__(self, cuda: FakeCuda, name: str) -> None:
            self.cuda, self.name, self.work = cuda, name, list[Callable[[], object]]()

        def wait_stream(self, other: FakeCuda.Stream) -> None:
            self.cuda.said.append(f"{self.name} waits for {other.name}")
            work, other.work = other.work, []
            for one in work:
                one()

    class CUDAGraph:
        def __init__(self, cuda: FakeCuda) -> None:
            self.cuda, self.body = cuda, lambda: None

        def replay(self) -> None:
            stream = self.cuda.streams[-1]
            self.cuda.said.append(f"{stream.name} replays")
            stream.work.append(self.body)

    def stand_in(self) -> SimpleNamespace:
        count = iter(range(1, 10))

        @contextmanager
        def stream(one: FakeCuda.Stream | None) -> Iterator[None]:
            self.streams.append(one or self.streams[-1])
            yield
            self.streams.pop()

        @contextmanager
        def graph(one: FakeCuda.CUDAGraph, stream: FakeCuda.Stream) -> Iterator[None]:
            # The body that is recorded is run, for there is no recording here; `_capture` undoes it.
            self.said.append(f"captured on {stream.name}")
            yield

        return SimpleNamespace(
            Stream=lambda: self.Stream(self, f"s{next(count)}"),
            CUDAGraph=lambda: self.CUDAGraph(self),
            current_stream=lambda: self.streams[-1],
            stream=stream,
            graph=graph,
        )


def test_trainings_of_one_process_are_captured_and_replayed_on_streams_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cases = [small(1), small(4)]
    blocks = [torch.randint(N_FRAMES, (n, 2)) for n in (3, 2)]
    cpu, said = torch.device("cpu"), list[str]()
    cuda = FakeCuda(said)
    monkeypatch.setattr(cuda_graph.torch, "cuda", cuda.stand_in())
    built = [build(case, cpu) for case in cases]
    with torch.inference_mode():
        loops = []
        for _, step, adam in built:
            loops.append(GraphedIterations(step, adam, 3))
            loops[-1]._replay.__self__.body = loops[-1]._body  # type: ignore[attr-defined]
        # The main stream waits for the warm-up, so nothing of it is left when it is undone.
        assert said == [
            line
            for name in ("s1", "s2")
            for line in (f"{name} waits for main", f"main waits for {name}", f"captured on {name}")
        ]
        done = 0
        for frames in blocks:
            said.clear()
            for (_, _, adam), loop in zip(built, loops, strict=True):
                adam.prepare(len(frames))
                loop.begin(frames, done)
            for loop in loops:
                loop.join()
            done += len(frames)
            begun = [[f"{name} waits for main", *[f"{name} replays"] * len(frames)] for name in ("s1", "s2")]
            assert said == [*begun[0], *begun[1], "main waits for s1", "main waits for s2"]
    monkeypatch.undo()
    for (model, _, _), case in zip(built, cases, strict=True):
        assert torch.equal(model.theta, plain(case, blocks, cpu))


@gpu
@pytest.mark.gpu
def test_on_a_gpu_trainings_side_by_side_have_the_bits_of_each_alone() -> None:
    cases, device = [small(1), small(4), small(2)], torch.device("cuda")
    blocks = [torch.randint(N_FRAMES, (n, 2)) for n in (60, 40)]
    with runtime.prepared(device):
        alone = [graphed(case, blocks, device, capture=True) for case in cases]
        with torch.inference_mode():
            built = [build(case, device) for case in cases]
            loops, done = [GraphedIterations(step, adam, 60) for _, step, adam in built], 0
            for frames in blocks:
                for (_, _, adam), loop in zip(built, loops, strict=True):
                    adam.prepare(len(frames))
                    loop.begin(frames.to(device), done)
                for loop in loops:
                    loop.join()
                done += len(frames)
    for (model, _, _), theta in zip(built, alone, strict=True):
        assert torch.equal(model.theta, theta)


@gpu
@pytest.mark.gpu
@pytest.mark.parametrize("stride", [1, 4])
def test_on_a_gpu_the_graph_repeats_itself_and_equals_the_plain_loop(stride: int) -> None:
    blocks = [torch.randint(N_FRAMES, (n, 2)) for n in (50, 30)]
    device = torch.device("cuda")
    with runtime.prepared(device):
        runs = [graphed(small(stride), blocks, device, capture=True) for _ in range(2)]
        assert torch.equal(*runs)
        assert torch.equal(runs[0], plain(small(stride), blocks, device))
    torch.testing.assert_close(runs[0].cpu(), plain(small(stride), blocks, torch.device("cpu")), rtol=1e-2, atol=1e-3)
