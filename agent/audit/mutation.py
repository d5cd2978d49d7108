"""What a `Mutation:` line declares, in the many ways models write it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from agent.audit.values import Value, canonical, is_key, join_thousands, read_pairs, read_value, split_notes

Kind = Literal["changes", "none", "baseline", "prose"]

_ARROW = re.compile(r"-{1,4}>|={1,4}>|[→⇒➔➜⟶]")
_PRINCIPLE = re.compile(r"\b(?:testing|test of) principle", re.IGNORECASE)
_BOUNDARY = frozenset({";", ".", "and", "+", "&", "plus"})
_RERUN = re.compile(
    r"\b(?:re-?run|repeat|replicate) of (?:(?:node|iter|iteration) {0,2})?#?([0-9]{1,9})", re.IGNORECASE
)
_NONE = re.compile(
    r"\W{0,4}(?:none|no[ -]mutation|no[ -]change|unchanged|re-?run|robustness re-?run|control)\b", re.IGNORECASE
)
_BASELINE = re.compile(r"\b(?:baseline|block[ -]start|initial spread)", re.IGNORECASE)


@dataclass(frozen=True)
class Change:
    """One declared change. ``old`` None: not said, or not a value; ``new`` None: undefined."""

    key: str
    old: Value | None
    new: Value | None
    text: str


@dataclass(frozen=True)
class Mutation:
    """A mutation line. ``mentions``: all `key=value` in it, notes included. ``rerun_of``: the node it says it repeats.

    ``kind`` none: it says that nothing changed; baseline: a start from elsewhere; prose: nothing could be read.
    """

    text: str
    kind: Kind
    changes: tuple[Change, ...] = ()
    mentions: tuple[tuple[str, Value], ...] = ()
    rerun_of: int | None = None


def read_mutation(text: str) -> Mutation:
    """Read ``text``: `key: old -> new` and `key=new`, joined by commas, semicolons, AND, + or full stops."""
    told = _PRINCIPLE.split(text, maxsplit=1)[0]
    outside, notes = split_notes(_ARROW.sub(" -> ", join_thousands(told)))
    changes = tuple(_changes(outside)) or tuple(_arrows(notes))
    values = ((canonical(key), read_value(value)) for key, value in read_pairs(outside + " ; " + notes).items())
    mentions = tuple((key, value) for key, value in values if value is not None)
    rerun = _RERUN.search(told)
    kind: Kind = "changes" if changes else "prose"
    if rerun or (_NONE.match(told) and not any(change.old is not None for change in changes)):
        kind, changes = "none", ()
    if not changes and kind == "prose" and _BASELINE.search(told):
        kind = "baseline"
    return Mutation(text, kind, changes, mentions, int(rerun[1]) if rerun and kind == "none" else None)


def _changes(text: str) -> Iterator[Change]:
    for item in _items(text):
        change = _arrow(item) if "->" in item else _assignment(item)
        if change:
            yield change


def _arrows(text: str) -> Iterator[Change]:
    """Of notes only what has an arrow counts: `(L1=1E-4)` tells of the surroundings."""
    return (change for change in _changes(text) if "->" in change.text)


def _items(text: str) -> Iterator[list[str]]:
    """The words of each item; a full stop after a word ends one, too, unless an arrow follows."""
    item: list[str] = []
    words = text.replace(",", " ; ").replace(";", " ; ").split()
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if word.casefold() not in _BOUNDARY:
            item.append(word)
            if not word.endswith(".") or following == "->":
                continue
        yield item
        item = []
    yield item


def _arrow(words: list[str]) -> Change | None:
    """`key: old -> new`, `key old -> new`, `[code] key: a -> b -> new`; words after the new value are a remark."""
    first, last = words.index("->"), len(words) - 1 - words[::-1].index("->")
    key, old = _key_and_old(words[:first])
    rest = words[last + 1 :]
    if not key or not rest:
        return None
    return Change(canonical(key), read_value(old), read_value(rest[0]), " ".join(words))


def _key_and_old(words: list[str]) -> tuple[str, str]:
    """The key is the last word that ends in or holds a colon or equals sign, else the word before the old value."""
    for at in range(len(words) - 1, -1, -1):
        parts = re.split(r"[:=]", words[at], maxsplit=1)
        if len(parts) == 2:
            return _clean(parts[0]), " ".join([parts[1], *words[at + 1 :]]).strip()
    return (_clean(words[-2]), words[-1]) if len(words) > 1 else ("", "")


def _assignment(words: list[str]) -> Change | None:
    """`key=new` or `key: new`, with nothing else in the item but a `[tag]`."""
    plain = [word for word in words if not (word.startswith("[") and word.endswith("]"))]
    joined = " ".join(plain)
    if len(plain) > 3 or len(joined) > 200:
        return None
    parts = re.split(r" {0,2}[:=] {0,2}", joined, maxsplit=1)
    if len(parts) != 2 or " " in parts[1] or not parts[1] or not (key := _clean(parts[0])):
        return None
    return Change(canonical(key), None, read_value(parts[1]), joined)


def _clean(text: str) -> str:
    key = text.strip("`*'\"[] ")
    return key if is_key(key) else ""
