"""Strict YAML, canonical JSON, and files that appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from state.errors import ConfigError
from state.files import canonical_json, dump_yaml, parse_yaml, read_yaml, write_atomic


def test_yaml_reads_exponents_without_a_dot_as_numbers() -> None:
    assert parse_yaml("a: 1e-3\nb: 5E-4\nc: 2\nd: .5e1\n", "x") == {"a": 1e-3, "b": 5e-4, "c": 2, "d": 5.0}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\na: 2\n", "appears twice"),
        ("a: [1\n", "line"),
        ("- 1\n", "holds list"),
        ("", "holds NoneType"),
        ("? [1, 2]\n: x\n", "a key is a list or mapping"),
        ("? {a: 1}\n: x\n", "a key is a list or mapping"),
        ("a: &x [*x]\n", "not readable"),
        ("a: \x07\n", "not readable"),
        ("a: !!python/object/apply:os.system ['true']\n", "not readable"),
    ],
)
def test_unusable_yaml_is_one_sentence_with_the_file(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "night.yaml")
    assert says in str(caught.value)
    assert str(caught.value).startswith("night.yaml")
    assert "\n" not in str(caught.value)


def test_missing_binary_and_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "none", tmp_path, tmp_path / "b"):
        with pytest.raises(ConfigError, match="cannot be read"):
            read_yaml(path)


def test_yaml_round_trip_keeps_every_digit() -> None:
    value = {"x": 9.5e-05, "y": 0.1 + 0.2, "z": {"flag": True, "text": "a: b"}}
    assert parse_yaml(dump_yaml(value), "x") == value


def test_write_atomic_leaves_the_old_file_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    write_atomic(path, "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["f"]


def test_canonical_json_refuses_what_is_not_json() -> None:
    assert canonical_json({"b": 1, "a": "é"}) == '{"a":"é","b":1}'
    with pytest.raises(ValueError):
        canonical_json(float("nan"))
