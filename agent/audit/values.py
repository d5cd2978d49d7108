"""Numbers, names and `key=value` lists as models write them, read tolerantly and in linear time."""

from __future__ import annotations

import math
import re
from functools import lru_cache

from state.metrics import FOREIGN, METRICS

Value = float | bool | str

# Names that mean the same key; the right side is the name used in comparisons.
ALIASES = {
    "learning_rate_w_start": "lr_W",
    "learning_rate_start": "lr",
    "learning_rate_embedding_start": "lr_emb",
    "learning_rate_w": "lr_W",
    "learning_rate": "lr",
    "learning_rate_embedding": "lr_emb",
    "lr_embedding": "lr_emb",
    "lr_w": "lr_W",
    "l1": "coeff_W_L1",
    "w_l1": "coeff_W_L1",
    "edge_diff": "coeff_edge_diff",
    "g_phi_diff": "coeff_g_phi_diff",
    "phi_zero": "coeff_lin_phi_zero",
    "batch": "batch_size",
    "epochs": "n_epochs",
    "alternate_joint_ratio": "joint_ratio",
    "alternate_lr_ratio": "lr_ratio",
    "data_augmentation_loop": "aug_loop",
    "data_aug": "aug_loop",
    "aug": "aug_loop",
    "dal": "aug_loop",
    "bs": "batch_size",
    "recurrent_training": "recurrent",
}
UNDEFINED = frozenset({"nan", "n/a", "na", "none", "null", "inf", "-inf", "+inf", "-", "--", "—", "undefined"})

_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,6})?")
# The look-behind lets a match begin at the start of a word only, which keeps the search linear.
_PAIR = re.compile(r"(?<![\w.])([A-Za-z_][\w.]{0,79}) {0,4}[=:] {0,4}([^\s,;()=]+)")
# `200k` steps; the one unit that models write behind a number of a config.
_KILO = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)[kK]")
_THOUSANDS = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9.eE]))")
_KEY = re.compile(r"[A-Za-z_][\w.]{0,79}")
_TRUE, _FALSE = frozenset({"true", "t", "yes"}), frozenset({"false", "f", "no"})


def canonical(key: str) -> str:
    """The one name of ``key``: without its section, aliases resolved."""
    last = key.rpartition(".")[2]
    if key.endswith(".seed") and key != ".seed":
        return key
    return ALIASES.get(last.casefold(), last)


def canonical_metric(name: str) -> str:
    """The one name of a metric; a name that is not known stays as it is."""
    return _aliases(tuple(METRICS)).get(name.casefold().replace("²", "2"), name)


@lru_cache(maxsize=1)
def _aliases(names: tuple[str, ...]) -> dict[str, str]:
    rows = (*(METRICS[name] for name in names), *FOREIGN.values())
    return {alias: row.name for row in rows for alias in row.aliases}


def is_key(text: str) -> bool:
    """Whether ``text`` can be the name of a parameter."""
    return bool(_KEY.fullmatch(text))


def read_number(text: str) -> float | None:
    """The finite number ``text`` is, else None; `~` and trailing stops or stars are forgiven."""
    text = text.strip("`*").lstrip("~≈").rstrip(".!")
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def read_value(text: str) -> Value | None:
    """A number, True/False (also T/F), or a word; None when undefined (`N/A`, `nan`, nothing)."""
    text = text.strip("`*'\"").rstrip(".!")
    word = text.casefold()
    if not text or word in UNDEFINED:
        return None
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    if match := _KILO.fullmatch(text):
        return 1000.0 * float(match[1])
    number = read_number(text)
    return word if number is None else number


def decimals(text: str) -> int:
    """Digits behind the point of a number as written; 15 where it has an exponent."""
    return len(text.rstrip(".!%*`").partition(".")[2]) if "e" not in text.casefold() else 15


def same(a: Value, b: Value) -> bool:
    """Equal values; numbers within a relative 1e-9."""
    if isinstance(a, bool) or isinstance(b, bool) or isinstance(a, str) or isinstance(b, str):
        return a is b if isinstance(a, bool) and isinstance(b, bool) else a == b and type(a) is type(b)
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-300)


def comparable(a: Value, b: Value) -> bool:
    """Whether both are of one kind; a word such as `baseline` in place of a number says nothing about it."""
    return type(a) is type(b)


def show(value: Value) -> str:
    """As a person would write it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def split_notes(text: str) -> tuple[str, str]:
    """``text`` outside of parentheses, and what stood within them, joined; an unclosed one reaches to the end."""
    outside: list[str] = []
    notes: list[str] = []
    depth = 0
    for part in re.split(r"([()])", text):
        if part == "(":
            depth += 1
        elif part == ")":
            depth = max(0, depth - 1)
        else:
            (notes if depth else outside).append(part)
    return " ".join(outside), " ; ".join(notes)


def join_thousands(text: str) -> str:
    """`10,000` as `10000`; a comma that separates items has no three digits and end of number behind it."""
    return _THOUSANDS.sub("", text)


def read_pairs(text: str) -> dict[str, str]:
    """Key as written -> value as written, of every `key=value` or `key: value`; of equal keys the first."""
    found: dict[str, str] = {}
    for key, value in _PAIR.findall(text):
        found.setdefault(key, value)
    return found


def read_config(text: str) -> dict[str, Value]:
    """Canonical key -> value of a `Config:` line; undefined values are left out."""
    pairs = read_pairs(split_notes(join_thousands(text))[0])
    values = {canonical(key): read_value(value) for key, value in pairs.items()}
    return {key: value for key, value in values.items() if value is not None}
