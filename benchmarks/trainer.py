"""Speed of one training iteration: the fast path against the per-edge reference, our yardstick, in one process.

`python -m benchmarks.trainer --json [--extents 1 2 8] [--threads 2]`; the last line is one JSON object. The wiring is
random with flyvis's sizes. Times are the best of several rounds, forward, backward, all penalties and Adam together.
The yardstick is slower than the predecessor's own code, by `yardstick_over_predecessor`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.per_edge import per_edge
from state.config import Scalar, SlotConfig
from trainer.fit.adam import Adam
from trainer.fit.cuda_graph import GraphedIterations
from trainer.fit.pyg_step import PygStep
from trainer.fit.signal_penalties import SignalPenalties
from trainer.fit.step import Step
from trainer.fit.training import set_rates
from trainer.model.gnn import GNN
from trainer.model.perceptron import Perceptron
from trainer.model.pyg import PygModel
from trainer.slot import runtime

# extent -> neurons, edges, input neurons of flyvis's connectome
SIZES = {1: (443, 8_174, 56), 2: (1_203, 28_904, 152), 3: (2_345, 63_209, 296), 8: (13_741, 434_112, 1_736)}
N_FRAMES, XNORM = 256, 0.5
# The time of the predecessor's own step as a share of the per-edge yardstick's, by extent. Measured once, alternating
# in one process on one thread: the fast path was 7, 11 and 20 times as fast as the one, 12, 21 and 23 as the other.
PREDECESSOR = {1: 7 / 12, 2: 11 / 21, 8: 20 / 23}


@dataclass
class Problem:
    """A network of one size with random wiring and activity."""

    truth: Any
    data: Any
    config: SlotConfig


def problem(extent: int, changes: dict[str, Scalar]) -> Problem:
    """Random wiring and states with the sizes of ``extent``."""
    n, n_edges, n_inputs = SIZES[extent]
    rng = np.random.default_rng(extent)
    source, target = rng.integers(0, n, n_edges), rng.integers(0, n, n_edges)
    order = np.lexsort((source, target))
    truth = SimpleNamespace(
        n_neurons=n,
        n_edges=n_edges,
        source=source[order].astype(np.int32),
        target=target[order].astype(np.int32),
        input_index=np.arange(n_inputs, dtype=np.int32),
    )
    generator = torch.Generator().manual_seed(extent)
    voltage, derivative = (torch.randn(N_FRAMES, n, generator=generator) * 0.5 for _ in range(2))
    stimulus = torch.rand(N_FRAMES, n_inputs, generator=generator)
    data = SimpleNamespace(voltage=voltage, derivative=derivative, stimulus=stimulus)
    return Problem(truth, data, SlotConfig().replaced(changes))


def best_times(works: list[tuple[Callable[[], None], int]], rounds: int) -> list[float]:
    """Seconds of one call of each work: its best round; the first round only warms up.

    Rounds (of so many calls) alternate, so that a disturbance of the machine meets all works alike.
    """
    best = [float("inf")] * len(works)
    for turn in range(rounds + 1):
        for index, (work, repeats) in enumerate(works):
            start = time.perf_counter()
            for _ in range(repeats):
                work()
            if turn:
                best[index] = min(best[index], (time.perf_counter() - start) / repeats)
    return best


def fast_path(case: Problem) -> Callable[[], None]:
    """One iteration as `trainer.fit` runs it."""
    model = GNN(case.config.graph_model, case.truth)
    model.initialise(case.config.training)
    step, adam = Step(model, case.data, case.config.training, XNORM), Adam(model.theta, model.gradient)
    set_rates(adam, model, case.config.training, 1.0)
    adam.prepare(1)
    count = iter(range(10**9))

    def iteration() -> None:
        with torch.inference_mode():
            step(torch.randint(N_FRAMES, (step.batch,)), next(count))
            adam.step(0)

    return iteration


def per_edge_path(case: Problem) -> Callable[[], None]:
    """The same loss per edge, with autograd and torch's Adam."""
    model = per_edge(PygModel(case.config.graph_model, case.truth))
    model.initialise(case.config.training)
    step = PygStep(model, case.data, case.config.training, XNORM)
    optimiser = torch.optim.Adam(model.module.parameters(), lr=1e-3)
    count = iter(range(10**9))

    def iteration() -> None:
        step(torch.randint(N_FRAMES, (step.batch,)), next(count))
        optimiser.step()

    return iteration


def work_per_iteration(case: Problem) -> tuple[float, float]:
    """Floating-point operations and bytes moved by one fast iteration, counted from the shapes.

    A product of [o, i] with R columns is 2 o i R, three times (forward, weights, inputs). Bytes: each operation reads
    its operands and writes its result once: 9 passes over the hidden activations, the edges, 16 over the parameters.
    """
    t, model = case.config.training, GNN(case.config.graph_model, case.truth)
    n, n_edges, batch = model.n_neurons, model.n_edges, t.batch_size
    penalties = SignalPenalties(t, model, batch, XNORM).n_rows
    flops = moved = 0.0
    for perceptron, rows in ((model.g_phi, batch * n + penalties), (model.f_theta, batch * n)):
        flops += 6.0 * rows * _weights(perceptron)
        moved += 4.0 * 9 * rows * sum(matrix.shape[0] for matrix in perceptron.matrices)
    flops += 6.0 * n_edges * batch + 14.0 * len(model.theta)
    moved += 4.0 * n_edges * (9 + 9 * batch) + 4.0 * 16 * len(model.theta)
    return flops, moved


def _weights(perceptron: Perceptron) -> int:
    return sum(matrix.numel() for matrix in perceptron.matrices)


def machine_limits() -> tuple[float, float]:
    """This machine's fp32 product speed (FLOP/s, an 80-wide layer) and copy speed (bytes/s)."""
    x, layer = torch.randn(4096, 80), torch.nn.Linear(80, 80)
    perceptron = Perceptron([torch.randn(81, 81), torch.randn(1, 81)], [torch.zeros(81, 81), torch.zeros(1, 81)])
    rows = torch.randn(81, 4096)
    big = torch.zeros(2**26)
    target = torch.empty_like(big)
    works: list[tuple[Callable[[], None], int]] = [
        (lambda: _ignore(layer(x)), 50),
        (lambda: _ignore(perceptron._product(perceptron.matrices[0], rows)), 50),
        (lambda: _ignore(target.copy_(big)), 1),
    ]
    with torch.inference_mode():
        plain, onednn, copy = best_times(works, 5)
    return 2 * 80 * 81 * 4096 / min(plain, onednn), 2 * 4 * 2**26 / copy


def _ignore(_: object) -> None:
    """Drop a result."""


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations that torch is asked for; on a GPU each is at least one kernel launch."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # Views launch nothing.
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


def operations(case: Problem) -> int:
    """Operations of one iteration of the GPU path, counted on the CPU; a CUDA graph launches them as one."""
    model = GNN(case.config.graph_model, case.truth, gpu_way=True)
    model.initialise(case.config.training)
    step, adam = Step(model, case.data, case.config.training, XNORM), Adam(model.theta, model.gradient)
    loop = GraphedIterations(step, adam, 2, capture=False)
    adam.prepare(1)
    frames = torch.zeros(1, step.batch, dtype=torch.long)
    loop.run(frames, 0)
    with torch.no_grad(), _Counter() as counter:
        loop._replay()
    found: int = counter.count
    return found


def measure(extent: int, strides: tuple[int, ...]) -> dict[int, dict[str, float]]:
    """Milliseconds of the fast path for each penalty stride and of the reference (stride 1), and the work done."""
    cases = [problem(extent, {"training.penalty_stride": stride}) for stride in strides]
    large = extent >= 5
    works = [(fast_path(case), 3 if large else 100) for case in cases]
    reference, *fast = best_times([(per_edge_path(problem(extent, {})), 1 if large else 5), *works], 6)
    rows = {}
    for stride, case, seconds in zip(strides, cases, fast, strict=True):
        flops, moved = work_per_iteration(case)
        rows[stride] = {
            "fast_ms": seconds * 1e3,
            "per_edge_ms": reference * 1e3,
            "ratio": reference / seconds,
            **_against_predecessor(extent, reference / seconds),
            "gflop": flops / 1e9,
            "mbytes": moved / 1e6,
            "gflop_per_s": flops / seconds / 1e9,
            "gbytes_per_s": moved / seconds / 1e9,
            "operations": operations(case),
        }
    return rows


def _against_predecessor(extent: int, ratio: float) -> dict[str, float]:
    """How the yardstick compares with the predecessor, and the ratio to the latter that this implies."""
    share = PREDECESSOR.get(extent)
    return (
        {} if share is None else {"yardstick_over_predecessor": 1 / share, "implied_ratio_predecessor": ratio * share}
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print only the JSON line")
    parser.add_argument("--extents", type=int, nargs="+", default=[1, 2, 8], choices=sorted(SIZES))
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    report: dict[str, Any] = {"threads": options.threads, "torch": torch.__version__}
    with runtime.prepared(torch.device("cpu")):
        flops, bandwidth = machine_limits()
        report["machine"] = {"gflop_per_s": flops / 1e9, "gbytes_per_s": bandwidth / 1e9}
        for extent in options.extents:
            for stride, row in measure(extent, (1, 4)).items():
                name = f"extent{extent}" + (f"_stride{stride}" if stride > 1 else "")
                report[name] = row | {"share_of_product_speed": row["gflop_per_s"] * 1e9 / flops}
                report[f"ratio_vs_per_edge_{name}"] = row["ratio"]
                if not options.json:
                    print(name, " ".join(f"{key}={value:.3g}" for key, value in report[name].items()), flush=True)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
