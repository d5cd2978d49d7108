"""Null nights in small: nothing is found where nothing matters; memory and files tell the same."""

from __future__ import annotations

from pathlib import Path

from benchmarks.null_nights import WORLDS, coverage, night, nights


def test_a_night_in_memory_decides_what_a_night_with_files_decides(tmp_path: Path) -> None:
    surface = WORLDS["one run in six bad"] | {"surface": "ridge", "effect": 0.15}
    files = night(1, surface, 16, False, tmp_path)
    assert files == night(1, surface, 16, False)
    assert files.trials or files.spent


def test_a_night_in_which_nothing_matters_finds_no_winner() -> None:
    found = [one for world in WORLDS for one in nights(2, WORLDS[world], 13, fresh_data=False)]
    # At 2 % false nights, 2 or more of 10 come once in 60 times; the seeds are fixed.
    assert sum(one.confirmed for one in found) <= 1
    assert all(one.spent < 0.05 for one in found)
    # The rules of the first release find one in about half the nights.
    assert sum(one.first_release for one in found) >= 3


def test_a_night_in_which_much_matters_finds_it() -> None:
    surface = WORLDS["data and training"] | {"surface": "ridge", "effect": 0.15}
    trials = [trial for one in nights(6, surface, 20, fresh_data=False) for trial in one.trials if trial[0]]
    assert len(trials) >= 3
    assert sum(confirmed for *_, confirmed in trials) >= len(trials) - 1


def test_intervals_cover_what_they_say() -> None:
    found = coverage(300, "one run in six bad")
    for name in ("4", "6", "12", "12 on 4 seeds", "12 paired"):
        assert 91 <= found[name]["percent"] <= 98.5, name
    assert found["6 on one seed"] == "no interval"


def test_intervals_with_the_noise_of_an_earlier_night_cover_what_they_say() -> None:
    found = coverage(300, "one run in six bad", earlier=True)
    for name in ("4", "6", "12", "12 on 4 seeds", "12 paired"):
        assert 91 <= found[name]["percent"] <= 98.5, name
