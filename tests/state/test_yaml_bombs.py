"""Hostile YAML, by the command line in a process of its own: one sentence, exit 2, at once, in bounded memory."""

from __future__ import annotations

import resource
import subprocess
import time
from pathlib import Path

import pytest

from state.errors import ConfigError
from state.files import dump_yaml, parse_yaml
from tests.agent.conftest import CAMPAIGN
from tests.agent.test_cli import COMMAND, ENVIRONMENT, ROOT, refusal

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
BOMBS = {
    "nested 1,000": "a: " + "[" * 1000 + "]" * 1000,
    "nested 100,000": "a: " + "[" * 100_000 + "]" * 100_000,
    "nested, open": "a: " + "{b: " * 100_000,
    "nested by lines": "".join(" " * n + "a:\n" for n in range(1500)),
    "nested by dashes": "a:\n  " + "- " * 20_000 + "x",
    "nested by question marks": "? " * 20_000 + "x",
    "a number of 4,400 digits": "a: " + "9" * 4400,
    "a date that is none": "a: 2026-99-99",
    "laughs": LAUGHS,
    "an alias in itself": "a: &a [*a, *a]",
    "quadratic": "a: &a [" + "x, " * 20_000 + "]\nb: [" + "*a, " * 20_000 + "]",
    "merged": "a: &a {<<: *a}",
    "large": "#" * 5_000_000,
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_one_sentence_within_a_second(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(CAMPAIGN.read_text() + BOMBS[kind])
    began = time.process_time()
    said = refusal("run", file, "--dry-run", "--runs-dir", tmp_path)
    assert time.process_time() - began < 2
    assert str(file) in said
    assert len(said) < 600


def test_it_takes_no_memory_and_no_stack(tmp_path: Path) -> None:
    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30, 2 * 2**30))

    for number, kind in enumerate(("nested 100,000", "laughs", "nested, open")):
        file = tmp_path / f"c{number}.yaml"
        file.write_text(BOMBS[kind])
        command = [*COMMAND, "run", str(file), "--dry-run", "--runs-dir", str(tmp_path)]
        done = subprocess.run(command, env=ENVIRONMENT, cwd=ROOT, capture_output=True, text=True, preexec_fn=bound)
        assert done.returncode == 2, done.stderr
        step, sentence = done.stderr.splitlines()
        assert step == f"nightfly: reading {file} ..."
        assert str(file) in sentence


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"search": {"n_parallel": 4, "n_iter_block": 400_000_000}}, "search.n_iter_block is 400000000"),
        ({"search": {"ucb_c": 1e308}}, "search.ucb_c is 1e+308"),
        ({"search": {"ucb_c": 1.0, "explorable": {"ucb_c": {"min": 0.1, "max": 1e308}}}}, "ucb_c = 1e+308 is more"),
        ({"budget": {"finish_by": "0001-01-01"}}, "is no time"),
        ({"budget": {"finish_by": "9999-12-31 23:59"}}, "is no time"),
    ],
)
def test_numbers_beyond_all_use_are_one_sentence(section: dict[str, object], says: str, tmp_path: Path) -> None:
    tree = parse_yaml(CAMPAIGN.read_text(), "c")
    file = tmp_path / "c.yaml"
    file.write_text(dump_yaml(tree | section))
    assert says in refusal("run", file, "--dry-run", "--runs-dir", tmp_path)


def test_what_people_write_passes() -> None:
    text = "a: &a {x: 1, y: [1, 2]}\nb: *a\nc:\n" + "".join(f"  k{n}: [{n}, {n}]\n" for n in range(200))
    assert parse_yaml(text, "c")["b"] == {"x": 1, "y": [1, 2]}
    deep = "".join(" " * n + "a:\n" for n in range(20)) + " " * 20 + "b: 1"
    assert parse_yaml(deep, "c")
    with pytest.raises(ConfigError, match="nested more than 40 levels deep"):
        parse_yaml("a: " + "[" * 41 + "]" * 41, "c")
