"""How many threads a slot gets: chosen on the first evening, kept on the next ones of this machine."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from agent.commands import prepare
from agent.commands.prepare import describe, with_earlier_threads, with_threads
from state.campaign import Campaign, load_campaign
from state.files import dump_yaml
from state.journal import Journal
from trainer.engines import factory


@pytest.fixture(autouse=True)
def _sixteen_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (prepare, factory):
        monkeypatch.setattr(module, "usable_cores", lambda: 16)
        monkeypatch.setattr(module, "find_gpus", list)


def campaign(folder: Path, extent: int, **engine: Any) -> Campaign:
    file = folder / "c.yaml"
    explorable = {"training.n_epochs": {"choices": [2, 3]}}
    tree = {"name": "c", "simulation": {"extent": extent}, "engine": engine, "explorable": explorable}
    file.write_text(dump_yaml(tree))
    return load_campaign(file)


@pytest.mark.parametrize(
    ("extent", "engine", "options", "threads"),
    [
        (8, {}, ["--threads=4"], 3),  # sixteen cores, four slots: up to four each, by timed steps
        (8, {"slots_at_once": 16}, [], 1),
        (1, {}, [], 1),  # too small for a second thread
        (8, {"threads_per_slot": 2}, [], 2),
    ],
)
def test_threads_are_chosen_by_size_and_by_timed_steps(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    extent: int,
    engine: dict[str, Any],
    options: list[str],
    threads: int,
) -> None:
    asked: list[str] = []

    def of_base(campaign: Campaign, module: str, failed: str, *options: str) -> dict[str, Any]:
        asked.extend(options)
        return {"threads": 3} if options else {}

    monkeypatch.setattr(prepare, "_of_base", of_base)
    seen = describe(campaign(tmp_path, extent, **engine))
    assert (asked, seen["threads"]) == (options, threads)


@pytest.mark.parametrize(
    ("host", "threads", "kept"),
    [(socket.gethostname(), 2, 2), (socket.gethostname(), 5, None), ("another", 2, None)],
)
def test_a_run_keeps_its_threads_where_the_machine_has_them(
    tmp_path: Path, host: str, threads: int, kept: int | None
) -> None:
    one = campaign(tmp_path, 8)
    assert with_earlier_threads(one, tmp_path) is one
    journal = Journal(tmp_path / "journal.jsonl", lambda record: None)
    journal.append("driver_started", 0, {"host": host, "connectome": {"threads": threads}})
    journal.close()
    assert with_earlier_threads(one, tmp_path).engine.threads_per_slot == kept
    own = campaign(tmp_path, 8, threads_per_slot=1)
    assert with_earlier_threads(own, tmp_path) is own


def test_the_engine_gets_what_was_chosen(tmp_path: Path) -> None:
    one = campaign(tmp_path, 8)
    assert with_threads(one, {}) is one
    engine = factory.make_engine(with_threads(one, {"threads": 3}))
    assert isinstance(engine, factory.LocalEngine)
    assert (engine.places, engine.threads) == (4, 3)
