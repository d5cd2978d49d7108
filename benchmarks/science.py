"""What is recovered, over data seeds: `python -m benchmarks.science CASE... [--seeds 1001:1009] [--out FILE]`.

Each case is a campaign's base config with some changes; each run is a whole slot, from data to metrics, on one core.
Results are appended to FILE, one JSON object a run; what is there already is not run again. Without cases the table of
FILE is printed: mean, standard deviation and minimum over seeds. `pretrained` cases need FLYVIS_ROOT_DIR.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from state.campaign import load_campaign
from state.config import Scalar, SlotConfig, earlier_settings
from state.files import parse_yaml
from trainer.slot.worker import train_slot

CAMPAIGNS = Path(__file__).parents[1] / "campaigns"
SHOWN = ("connectivity_R2", "tau_R2", "V_rest_R2", "cluster_accuracy", "test_R2", "test_pearson")
TRAINING_SEEDS = 500_000  # training seed = this + data seed - 1000, as a night offers them

STANDARD: dict[str, Scalar] = {"training.alternate_training": False}
VARIANTS: dict[str, dict[str, Scalar]] = {
    "two_stage": {},
    "standard": STANDARD,
    "zeros": {"training.w_init_mode": "zeros"},
    "randn": {"training.w_init_mode": "randn_scaled"},
    # What held before the predecessor's definitions became the default; see state/added.py.
    "former": earlier_settings(),
    "noise0": {"simulation.noise_model_level": 0.0},
    "noise05": {"simulation.noise_model_level": 0.5},
    "dark": {"simulation.blank_prefix_fraction": 0.5},
    "one_trajectory": {"simulation.sequences": "one_trajectory"},
    "pyg": {"graph_model.backend": "pyg"},
}
TRUTHS: dict[str, dict[str, Scalar]] = {
    "synthetic": {"connectome.source": "synthetic"},
    "pretrained": {"connectome.source": "pretrained"},
}


def case_config(case: str) -> SlotConfig:
    """The config of `CAMPAIGN:TRUTH[:VARIANT...]`, such as `quickstart:pretrained:standard:dark`."""
    campaign, truth, *variants = case.split(":")
    config = load_campaign(CAMPAIGNS / f"{campaign}.yaml").base_config().replaced(TRUTHS[truth])
    for variant in variants:
        changes = VARIANTS[variant] if variant in VARIANTS else dict([_setting(variant)])
        config = config.replaced(changes, case)
    return config


def _setting(text: str) -> tuple[str, Scalar]:
    key, _, value = text.partition("=")
    if not value:
        raise SystemExit(f"{text}: no variant; choose from {', '.join(VARIANTS)}, or give KEY=VALUE")
    return key if "." in key else f"training.{key}", parse_yaml(f"x: {value}", text)["x"]


def run(case: str, seed: int) -> dict[str, Any]:
    """One slot; the metrics, the trajectory and the seconds of its stages."""
    seeds: dict[str, Scalar] = {"simulation.seed": seed, "training.seed": TRAINING_SEEDS + seed - 1000}
    config = case_config(case).replaced({**seeds, "training.device": "cpu"})
    with tempfile.TemporaryDirectory() as folder:
        result = train_slot(config, Path(folder), "science", config.hash())
    return {
        "case": case,
        "seed": seed,
        "status": result.status,
        "failure": result.failure.message if result.failure else "",
        "metrics": result.metrics,
        "missing": result.missing,
        "extra": result.extra,
        "seconds": result.seconds,
        "trajectory": [
            [p.iteration, p.connectivity_r2, p.vrest_r2, p.tau_r2, p.phase] for p in result.trajectory
        ],
    }  # fmt: skip


def read(out: Path) -> list[dict[str, Any]]:
    """All runs in ``out``."""
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Markdown: a line a case."""
    yield "| case | runs | " + " | ".join(SHOWN) + " | training s |"
    yield "|---" * (len(SHOWN) + 3) + "|"
    cases = defaultdict[str, list[dict[str, Any]]](list)
    for row in rows:
        cases[row["case"]].append(row)
    for case, runs in cases.items():
        cells = [_cell([run["metrics"].get(name) for run in runs]) for name in SHOWN]
        seconds = np.mean([run["seconds"].get("training", np.nan) for run in runs])
        yield f"| {case} | {len(runs)} | " + " | ".join(cells) + f" | {seconds:.0f} |"


def _cell(values: list[float | None]) -> str:
    known = np.array([value for value in values if value is not None])
    if len(known) == 0:
        return "undefined"
    gone = len(values) - len(known)
    std = known.std(ddof=1) if len(known) > 1 else np.nan
    return f"{known.mean():.3f} +- {std:.3f} (min {known.min():.3f})" + (f", {gone} undefined" if gone else "")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--seeds", default="1001:1009", help="first:behind-the-last")
    parser.add_argument("--out", type=Path, default=Path("science.jsonl"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    first, last = map(int, given.seeds.split(":"))
    done = {(row["case"], row["seed"]) for row in read(given.out)}
    for seed in range(first, last):
        for case in given.cases:
            if (case, seed) in done:
                continue
            row = run(case, seed)
            with given.out.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(case, seed, {name: round(value, 3) for name, value in row["metrics"].items() if value is not None})
    if not given.cases:
        print("\n".join(table(read(given.out))))


if __name__ == "__main__":
    main()
