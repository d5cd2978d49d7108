"""Whole nights in which a sampler proposes: legal, honest, the same when continued, and from its own history alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.briefing.context import build_context
from agent.briefing.results import results
from agent.explorers.choose import make_explorer
from agent.night.loop import run_night
from agent.night.night import Night, open_night
from agent.replay.again import ask_again, client_of
from agent.replay.whole_run import replay_run
from state.errors import RunError, UserError
from state.evening import Budget
from state.explorer import SAMPLERS, Explorer, Sampler, explorer_of
from state.journal import read_records
from tests.agent.conftest import write_campaign
from trainer.engines.inline import InlineEngine

BATCHES = 7


def explore(file: Path, root: Path, kind: Explorer, batches: int = BATCHES) -> Night:
    night = open_night(file, root, dry_run=False, explorer=kind)
    llm = make_explorer(night.campaign, kind)
    try:
        run_night(night, llm, InlineEngine(night.campaign.surrogate), lambda *_: None, Budget(max_batches=batches))
        night.derived.flush()
    finally:
        night.close()
    return night


def campaign_of(folder: Path, **changes: Any) -> Path:
    return write_campaign(folder / "c.yaml", seeds={"explorer": 7}, **changes)


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> dict[Sampler, Night]:
    root = tmp_path_factory.mktemp("samplers")
    batches: dict[Sampler, int] = {"random": BATCHES, "tpe": BATCHES, "gp": 3}
    return {kind: explore(campaign_of(root), root / kind, kind, batches[kind]) for kind in SAMPLERS}


@pytest.mark.parametrize("kind", SAMPLERS)
def test_a_night_of_a_sampler_is_legal_honest_and_replays(nights: dict[Sampler, Night], kind: Sampler) -> None:
    night = nights[kind]
    records = list(read_records(night.paths.journal))
    assert "reply_rejected" not in [record.type for record in records]
    accepted = [record.data for record in records if record.type == "reply_accepted"]
    assert all((data["fallbacks"], data["warnings"]) == ({}, []) for data in accepted)
    plans = [iteration.planned for iteration in night.history.iterations.values()]
    new = [plan for plan in plans if plan.role == "exploit"]
    assert len(new) >= 4
    assert all(len(plan.changes) == 1 for plan in new)
    assert len({plan.config_id for plan in new}) == len(new)
    title = {"tpe": "TPE", "random": "random search", "gp": "a Gaussian process"}[kind]
    assert all(plan.parent_rule.startswith(f"proposed by {title}, seed 7: ") for plan in new)
    assert f"{title}, seed 7 reads figures only" in night.paths.log.read_text()
    assert "the mock" not in night.paths.log.read_text()
    started = records[0].data
    assert (started["explorer"], started["dry_run"]) == (kind, False)
    outcome = replay_run(night.paths.root)
    assert outcome.passed, [*outcome.faults, *(fault for one in outcome.batches.values() for fault in one.faults)]


@pytest.mark.parametrize("design", ["forced_seeds", "one_change"])
def test_the_other_designs_are_served_as_well(tmp_path: Path, design: str) -> None:
    night = explore(campaign_of(tmp_path, policy={"design": design}), tmp_path / "run", "tpe", 5)
    kinds = [record.type for record in read_records(night.paths.journal)]
    assert "reply_rejected" not in kinds
    assert any(iteration.planned.role == "exploit" for iteration in night.history.iterations.values())


def test_a_night_that_was_stopped_goes_on_as_if_it_had_not_been(nights: dict[Sampler, Night], tmp_path: Path) -> None:
    file, root = campaign_of(tmp_path), tmp_path / "run"
    for batches in (3, 5, BATCHES):
        night = explore(file, root, "tpe", batches)
    assert night.paths.log.read_bytes() == nights["tpe"].paths.log.read_bytes()


def test_the_same_explorer_goes_on_and_no_other(tmp_path: Path) -> None:
    file, root = campaign_of(tmp_path, explorer="random"), tmp_path / "run"
    night = open_night(file, root, dry_run=False)
    assert night.history.explorer == "random"
    night.close()
    with pytest.raises(RunError, match="was started with random search and cannot go on with TPE"):
        explore(file, root, "tpe", 1)
    with pytest.raises(RunError, match="was started with random search and cannot go on as a dry run"):
        open_night(file, root, dry_run=True)


def test_the_sampler_is_told_of_every_config_in_the_terms_of_the_goal(nights: dict[Sampler, Night]) -> None:
    night = nights["tpe"]
    told, context = results(night, night.views.table), build_context(night)
    assert context.results == told
    assert {result.config_id for result in told} == set(night.history.config_ids.values())
    assert sorted(node for result in told for node in result.nodes) == sorted(night.history.iterations)
    for result in told:
        runs = night.views.table[result.config_id].runs
        by_seed: dict[int, list[float]] = {}
        for run in runs:
            by_seed.setdefault(run.simulation_seed, []).append(run.value("V_rest_R2") or 0.0)
        means = [sum(group) / len(group) for group in by_seed.values()]
        assert result.score == pytest.approx(sum(means) / len(means))
        assert result.losses["connectivity_R2"] <= 1.0


def test_a_failed_run_counts_as_the_worst(tmp_path: Path) -> None:
    night = explore(campaign_of(tmp_path, surrogate={"failure_share": 0.4}), tmp_path / "run", "random", 4)
    table = night.views.table
    lost = [name for name in table.names() if table[name].failed == len(table[name].runs)]
    assert lost
    assert {result.score for result in results(night, night.views.table) if result.config_id in lost} == {0.0}


def test_what_a_sampler_would_say_today_can_be_asked(nights: dict[Sampler, Night]) -> None:
    root = nights["tpe"].paths.root
    answers = ask_again(root, 6, client_of(root, None))
    assert answers.models == ("optuna-tpe", "optuna-tpe")
    assert answers.then == answers.now
    assert ask_again(root, 6, client_of(root, True)).models[1] == "mock-explorer"


def test_runs_from_before_there_was_a_choice_say_it_by_dry_run() -> None:
    plain: Any = {"name": "x", "campaign": "", "identity": ""}
    assert explorer_of(plain | {"dry_run": True}) == "rules"
    assert explorer_of(plain | {"dry_run": False}) == "claude"
    assert explorer_of(plain | {"dry_run": False, "explorer": "gp"}) == "gp"


def test_without_optuna_one_sentence_says_how_to_get_it(nights: dict[Sampler, Night], monkeypatch: Any) -> None:
    monkeypatch.setattr("agent.explorers.choose.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs Optuna, which is not installed: pip install 'nightfly\[samplers\]'"):
        make_explorer(nights["tpe"].campaign, "tpe")


def test_a_night_of_rules_loads_no_optuna(tmp_path: Path) -> None:
    code = (
        "import sys, agent.cli\n"
        "from agent.commands import run\n"
        "from agent.explorers.choose import make_explorer\n"
        "from state.campaign import load_campaign\n"
        "from pathlib import Path\n"
        f"make_explorer(load_campaign(Path({str(campaign_of(tmp_path))!r})), 'rules')\n"
        "print([name for name in ('optuna', 'sqlalchemy', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
