"""The config of each imported node: from its file, else from the `Mutation:` lines down from the campaign's defaults.

Either is held against the node's `Config:` line, and has to be a config that this campaign could have made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.audit.entry import Entry
from agent.audit.mutation import Change
from agent.audit.values import show
from agent.predecessor.entries import parent_of
from agent.predecessor.keys import SEED_NAMES, as_config, is_campaigns, names_of, same_value, why_not
from state.campaign import Campaign
from state.config import DERIVED_KEYS, Scalar
from state.errors import ConfigError
from state.files import parse_yaml
from state.legacy import read_slot_config
from ucb.grammar import one_line, show_node
from ucb.log_tree import departures

_LONGEST = 300
FROM_MUTATIONS = "config from the mutations down from the campaign's defaults"


class Unknown(Exception):
    """The config of a node is not known, and why."""


@dataclass(frozen=True)
class Found:
    """Where a node's config leaves the campaign's defaults, None = not known; and from what, or why not."""

    departures: dict[str, Scalar] | None
    origin: str


@dataclass
class Configs:
    """``files``: id -> name and text of its config file. ``reset`` collects keys that have the campaign's values."""

    campaign: Campaign
    files: Mapping[int, tuple[str, str]]
    reset: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.base = self.campaign.base_config().flat()
        self._names = names_of(self.base)

    def find(self, entry: Entry, parent: Found) -> Found:
        """The config of ``entry``, whose parent has the config ``parent``."""
        try:
            if entry.id in self.files:
                name, text = self.files[entry.id]
                found, origin = self._from_file(name, text), f"config from {name}"
            else:
                found, origin = self._from_mutation(entry, parent), FROM_MUTATIONS
            found = self._checked(found)
            self._hold_against_log(entry, found, origin)
        except Unknown as why:
            return Found(None, f"config not known: {one_line(str(why))[:_LONGEST]}")
        return Found(found, one_line(origin))

    def _from_file(self, name: str, text: str) -> dict[str, Scalar]:
        try:
            config, _ = read_slot_config(parse_yaml(text, name), name)
        except ConfigError as error:
            raise Unknown(str(error)) from error
        own = departures(self.base, config.flat())
        named = {key for key in own if is_campaigns(key) and key.partition(".")[0] in ("simulation", "connectome")}
        self.reset |= named - {"simulation.seed"}
        return {key: value for key, value in own.items() if not is_campaigns(key)}

    def _from_mutation(self, entry: Entry, parent: Found) -> dict[str, Scalar]:
        node, mutation = parent_of(entry), entry.mutation
        if parent.departures is None:
            raise Unknown("that of its parent is not known either")
        if mutation is None:
            raise Unknown("it has no `Mutation:` line")
        if mutation.kind == "prose" or (mutation.kind == "baseline" and node is not None):
            raise Unknown(f"its `Mutation:` line says no change of node {show_node(node)}: {mutation.text[:80]}")
        if mutation.rerun_of not in (None, node):
            raise Unknown(f"its `Mutation:` line repeats node {mutation.rerun_of}, its parent is {show_node(node)}")
        found = dict(parent.departures)
        for change in mutation.changes:
            if change.key not in SEED_NAMES:
                self._apply(change, found, show_node(node))
        return found

    def _apply(self, change: Change, found: dict[str, Scalar], parent: str) -> None:
        key = self._names.get(change.key)
        if key is None:
            raise Unknown(f"its `Mutation:` line changes {change.key}, which no config here has")
        held = found.get(key, self.base[key])
        if change.old is not None and not same_value(change.old, held):
            raise Unknown(
                f"its `Mutation:` line changes {change.key} from {show(change.old)}, but its parent {parent} has {held}"
            )
        if change.new is None:
            raise Unknown(f"its `Mutation:` line gives no new value of {change.key}")
        found[key] = as_config(change.new, self.base[key])

    def _checked(self, found: dict[str, Scalar]) -> dict[str, Scalar]:
        """``found`` as the schema has it; Unknown where the campaign could not have made that config."""
        try:
            config = self.campaign.base_config().replaced(found, "its config")
        except ConfigError as error:
            raise Unknown(str(error)) from error
        whole = departures(self.base, config.flat())
        if misfits := [
            f"{key} = {value} ({why})"
            for key, value in whole.items()
            if key not in DERIVED_KEYS and (why := why_not(key, value, self.campaign)) is not None
        ]:
            raise Unknown(f"the campaign could not have made it: {', '.join(misfits)}")
        return whole

    def _hold_against_log(self, entry: Entry, found: dict[str, Scalar], origin: str) -> None:
        others = []
        for name, told in entry.config.items():
            key = self._names.get(name)
            if name in SEED_NAMES or (key is not None and is_campaigns(key)):
                continue
            if key is None:
                raise Unknown(f"its `Config:` line has {name}, which no config here has")
            if not same_value(told, held := found.get(key, self.base[key])):
                others.append(f"{name}={show(told)} ({held})")
        if others:
            raise Unknown(f"its `Config:` line says otherwise than the {origin} (in brackets): {', '.join(others)}")
