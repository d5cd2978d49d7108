"""The GPU's way through a block of iterations: same numbers as the plain loop; on a real GPU also bit for bit."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from benchmarks.trainer import N_FRAMES, XNORM, Problem, problem
from trainer.fit.adam import Adam
from trainer.fit.cuda_graph import GraphedIterations
from trainer.fit.step import Step
from trainer.fit.training import set_rates
from trainer.fly.edge_sums import EdgeSums, SparseMatrix
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


def test_segmented_sums_equal_sparse_products_also_for_empty_rows() -> None:
    row, column = torch.tensor([0, 0, 2, 2, 2, 4]), torch.tensor([1, 4, 0, 1, 3, 4])
    values, x = torch.randn(6, dtype=torch.float64), torch.randn(6, 3, dtype=torch.float64)[:5]
    both = [SparseMatrix(row, column, values, 5, segmented).dot(x) for segmented in (False, True)]
    torch.testing.assert_close(*both)
    assert torch.equal(both[1][1], torch.zeros(3, dtype=torch.float64))
    edges = [EdgeSums(column, row, 5, values, segmented) for segmented in (False, True)]
    torch.testing.assert_close(edges[0].back(x), edges[1].back(x))
    values.mul_(3.0)
    torch.testing.assert_close(edges[0].send(x), edges[1].send(x))


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
