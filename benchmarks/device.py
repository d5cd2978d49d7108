"""Everything a first GPU machine must show, in one call: `python -m benchmarks.device [--device cuda] [--seconds 420]`.

Results go to OUT/device.json, written anew after each part, so that what was measured before a time limit is kept; the
last lines are a table. The slot at full size comes last and is cut to the iterations that the remaining time allows.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.trainer import N_FRAMES, XNORM, operations, problem, work_per_iteration
from state.config import Scalar, SlotConfig
from state.files import write_atomic
from state.records import SlotResult
from trainer.engines.contract import Job
from trainer.fit.adam import Adam
from trainer.fit.cuda_graph import GraphedIterations
from trainer.fit.schedule import BLOCK, iterations_per_epoch
from trainer.fit.step import Step
from trainer.fit.training import set_rates
from trainer.fly.connectome import load_connectome
from trainer.fly.simulate import Recording, generate
from trainer.model.gnn import GNN
from trainer.slot import runtime
from trainer.slot.worker import run_folders, train_slot

Part = dict[str, Any]
SIDE_BY_SIDE, SIDE_S, SIDE_LIMIT_S = 4, 5.0, 90.0
KERNELS_SHOWN = 20
SHORT_FRAMES = 6400  # of the slots that are stacked
TIMED = "training_time_min"
EVALUATION_S = 45.0  # kept free for what follows training in a slot
DEFAULT_LOOP = SlotConfig().training.data_augmentation_loop


def wait(device: torch.device) -> None:
    """Until the device has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def loop_of(extent: int, device: torch.device, changes: dict[str, Scalar]) -> tuple[GraphedIterations, Adam, Step]:
    """A training on random wiring of an extent's size; one captured graph an iteration on a GPU."""
    case = problem(extent, changes)
    model = GNN(case.config.graph_model, case.truth, device)
    model.initialise(case.config.training)
    data = Recording(**{name: part.to(device) for name, part in vars(case.data).items()})
    step, adam = Step(model, data, case.config.training, XNORM), Adam(model.theta, model.gradient)
    set_rates(adam, model, case.config.training, 1.0)
    return GraphedIterations(step, adam, BLOCK, capture=device.type == "cuda"), adam, step


def ms_per_iteration(
    extent: int, device: torch.device, seconds: float, matmul: Any = "float32", trainings: int = 1
) -> float:
    """Mean over blocks of iterations for about ``seconds``, after one that warms up.

    Of several ``trainings`` each does an iteration in that time, as in a stack of slots: a block of each is begun
    before the first is waited for.
    """
    with torch.inference_mode(), runtime.prepared(device, matmul):
        stack = [loop_of(extent, device, {"training.seed": seed}) for seed in range(trainings)]
        block = BLOCK if device.type == "cuda" else 5
        done, began = 0, 0.0
        while not done or time.perf_counter() - began < seconds:
            for loop, adam, step in stack:
                adam.prepare(block)
                loop.begin(torch.randint(N_FRAMES, (block, step.batch), device=device), done)
            for loop, _, _ in stack:
                loop.join()
            wait(device)
            done, began = (done + block, began) if began else (0, time.perf_counter())
        return 1000 * (time.perf_counter() - began) / done


def machine(device: torch.device) -> Part:
    """What it is, and its copy speed with bytes read and written."""
    big = torch.zeros(2**28 if device.type == "cuda" else 2**24, device=device)
    copy, times = torch.empty_like(big), []
    for _ in range(6):
        wait(device)
        began = time.perf_counter()
        copy.copy_(big)
        wait(device)
        times.append(time.perf_counter() - began)
    found = {"device": runtime.device_name(device), "torch": torch.__version__, "python": sys.version.split()[0]}
    return {**found, "copy_gbytes_per_s": 8 * big.numel() / min(times) / 1e9}


def iteration(extent: int, device: torch.device, copy_speed: float) -> Part:
    """Milliseconds in both precisions, launches, and the bandwidth that the counted bytes come to."""
    case = problem(extent, {})
    flops, moved = work_per_iteration(case)
    ms = ms_per_iteration(extent, device, 3.0)
    speed = moved / ms / 1e6
    found = {"ms": ms, "operations": operations(case), "gflop": flops / 1e9, "mbytes": moved / 1e6}
    found |= {"gbytes_per_s": speed, "share_of_copy_speed": speed / copy_speed}
    return found | ({"ms_tf32": ms_per_iteration(extent, device, 3.0, "tf32")} if device.type == "cuda" else {})


def breakdown(extent: int, device: torch.device, iterations: int = 10) -> Part:
    """Microseconds an iteration by operation or kernel (torch's profiler), the largest first."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.inference_mode(), runtime.prepared(device):
        loop, adam, step = loop_of(extent, device, {})
        adam.prepare(iterations)
        frames = torch.randint(N_FRAMES, (iterations, step.batch), device=device)
        loop.run(frames, 0)
        wait(device)
        with torch.profiler.profile(activities=activities) as profile:
            loop.run(frames, 0)
            wait(device)
    name = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    found = sorted(((getattr(row, name), row.key, row.count) for row in profile.key_averages()), reverse=True)
    total = sum(time for time, _, _ in found)
    kernels = [[key[:90], round(us / iterations, 2), count / iterations] for us, key, count in found[:KERNELS_SHOWN]]
    return {"us": total / iterations, "largest": kernels}


def side_by_side(extent: int, device: torch.device) -> Part:
    """Milliseconds an iteration of each of several processes at the same time on the one device."""
    command = [sys.executable, "-m", "benchmarks.device", "--one", str(extent), "--device", device.type]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(SIDE_BY_SIDE)]
    try:
        times = [float(process.communicate(timeout=SIDE_LIMIT_S)[0].split()[-1]) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return {"processes": SIDE_BY_SIDE, "ms": times, "slowest_ms": max(times)}


def stacked(extent: int, device: torch.device) -> Part:
    """How much longer an iteration of each of several trainings of one process takes than one of one training alone."""
    alone, together = (ms_per_iteration(extent, device, SIDE_S, trainings=n) for n in (1, SIDE_BY_SIDE))
    return {"trainings": SIDE_BY_SIDE, "ms": together, "ms_alone": alone, "times_one_alone": together / alone}


def stacked_slots(config: SlotConfig, folder: Path) -> Part:
    """The same of whole short slots with other seeds, and whether the first of the stack equals itself alone."""
    config = config.replaced({"training.data_augmentation_loop": 1})
    configs = [config.replaced({"training.seed": seed, "simulation.seed": seed}) for seed in range(SIDE_BY_SIDE)]
    folders = [folder / f"slot{n}" for n in range(SIDE_BY_SIDE)]
    for one, place in zip(configs, folders, strict=True):
        Job("device", one.hash(), place, 0.0).write(one.yaml())
    alone, *_ = run_folders(folders[:1])
    stack = run_folders(folders)
    told = [result.failure.message for result in stack if result.failure]
    training = [result.seconds.get("training", math.nan) for result in (alone, stack[0])]
    return {
        "status": ", ".join(result.status for result in stack),
        "failure": "; ".join(told),
        "equal": str(_timeless(alone) == _timeless(stack[0])),
        "iterations": iterations_per_epoch(config) * config.training.n_epochs,
        "training_s_alone": training[0],
        "training_s": training[1],
        "peak_mib": stack[0].peak_memory_mb,
    }


def _timeless(result: SlotResult) -> Part:
    return {**result.model_dump(include={"metrics", "trajectory"}), "metrics": result.metrics | {TIMED: None}}


def full_slot_config(extent: int, device: torch.device, frames: int, pack: Path) -> SlotConfig:
    """The campaign's defaults on the carried connectome, seen through photographs."""
    changes: dict[str, Scalar] = {"connectome.source": "file", "connectome.path": str(pack / f"extent{extent}.npz")}
    changes |= {"simulation.extent": extent, "simulation.n_frames": frames, "training.device": device.type}
    return SlotConfig().replaced({**changes, "simulation.visual_input_type": "photographs"})


def data(config: SlotConfig, device: torch.device) -> Part:
    """Seconds and memory of a slot's data."""
    truth = load_connectome(config.connectome, config.simulation.extent, config.simulation.delta_t)
    began = time.perf_counter()
    with runtime.prepared(device):
        generate(config, truth, device)
    wait(device)
    seconds = time.perf_counter() - began
    frames = config.simulation.n_frames
    return {"seconds": seconds, "frames_per_s": frames / seconds, "peak_mib": runtime.peak_memory_mb(device)}


def slot(config: SlotConfig, ms: float, seconds: float, folder: Path) -> Part:
    """A two-stage slot with its metrics, in ``seconds``: epochs are shortened when ``ms`` an iteration ask for it."""
    fitting = max(1.0, seconds * 1000 / ms)
    planned = iterations_per_epoch(config) * config.training.n_epochs
    loop = max(1, min(DEFAULT_LOOP, int(DEFAULT_LOOP * fitting / planned)))
    config = config.replaced({"training.data_augmentation_loop": loop})
    folder.mkdir(parents=True, exist_ok=True)
    result = train_slot(config, folder, "device", config.hash())
    return {
        "iterations": iterations_per_epoch(config) * config.training.n_epochs,
        "of": planned,
        "status": result.status,
        "failure": result.failure.message if result.failure else "",
        "metrics": result.metrics,
        "extra": result.extra,
        "seconds": result.seconds,
        "peak_mib": result.peak_memory_mb,
        "trajectory": [[p.iteration, p.connectivity_r2, p.tau_r2, p.vrest_r2, p.phase] for p in result.trajectory],
    }


def table(found: Part) -> str:
    """One line a figure, in Markdown."""
    lines = ["| part | figure | value |", "|---|---|---|"]
    for part, figures in found.items():
        for name, value in figures.items() if isinstance(figures, dict) else [("", figures)]:
            if isinstance(value, int | float | str):
                lines.append(
                    f"| {part} | {name} | {value:.4g} |"
                    if isinstance(value, float)
                    else f"| {part} | {name} | {value} |"
                )
            elif isinstance(value, dict):
                lines += [f"| {part} | {name}.{key} | {x:.4g} |" for key, x in value.items() if isinstance(x, float)]
    return "\n".join(lines)


def main() -> None:
    """Measure part by part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--extents", type=int, nargs="+", default=[2, 8], help="the last is that of the slot")
    parser.add_argument("--frames", type=int, default=64_000)
    parser.add_argument("--seconds", type=float, default=420.0, help="for everything")
    parser.add_argument("--pack", type=Path, default=Path("device-pack"), help="made by device_pack.sh")
    parser.add_argument("--out", type=Path, default=Path("device-out"))
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    device = torch.device(given.device)
    if given.one:
        print(ms_per_iteration(given.one, device, SIDE_S))
        return
    end = time.monotonic() + given.seconds
    found: dict[str, Part] = {}
    given.out.mkdir(parents=True, exist_ok=True)

    def take(name: str, measure: Callable[[], Part]) -> None:
        began = time.monotonic()
        try:
            found[name] = measure()
        except Exception as error:  # noqa: BLE001 - one part that fails must not cost the others
            found[name] = {"error": f"{type(error).__name__}: {error}"}
        found[name]["took_s"] = time.monotonic() - began
        write_atomic(given.out / "device.json", json.dumps(found, indent=1) + "\n")
        print(name, json.dumps(found[name]), flush=True)

    largest = given.extents[-1]
    take("machine", lambda: machine(device))
    for extent in given.extents:
        take(f"extent{extent}", partial(iteration, extent, device, found["machine"].get("copy_gbytes_per_s", math.nan)))
        take(f"breakdown{extent}", partial(breakdown, extent, device))
    take("side_by_side", lambda: side_by_side(largest, device))
    take("stacked", lambda: stacked(largest, device))
    short = full_slot_config(given.extents[0], device, min(given.frames, SHORT_FRAMES), given.pack.resolve())
    take("stacked_slots", lambda: stacked_slots(short, given.out / "stack"))
    config = full_slot_config(largest, device, given.frames, given.pack.resolve())
    take("data", lambda: data(config, device))
    ms = found[f"extent{largest}"].get("ms", 40.0)
    left = end - time.monotonic() - EVALUATION_S - 2 * found["data"].get("seconds", 0.0)
    take("slot", lambda: slot(config, ms, left, given.out / "slot"))
    print(table(found))


if __name__ == "__main__":
    main()
