"""A bench as a user runs it: nights that are ordinary runs, resumed after a kill, refused for another campaign."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.bench.command import bench, chosen
from agent.bench.layout import BenchPaths
from agent.bench.measure import idle_share, measure
from agent.ledger.open_run import open_run
from agent.ledger.standing import picked
from agent.replay.whole_run import replay_run
from state.campaign import load_campaign
from state.errors import RunError, UserError
from state.files import dump_yaml, read_yaml
from state.lock import is_held
from tests.agent.conftest import write_campaign
from trainer.engines.surrogate import true_metrics

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def no_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look at the campaign before a night starts a process that loads torch; it has its own tests."""
    monkeypatch.setattr("agent.bench.command.prepare", lambda *_: {"n_neurons": 0})


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, BenchPaths]:
    root = tmp_path_factory.mktemp("bench")
    file = write_campaign(root / "c.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("agent.bench.command.prepare", lambda *_: {"n_neurons": 0})
        assert bench(file, "rules,random", 2, 6, 2, root / "out", 1, False) == 0
    return file, BenchPaths(root / "out")


def test_every_night_is_an_ordinary_run_on_seeds_of_its_own(done: tuple[Path, BenchPaths]) -> None:
    _, paths = done
    seeds = {}
    for number in (1, 2):
        for explorer in ("rules", "random"):
            run = paths.run(number, explorer)
            assert replay_run(run.root).passed
            ledger = open_run(run.root).ledger()
            assert (ledger.history.explorer, ledger.history.committed) == (explorer, 6)
            plans = [iteration.planned for iteration in ledger.history.iterations.values()]
            seeds[number, explorer] = [(plan.simulation_seed, plan.training_seed) for plan in plans[:4]]
    assert seeds[1, "rules"] == seeds[1, "random"]
    assert not set(seeds[1, "rules"]) & set(seeds[2, "rules"])
    # The seeds that nights share are the ones that were offered.
    assert load_campaign(paths.campaign(2)).seeds.explorer == 2


def test_the_figures_are_those_of_the_journals(done: tuple[Path, BenchPaths]) -> None:
    file, paths = done
    data = json.loads(paths.results.read_text())
    campaign = load_campaign(file)
    base = campaign.base_config()
    assert data["defaults"] == true_metrics(base, campaign.surrogate)["V_rest_R2"]
    assert data["slots"] == [4, 8, 12, 16, 20, 24]
    for arm in ("rules", "random"):
        told = data["arms"][arm]
        assert [len(curve) for curve in told["curves"]] == [6, 6]
        assert (told["refused"], told["dollars"], told["idle"]) == (0.0, 0.0, None)
        assert told["best_tried"] >= max(told["by_slots"][-1]["mean"], data["defaults"])
        for number, curve in zip((1, 2), told["curves"], strict=True):
            ledger = open_run(paths.run(number, arm).root).ledger()
            views = ledger.views
            config = views.config(ledger.history.iterations[views.latest_node[picked(views)]])
            assert curve[-1] == true_metrics(config, campaign.surrogate)["V_rest_R2"]
            assert curve[0] == data["defaults"]
            assert measure(paths.run(number, arm), 3).values == curve[:3]
    assert [(pair["a"], pair["b"]) for pair in data["pairs"]] == [("rules", "random")]


def test_what_is_done_is_not_run_again_and_more_can_be_asked_for(done: tuple[Path, BenchPaths]) -> None:
    file, paths = done
    journals = {path: path.read_bytes() for path in paths.root.rglob("journal.jsonl")}
    assert len(journals) == 4
    assert bench(file, "rules,random", 2, 6, 1, paths.root, 1, False) == 0
    assert {path: path.read_bytes() for path in paths.root.rglob("journal.jsonl")} == journals
    assert bench(file, "rules", 1, 7, 1, paths.root, 1, False) == 0
    grown = paths.run(1, "rules").journal
    assert grown.read_bytes().startswith(journals.pop(grown))
    assert {path: path.read_bytes() for path in journals} == journals


def test_another_campaign_or_a_strange_directory_is_refused(done: tuple[Path, BenchPaths], tmp_path: Path) -> None:
    _, paths = done
    other = write_campaign(tmp_path / "c.yaml", policy={"time_limit_min": 99})
    with pytest.raises(RunError, match="holds a bench of another campaign"):
        bench(other, "rules", 1, 1, 1, paths.root, 1, False)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(RunError, match="is not empty and holds no bench"):
        bench(other, "rules", 1, 1, 1, tmp_path / "mine", 1, False)
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="is a file"):
        bench(other, "rules", 1, 1, 1, tmp_path / "file", 1, False)


def test_unknown_explorers_are_refused() -> None:
    assert [arm.name for arm in chosen("rules, tpe")] == ["rules", "tpe"]
    with pytest.raises(UserError, match="cma is no explorer; choose of claude, rules"):
        chosen("rules,cma")
    with pytest.raises(UserError, match="twice"):
        chosen("rules,rules")


def test_a_bench_that_was_killed_goes_on_where_it_stopped(tmp_path: Path) -> None:
    file, paths = write_campaign(tmp_path / "c.yaml"), BenchPaths(tmp_path / "out")
    code = (
        "import sys, agent.bench.command as c\n"
        "from pathlib import Path\n"
        "c.prepare = lambda *_: {}\n"
        "sys.exit(c.bench(Path(sys.argv[1]), 'rules,random', 2, 12, 2, Path(sys.argv[2]), 1, False))\n"
    )
    command = [sys.executable, "-c", code, str(file), str(paths.root)]
    driver = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal, end = paths.run(1, "rules").journal, time.monotonic() + 120
    while not (journal.exists() and journal.read_bytes().count(b"batch_committed") > 2):
        assert time.monotonic() < end
        time.sleep(0.05)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    while is_held(paths.run(1, "rules").lock) or is_held(paths.lock):
        assert time.monotonic() < end, "the nights of a killed bench go on unseen"
        time.sleep(0.1)
    before = journal.read_bytes()
    assert before.count(b'"type":"batch_committed"') < 13
    assert bench(file, "rules,random", 2, 12, 2, paths.root, 1, False) == 0
    assert journal.read_bytes().startswith(before)
    assert open_run(paths.run(1, "rules").root).ledger().history.drivers == 2
    assert len(json.loads(paths.results.read_text())["nights"]) == 2


def test_idle_is_the_time_in_which_no_slot_ran() -> None:
    def at(second: int) -> str:
        return f"2026-01-01T00:00:{second:02d}.000Z"

    assert idle_share([]) is None
    assert idle_share([(at(0), at(10)), (at(5), at(20))]) == 0.0
    assert idle_share([(at(0), at(10)), (at(2), at(4)), (at(30), at(40))]) == 0.5
    assert idle_share([(at(3), at(3))]) is None


def test_a_lab_instruction_is_found_from_where_the_nights_lie(tmp_path: Path) -> None:
    (tmp_path / "lab.md").write_text("Prefer short runs.")
    file = write_campaign(tmp_path / "c.yaml")
    file.write_text(dump_yaml(read_yaml(file) | {"instruction": "lab.md"}))
    assert bench(file, "rules", 1, 1, 1, tmp_path / "out", 1, False) == 0
    assert load_campaign(BenchPaths(tmp_path / "out").campaign(1)).instruction_text == "Prefer short runs."
