"""YAML that would fill the memory or the stack - nested too deep, or unfolding from aliases - is refused unread."""

from __future__ import annotations

import re
from typing import Any

import yaml

from state.errors import ConfigError

LARGEST = 4_000_000  # characters; a config has a few thousand
DEEPEST = 40
MOST_NODES = 100_000
# Text without any of these cannot be nested deep: only brackets, aliases and rows of dashes nest without long lines.
SUSPICIOUS = re.compile(r"[&*]|(?:[-?:] ){8}")
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def refuse_bomb(text: str, name: str) -> None:
    """ConfigError for a text of ``name`` that is too large, too deep, or unfolds to too much; YAMLError for no YAML."""
    if len(text) > LARGEST:
        raise ConfigError(f"{name}: has {len(text):,} characters, more than the {LARGEST:,} that a config may have")
    brackets = text.count("[") + text.count("{")
    # Block style needs a line with one more space for each level.
    levels = max((len(line) - len(line.lstrip(" ")) for line in text.splitlines()), default=0)
    if brackets < DEEPEST and levels < DEEPEST and not SUSPICIOUS.search(text):
        return
    _count(text, name)


def _count(text: str, name: str) -> None:
    """Walk through the events, which takes no recursion, and count levels and nodes with aliases unfolded."""
    sizes, anchors, known = [0], list[str | None](), dict[str, int]()
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            sizes.append(1)
            anchors.append(event.anchor)
            if len(sizes) > DEEPEST:
                where = f", line {event.start_mark.line + 1}" if event.start_mark else ""
                raise ConfigError(f"{name}{where}: nested more than {DEEPEST} levels deep; write it flat")
        elif isinstance(event, yaml.CollectionEndEvent):
            size, anchor = sizes.pop(), anchors.pop()
            sizes[-1] += size
            known |= {anchor: size} if anchor else {}
        elif isinstance(event, yaml.AliasEvent):
            sizes[-1] += known.get(event.anchor or "", 1)
        elif isinstance(event, yaml.ScalarEvent):
            sizes[-1] += 1
            known |= {event.anchor: 1} if event.anchor else {}
        if sizes[-1] > MOST_NODES:
            raise ConfigError(f"{name}: unfolds to more than {MOST_NODES:,} values; write them without aliases")
