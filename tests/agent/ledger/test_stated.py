"""Stated figures of imported nodes: which config they are of, and the scores they give."""

from __future__ import annotations

from math import sqrt
from pathlib import Path

import pytest

from agent.ledger.ledger import Ledger
from agent.ledger.open_run import open_run
from agent.predecessor.command import open_imported
from state.metrics import REWARD
from tests.agent.conftest import play, write_campaign
from tests.agent.predecessor.logs import section

LOG = (
    section(1, "root", Metrics="connectivity_R2=0.8", Seeds="sim_seed=1001, train_seed=1")
    + section(2, 1, "n_epochs: 2 -> 3", Metrics="connectivity_R2=0.9, V_rest_R2=0.5", Seeds="sim_seed=7, train_seed=1")
    + section(
        3, 2, "[none] - robustness re-run of Node 2", Metrics="connectivity_R2=0.7", Seeds="sim_seed=7, train_seed=2"
    )
    + section(4, 2, "[none] - robustness re-run of Node 2").replace("converged", "failed")
    + section(5, 1, "who knows", Metrics="connectivity_R2=0.99")
    + section(6, 1, "lr_ratio: 0.1 -> 0.05")
)


def opened(folder: Path, **search: object) -> tuple[Path, Path]:
    file = write_campaign(folder / "c.yaml", search=search)
    (folder / "l.md").write_text(LOG)
    return file, open_imported(folder / "l.md", file, None, None, folder / "runs", True, use_metrics=True)[0]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    return open_run(opened(tmp_path_factory.mktemp("stated"))[1]).ledger()


def test_runs_are_of_configs_that_are_known(ledger: Ledger) -> None:
    stated = list(ledger.views.stated.configs.values())
    assert [(one.node, [run.iteration for run in one.runs]) for one in stated] == [(1, [1]), (2, [2, 3, 4])]
    assert stated[1].runs[2].metrics is None, "it is stated to have failed"


def test_stated_data_are_never_the_runs_own(ledger: Ledger) -> None:
    first, second = ledger.views.stated.configs.values()
    seeds = [run.simulation_seed for run in (*first.runs, *second.runs)]
    assert all(seed < 0 for seed in seeds)
    assert seeds[1] == seeds[2], "one stated seed is one data seed"
    assert len(set(seeds)) == 3, "a seed that is not stated is one of its own"


def test_scores_are_those_of_one_block_of_all_imported_nodes(ledger: Ledger) -> None:
    table = ledger.views.stated_scores()
    bonus = 1.414 * sqrt(6)
    want = {1: 0.8 + bonus / 7, 2: 0.9 + bonus / 4, 3: 0.7 + bonus / 2, 4: bonus / 2}
    assert {score.node: pytest.approx(score.ucb) for score in table.scores} == want
    assert [score.node for score in table.scores] == sorted(want, key=lambda node: -want[node])


def test_own_runs_count_as_descendants_and_move_to_the_configs_name(tmp_path: Path) -> None:
    file, root = opened(tmp_path, ucb_reward="config_mean")
    night = play(file, root, 4)
    views, history = night.views, night.history
    below = [it for it in history.iterations.values() if _roots_in(it.planned.iteration, night)]
    assert below, "the mock goes on from imported nodes"
    scores = {score.node: score for score in views.stated_scores().scores}
    under = [it for it in below if _roots_in(it.planned.iteration, night) in (2, 3, 4)]
    assert scores[2].visits == 3 + len(under)
    counted = {one.name: one for one in views.stated.counted(views.table, history.config_ids)}
    assert set(counted) == {"C1", views.stated.name_of(3, history.config_ids)}
    assert len(counted["C1"].together.runs) == len(views.table["C1"].runs) + 1
    name = views.stated.name_of(2, history.config_ids)
    mean = counted[name].together.spreads[REWARD].mean
    total = len(history.imported) + len(below)
    assert mean is not None
    assert scores[2].ucb == pytest.approx(mean + 1.414 * sqrt(total) / (1 + scores[2].visits))


def _roots_in(number: int, ledger: Ledger) -> int | None:
    """The imported node that an own node descends from."""
    parent = ledger.history.iterations[number].planned.parent
    if parent is None or parent in ledger.history.imported:
        return parent
    return _roots_in(parent, ledger)
