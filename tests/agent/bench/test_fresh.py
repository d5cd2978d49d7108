"""Picks on data that no night has seen: the same data for all of them, and nothing trained twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.bench.fresh import fresh_values
from agent.bench.layout import BenchPaths
from state.campaign import load_campaign
from state.files import read_yaml
from tests.agent.conftest import write_campaign


def test_each_pick_is_trained_once_on_each_fresh_seed(tmp_path: Path) -> None:
    quiet = {"failure_share": 0.0, "noise_training": 0.0, "noise_data": 0.0}
    campaign = load_campaign(write_campaign(tmp_path / "c.yaml", surrogate=quiet))
    base, paths, said = campaign.base_config(), BenchPaths(tmp_path / "out"), list[str]()
    other = base.replaced({"training.n_epochs": 3})
    found = fresh_values(paths, campaign, [base, other, base], 3, said.append)
    assert found[other.identity()] == pytest.approx(found[base.identity()] + 0.35 / 9)
    folders = sorted(path.name for path in (paths.root / "fresh").iterdir())
    assert len(folders) == 6
    seeds = {name: {folder.rpartition("-")[2] for folder in folders if folder.startswith(name)} for name in found}
    assert len(set(map(frozenset, seeds.values()))) == 1
    assert min(map(int, seeds[base.identity()])) > campaign.seeds.simulation_base + 10**8
    config = read_yaml(paths.fresh(folders[0]) / "config.yaml")
    assert str(config["simulation"]["seed"]) in folders[0]
    assert said == ["training 6 runs of the picks on fresh data"]
    assert fresh_values(paths, campaign, [base, other], 3, said.append) == found
    assert len(said) == 1


def test_a_failed_run_counts_as_nothing_recovered(tmp_path: Path) -> None:
    campaign = load_campaign(write_campaign(tmp_path / "c.yaml", surrogate={"failure_share": 1.0}))
    base = campaign.base_config()
    assert fresh_values(BenchPaths(tmp_path), campaign, [base], 2, lambda _: None) == {base.identity(): 0.0}
