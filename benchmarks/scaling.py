"""How time and memory grow with frames, neurons and edges.

`python -m benchmarks.scaling [--full] [--threads 1] [--json FILE] [--picture FILE]`; each point runs in a process of
its own, so that its peak memory is its own. --full adds the full-size campaign's network with all of its 64,000 frames.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from state.config import Scalar, SlotConfig
from state.files import write_atomic
from trainer.fit.training import Trainer
from trainer.fly.connectome import Connectome, load_connectome
from trainer.fly.simulate import Recording, generate
from trainer.model.gnn import GNN
from trainer.score.metrics import activity
from trainer.slot import runtime

Row = dict[str, Any]
CPU = torch.device("cpu")
EXTENTS = (1, 2, 3, 5, 8)
FRAMES = (4_000, 16_000, 64_000)
EDGES = (15_000, 60_000, 240_000, 960_000)
EDGE_NEURONS, EDGE_FRAMES = 2_345, 256
ROUNDS = 6


def points(full: bool) -> list[Row]:
    """What is measured: extents at 8,000 frames, frames at extent 2, edges at one number of neurons, and all of it."""
    rows: list[Row] = [{"series": "extent", "extent": extent, "frames": 8_000} for extent in EXTENTS]
    rows += [{"series": "frames", "extent": 2, "frames": frames} for frames in FRAMES]
    rows += [{"series": "edges", "edges": edges, "frames": EDGE_FRAMES} for edges in EDGES]
    return rows + ([{"series": "full", "extent": 8, "frames": 64_000}] if full else [])


def measure(point: Row) -> Row:
    """One point, in this process."""
    with runtime.prepared(CPU):
        if point["series"] == "edges":
            return point | _training(SlotConfig(), _random_wiring(point["edges"]), _noise(), 300)
        changes: dict[str, Scalar] = {"simulation.extent": point["extent"], "simulation.n_frames": point["frames"]}
        changes |= {"simulation.visual_input_type": "photographs", "simulation.n_sequences": 32}
        config = SlotConfig().replaced({**changes, "connectome.source": "synthetic", "training.device": "cpu"})
        truth = load_connectome(config.connectome, config.simulation.extent, config.simulation.delta_t)
        began = time.perf_counter()
        data = generate(config, truth, CPU)
        seconds = time.perf_counter() - began
        simulated = {"simulation_s": seconds, "frames_per_s": point["frames"] / seconds, "simulation_mib": _mib()}
        return point | simulated | _training(config, truth, data.train, point.get("iterations", 300))


def _training(config: SlotConfig, truth: Connectome, data: Recording, iterations: int) -> Row:
    model = GNN(config.graph_model, truth)
    model.initialise(config.training)
    with torch.inference_mode():
        trainer = Trainer(model, config, data, activity(data))
        trainer.run(5)
        # The best of several rounds: other load on the machine can only make a round slower.
        seconds = min(_seconds(trainer, iterations // ROUNDS) for _ in range(ROUNDS))
    sizes = {"neurons": truth.n_neurons, "edges": truth.n_edges, "iterations": iterations}
    return sizes | {"ms_per_iteration": 1000 * seconds / (iterations // ROUNDS), "peak_mib": _mib()}


def _seconds(trainer: Trainer, iterations: int) -> float:
    began = time.perf_counter()
    trainer.run(iterations)
    return time.perf_counter() - began


def _mib() -> float:
    return runtime.peak_memory_mb(CPU)


def _random_wiring(n_edges: int) -> Connectome:
    rng, n = np.random.default_rng(n_edges), EDGE_NEURONS
    pair = np.sort(rng.choice(n * n, n_edges, replace=False))
    zeros, values = np.zeros(n, np.int32), np.ones(n, np.float32)
    return Connectome(
        source=(pair % n).astype(np.int32),
        target=(pair // n).astype(np.int32),
        type_index=zeros,
        type_names=("any",),
        u=zeros,
        v=zeros,
        input_index=np.arange(296, dtype=np.int32),
        input_column=np.zeros(296, np.int32),
        weight=np.ones(n_edges, np.float32),
        tau=values,
        V_rest=values,
        extent=3,
        truth="random wiring",
    )


def _noise() -> Recording:
    generator = torch.Generator().manual_seed(0)
    voltage, derivative = (torch.randn(EDGE_FRAMES, EDGE_NEURONS, generator=generator) * 0.5 for _ in range(2))
    return Recording(voltage, derivative, torch.rand(EDGE_FRAMES, 296, generator=generator))


def in_own_process(point: Row, threads: int) -> Row:
    """`measure` with so many threads; its connectome is cached beforehand, so that building it is not counted."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "benchmarks.scaling", "--point", json.dumps(point)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    row: Row = json.loads(done.stdout.splitlines()[-1])
    return row


def table(rows: list[Row]) -> str:
    """The rows in markdown."""
    lines = [
        "| series | neurons | edges | frames | simulation, frames/s | training, ms an iteration | peak memory, MiB |"
    ]
    lines.append("|" + "---|" * 7)
    for row in rows:
        speed = f"{row['frames_per_s']:,.0f}" if "frames_per_s" in row else "-"
        sizes = f"{row['neurons']:,} | {row['edges']:,} | {row['frames']:,}"
        lines.append(
            f"| {row['series']} | {sizes} | {speed} | {row['ms_per_iteration']:.2f} | {row['peak_mib']:,.0f} |"
        )
    return "\n".join(lines)


def draw(rows: list[Row], path: Path, threads: int) -> None:
    """Iteration time over edges, and memory over numbers simulated (frames times neurons)."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for series, label in (("extent", "flyvis, extent 1 to 8"), ("edges", f"{EDGE_NEURONS:,} neurons, random wiring")):
        mine = [row for row in rows if row["series"] == series]
        left.loglog([row["edges"] for row in mine], [row["ms_per_iteration"] for row in mine], "o-", label=label)
    left.set(xlabel="edges", ylabel="ms an iteration", title=f"Training, batch 2, {threads} thread(s)")
    left.legend(frameon=False)
    mine = sorted((row for row in rows if "extent" in row), key=lambda row: row["frames"] * row["neurons"])
    right.loglog([row["frames"] * row["neurons"] for row in mine], [row["peak_mib"] / 1024 for row in mine], "o")
    right.axhline(16, color="grey", linestyle=":")
    right.set(xlabel="frames x neurons", ylabel="GiB", title="Peak memory of a slot (dotted: 16 GiB)")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Measure, print the table, and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="add extent 8 with 64,000 frames")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--picture", type=Path, help="draw here")
    parser.add_argument("--point", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.point is not None:
        print(json.dumps(measure(options.point)))
        return
    rows = []
    for point in points(options.full):
        if "extent" in point:
            load_connectome(SlotConfig().connectome.model_copy(update={"source": "synthetic"}), point["extent"], 0.02)
        rows.append(in_own_process(point, options.threads))
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    print(table(rows))
    if options.json:
        write_atomic(options.json, json.dumps(rows, indent=1) + "\n")
    if options.picture:
        draw(rows, options.picture, options.threads)


if __name__ == "__main__":
    main()
