"""Who sums over edges: torch_geometric's EdgeIndex with its CSR and CSC caches, or `trainer.fly.edge_sums`.

`python -m benchmarks.edge_index [--extents 1 8] [--device cuda]`; the last line is one JSON object. Times are the best
of several rounds on one thread, in microseconds: messages from signals, and the gradients of signal and W.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.data import Data

from benchmarks.trainer import problem
from trainer.fly.edge_sums import EdgeSums

BATCH = 2


def travelling(truth: Any, device: torch.device) -> Data:
    """The connectome as torch_geometric carries it, with both caches filled."""
    pairs = torch.stack([torch.as_tensor(x).long() for x in (truth.source, truth.target)])
    size = (truth.n_neurons, truth.n_neurons)
    edges = EdgeIndex(pairs, sparse_size=size, sort_order="col").to(device)
    return Data(edge_index=edges.fill_cache_(), num_nodes=truth.n_neurons)


def measure(extent: int, device: torch.device) -> dict[str, float]:
    """Microseconds of each product, and how far the two results are apart."""
    truth = problem(extent, {}).truth
    weight = torch.randn(truth.n_edges, device=device)
    signal, d_message = (torch.randn(truth.n_neurons, BATCH, device=device) for _ in range(2))
    sums, edges = EdgeSums(truth.source, truth.target, truth.n_neurons, weight), travelling(truth, device).edge_index
    out = torch.empty_like(weight)

    def ours() -> Tensor:
        return sums.send(signal)

    def ours_back() -> Tensor:
        sums.weight_gradient(d_message, signal, out)
        return sums.back(d_message)

    def theirs() -> Tensor:
        found: Tensor = edges.matmul(signal, weight, transpose=True)
        return found

    v, W = signal.clone().requires_grad_(), weight.clone().requires_grad_()

    def both() -> Tensor:
        v.grad = W.grad = None
        edges.matmul(v, W, transpose=True).backward(d_message)
        assert v.grad is not None
        return v.grad

    torch.testing.assert_close(ours(), theirs(), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(ours_back(), both(), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(out, W.grad, rtol=1e-3, atol=1e-3)
    return {
        "edge_sums_send": _best(ours, device),
        "edge_index_send": _best(theirs, device),
        "edge_sums_send_and_gradients": _best(lambda: (ours(), ours_back()), device),
        "edge_index_send_and_gradients": _best(both, device),
    }


def _best(work: Callable[[], object], device: torch.device, rounds: int = 7, calls: int = 10) -> float:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(calls):
            work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append((time.perf_counter() - began) / calls)
    return round(1e6 * min(times), 1)


def main() -> None:
    """Measure and print; the last line is one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extents", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(arguments.device)
    print(json.dumps({str(extent): measure(extent, device) for extent in arguments.extents}))


if __name__ == "__main__":
    main()
