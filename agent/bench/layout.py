"""Where everything of a bench lies, which campaign it is of, and the campaign of each of its nights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from state.campaign import Campaign, load_campaign
from state.errors import RunError
from state.files import dump_yaml, read_yaml, write_atomic
from state.paths import RunPaths

# Nights lie so far apart in their seeds that none shares data with another.
STRIDE = 10_000
FRESH = 5 * 10**8


@dataclass(frozen=True)
class BenchPaths:
    """All paths of a bench in ``root``."""

    root: Path

    @property
    def plan(self) -> Path:
        """Which campaign the bench is of."""
        return self.root / "plan.json"

    @property
    def results(self) -> Path:
        """All figures."""
        return self.root / "bench.json"

    @property
    def page(self) -> Path:
        """The page."""
        return self.root / "index.html"

    @property
    def lock(self) -> Path:
        """Held by the process that runs the bench."""
        return self.root / "bench.lock"

    def night(self, number: int) -> Path:
        """The folder of one night, counted from 1."""
        return self.root / "nights" / f"{number:03d}"

    def campaign(self, number: int) -> Path:
        """The campaign of one night, the same for all explorers."""
        return self.night(number) / "night.yaml"

    def run(self, number: int, explorer: str) -> RunPaths:
        """The run directory of one explorer in one night."""
        return RunPaths(self.night(number) / explorer)

    def trained(self, number: int) -> Path:
        """Results of one night that its other explorers need not train again."""
        return self.night(number) / "trained"

    def fresh(self, name: str) -> Path:
        """A training of a pick on new data."""
        return self.root / "fresh" / name


def settle(paths: BenchPaths, file: Path, campaign: Campaign) -> None:
    """Begin the bench of ``campaign``, or see that it is the one begun; RunError where it is another's."""
    plan = {"campaign": campaign.name, "identity": campaign.identity()}
    if paths.plan.exists():
        begun = json.loads(paths.plan.read_text())
        if begun != plan:
            raise RunError(
                f"{paths.root}: holds a bench of another campaign ({begun.get('campaign')}, "
                f"{str(begun.get('identity'))[:12]}) than {file} ({plan['identity'][:12]}); choose another --out"
            )
        return
    if any(path != paths.lock for path in paths.root.iterdir()):
        raise RunError(f"{paths.root}: is not empty and holds no bench; choose another --out")
    write_atomic(paths.plan, json.dumps(plan) + "\n")


def write_night(paths: BenchPaths, file: Path, number: int) -> Path:
    """The campaign of night ``number``: that of ``file`` with seeds of its own.

    It is written anew each time, as engine and budget may have changed.
    """
    target = paths.campaign(number)
    campaign = load_campaign(file)
    seeds = campaign.seeds
    tree = read_yaml(file) | {
        "seeds": {
            "simulation_base": seeds.simulation_base + number * STRIDE,
            "training_base": seeds.training_base + number * STRIDE,
            "explorer": seeds.explorer + number,
        }
    }
    if campaign.instruction:
        tree["instruction"] = str((file.parent / campaign.instruction).resolve())
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(target, dump_yaml(tree))
    return target
