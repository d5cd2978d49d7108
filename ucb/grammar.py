"""The small words of the log - numbers, prose, lists, mutations - each written and read back."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from typing import Annotated, Any

from pydantic import BeforeValidator

from state.config import Scalar
from state.errors import NightflyError
from state.records import Role

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SCALAR = r'"(?:[^"\\]|\\.)*"|[^\s,"]+'
_PAIR = re.compile(rf"([A-Za-z_][A-Za-z0-9_]*)=({_SCALAR})(?:, |$)")
_CHANGE = re.compile(rf"([A-Za-z_][A-Za-z0-9_]*): ({_SCALAR}) -> ({_SCALAR})(?:, |$)")
_RERUN = re.compile(r"\[none\] (?:—|–|--?) robustness re-run of Node [1-9][0-9]{0,8}")
_NO_CHANGE = re.compile(r"\[none\] (?:–|--?) ")
_NOT_FINITE = ("nan", "inf")
_NODE = re.compile(r"[1-9][0-9]{0,8}")
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

BASELINE = "[none] — baseline, campaign defaults unchanged"


class LogError(NightflyError):
    """A text that is not written in the log's format; says where and what was expected."""


def one_line(text: str) -> str:
    """``text`` as one printable line.

    Line breaks, control characters, lone surrogates and marks that reorder a line become spaces, runs of spaces
    one. A line of the log is told by its first word, so that prose which cannot start a line cannot pose as a field.
    """
    if not (text.isascii() and text.isprintable()):
        text = "".join(" " if _unprintable(char) else char for char in text)
    return " ".join(text.split())


def _unprintable(char: str) -> bool:
    if " " <= char <= "~":
        return False
    return char in _BIDI or unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")


def _prose(value: Any) -> Any:
    return one_line(value) if isinstance(value, str) else value


Prose = Annotated[str, BeforeValidator(_prose)]


def show_number(value: float | None) -> str:
    """Full precision; None is `nan`."""
    return "nan" if value is None else repr(value)


def read_number(text: str) -> float | None:
    """Inverse of `show_number`; LogError when ``text`` is neither a finite number nor `nan`."""
    if text == "nan":
        return None
    if not _NUMBER.fullmatch(text) or not math.isfinite(value := float(text)):
        raise LogError(f"found {text!r}, expected a finite number or nan")
    return value


def show_scalar(value: Scalar) -> str:
    """A config value; a string that could be taken for something else is quoted as JSON."""
    if isinstance(value, str):
        plain = _WORD.fullmatch(value) and value not in ("True", "False", *_NOT_FINITE)
        return value if plain else json.dumps(value)
    return repr(value)


def read_scalar(text: str) -> Scalar:
    """Inverse of `show_scalar`: type and value both come back."""
    if text in ("True", "False"):
        return text == "True"
    try:
        if text.startswith('"'):
            return str(json.loads(text))
        if _INTEGER.fullmatch(text):
            return int(text)
    except ValueError as error:
        raise LogError(f"found {text[:40]!r}, expected a value") from error
    if _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    if not _WORD.fullmatch(text) or text in _NOT_FINITE:
        raise LogError(f"found {text[:40]!r}, expected a number, True, False or a word")
    return text


def read_integer(text: str) -> int:
    """A seed as `str` writes it."""
    if not _INTEGER.fullmatch(text) or len(text) > 20:
        raise LogError(f"found {text[:40]!r}, expected an integer")
    return int(text)


def show_node(node: int | None) -> str:
    """A node id; None is `root`."""
    return "root" if node is None else str(node)


def read_node(text: str) -> int | None:
    """Inverse of `show_node`."""
    if text == "root":
        return None
    if not _NODE.fullmatch(text):
        raise LogError(f"found {text[:40]!r}, expected a node id or root")
    return int(text)


def show_pairs(pairs: dict[str, str]) -> str:
    """`key=value, key=value`."""
    return ", ".join(f"{key}={value}" for key, value in pairs.items())


def read_pairs(text: str) -> dict[str, str]:
    """Inverse of `show_pairs`."""
    return {key: value for key, (value,) in _list(_PAIR, text, "`key=value` joined by commas").items()}


def render_mutation(changes: dict[str, tuple[Scalar, Scalar]], role: Role, source_node: int | None) -> str:
    """The `Mutation:` value of a child that differs from node ``source_node`` by ``changes``.

    ``changes`` maps dotted keys (or leaves) to (parent value, child value); None as the source is the root of the tree.
    """
    if not changes:
        rerun = role != "baseline" and source_node is not None
        return f"[none] — robustness re-run of Node {source_node}" if rerun else BASELINE
    return ", ".join(f"{key}: {show_scalar(a)} -> {show_scalar(b)}" for key, (a, b) in leaves(changes).items())


def parse_mutation(text: str) -> dict[str, tuple[Scalar, Scalar]]:
    """Leaf key -> (old, new), empty for a re-run; LogError when ``text`` is not what `render_mutation` writes.

    A hyphen is understood in place of the dash.
    """
    text = with_dash(text)
    if text == BASELINE or _RERUN.fullmatch(text):
        return {}
    expected = "`key: old -> new` joined by commas, or `[none] — robustness re-run of Node X`"
    found = _list(_CHANGE, text, expected)
    return {key: (read_scalar(old), read_scalar(new)) for key, (old, new) in found.items()}


def with_dash(mutation: str) -> str:
    """``mutation`` with the dash of `[none] — ...` where it was written with a hyphen."""
    return _NO_CHANGE.sub("[none] — ", mutation)


def leaves(changes: dict[str, tuple[Scalar, Scalar]]) -> dict[str, tuple[Scalar, Scalar]]:
    """``changes`` under the last part of each dotted key; LogError when two keys share it."""
    short = {key.rpartition(".")[2]: change for key, change in changes.items()}
    if len(short) != len(changes):
        raise LogError(f"found the keys {', '.join(changes)}, expected keys that differ in their last part")
    return short


def _list(item: re.Pattern[str], text: str, expected: str) -> dict[str, tuple[str, ...]]:
    """First group -> the other groups of each ``item``; the items must cover ``text`` and differ in the first."""
    found: dict[str, tuple[str, ...]] = {}
    position = 0
    while match := item.match(text, position):
        key, *values = match.groups()
        if key in found:
            raise LogError(f"found {key} twice, expected each key once")
        found[key] = tuple(values)
        position = match.end()
        if position == len(text) and not match[0].endswith(", "):
            return found
    raise LogError(f"found {text[position : position + 60]!r}, expected {expected}")
