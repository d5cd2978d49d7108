"""Reads the predecessor's YAML configs: keys are translated, found needless, or refused.

A key counts as needless only when its value asks for what nightfly does anyway; nothing is dropped without a word.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from state.config import GraphModelConfig, SimulationConfig, SlotConfig, TrainingConfig
from state.files import read_yaml
from state.legacy_compat import apply_compat, notes_of
from state.legacy_faults import Faults
from state.legacy_keys import (
    DEFAULTS,
    FOREIGN_SECTIONS,
    LABELS,
    MARKS,
    ONLY,
    RENAMED,
    REQUIRED,
    SECTIONS,
    TOP_LEVEL,
    UNUSED,
)
from state.legacy_special import allows, translate_special
from state.schema import Section, explain, misspelt, validate

NATIVE: dict[str, type[Section]] = {
    "simulation": SimulationConfig,
    "graph_model": GraphModelConfig,
    "training": TrainingConfig,
}


@dataclass
class Translation:
    """A tree in nightfly's own keys, and what a person should know about how it came about."""

    tree: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def is_legacy(tree: dict[str, Any]) -> bool:
    """Whether any key can only come from the predecessor."""
    marked = any(
        mark in section
        for name, marks in MARKS.items()
        if isinstance(section := tree.get(name), dict)
        for mark in marks
    )
    return marked or "plotting" in tree


def translate(tree: dict[str, Any], name: str, keep: tuple[str, ...] = ()) -> Translation:
    """``tree`` of file ``name`` in nightfly's keys; a tree without any of the predecessor's marks comes back as it is.

    ``keep`` names further sections that mean something to the caller, such as those of a campaign; without any the
    tree is a slot config and absent keys take the predecessor's defaults. ConfigError tells every request that nightfly
    cannot meet and every key that neither of the two knows, the decisive one first.
    """
    faults = Faults(name)
    result = _translate(tree, name, keep, faults)
    faults.refuse()
    return result


def _translate(tree: dict[str, Any], name: str, keep: tuple[str, ...], faults: Faults) -> Translation:
    """As far as it goes: what is at fault is told to ``faults`` and left out."""
    if not is_legacy(tree):
        return Translation(tree)
    result = Translation({})
    tree = apply_compat(tree, name, keep, result.notes, faults)
    foreign = []
    for key, value in tree.items():
        if key in (*SECTIONS, *keep) or key in SlotConfig.model_fields:
            result.tree[key] = value
        elif key in LABELS or (key in TOP_LEVEL and value in ("none", "", None)):
            continue
        elif _is_foreign(str(key), value, keep, faults):
            foreign.append(str(key))
    unused: list[str] = []
    for section in SECTIONS:
        if isinstance(part := result.tree.get(section, {}), dict):
            result.tree[section] = _section(section, part, name, unused, result.notes, faults, fill=not keep)
    if foreign:
        result.notes.append(f"{name}: nightfly has no use for the sections {', '.join(foreign)}")
    if unused:
        result.notes.append(f"{name}: without effect here: {', '.join(unused)}")
    if not faults.told:
        result.notes += notes_of(tree, result.tree, name, keep)
    return result


def _is_foreign(key: str, value: Any, keep: tuple[str, ...], faults: Faults) -> bool:
    """Whether a section may be passed over: not one that looks like a misspelt one, and no key that is no section."""
    known = [*SlotConfig.model_fields, *keep]
    meant = misspelt(key, known)
    if key in FOREIGN_SECTIONS or (isinstance(value, dict) and not meant):
        return True
    advice = f"did you mean {meant}?" if meant else f"known here: {', '.join(sorted(known))}"
    faults.add(key, f"is not a known key; {advice}")
    return False


def _section(
    section: str, part: dict[str, Any], name: str, unused: list[str], notes: list[str], faults: Faults, fill: bool
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in translate_special(section, dict(part), name, notes, faults).items():
        new, where = RENAMED[section].get(key, key), f"{section}.{key}"
        if new in NATIVE[section].model_fields:
            if new in found:
                faults.add(where, f"and {section}.{new} say the same thing twice; keep one")
            found[new] = value
        elif any(fnmatchcase(str(key), pattern) for pattern in UNUSED[section]) and key not in ONLY[section]:
            unused.append(where)
        else:
            _refuse_key(section, key, value, faults)
    if fill:
        _fill(section, found, name, notes, faults)
    if found.get("w_init_mode") == "randn":
        found.pop("w_init_mode")
        faults.add(
            "training.w_init_mode", "is randn, which nightfly does not have; give randn_scaled, uniform_scaled or zeros"
        )
    return found


def _refuse_key(section: str, key: Any, value: Any, faults: Faults) -> None:
    """A fault, unless the value asks for what nightfly does anyway."""
    allowed = ONLY[section].get(key)
    if allowed is not None:
        if not allows(allowed, value):
            words = " or ".join(repr(one) if isinstance(one, str) else str(one) for one in allowed)
            faults.add(f"{section}.{key}", f"is {str(value)[:80]!r}; nightfly only does {words}")
        return
    meant = misspelt(str(key), list(NATIVE[section].model_fields))
    advice = f"did you mean {meant}?" if meant else "remove it if the training does not depend on it"
    faults.add(f"{section}.{key}", f"is not a known key, here or of the predecessor; {advice}")


def _fill(section: str, found: dict[str, Any], name: str, notes: list[str], faults: Faults) -> None:
    for key in REQUIRED[section]:
        if key not in found:
            faults.add(f"{section}.{key}", "is missing; add it")
    absent = {key: value for key, value in DEFAULTS[section].items() if key not in found}
    found.update(absent)
    if absent:
        words = ", ".join(f"{key} {value}" for key, value in absent.items())
        notes.append(f"{name}: {section} takes the predecessor's defaults for what it leaves out: {words}")


def load_slot_config(path: Path) -> tuple[SlotConfig, list[str]]:
    """The slot config in ``path``, in nightfly's keys or the predecessor's, and notes about the translation.

    ConfigError tells all faults of a config of the predecessor, those of its values as well.
    """
    return read_slot_config(read_yaml(path), str(path))


def read_slot_config(tree: dict[str, Any], name: str) -> tuple[SlotConfig, list[str]]:
    """The same of a ``tree`` that was read from ``name``."""
    faults = Faults(name)
    read = _translate(tree, name, (), faults)
    if faults.told:
        _tell_values(read.tree, faults)
    faults.refuse()
    return validate(SlotConfig, read.tree, name), read.notes


def _tell_values(tree: dict[str, Any], faults: Faults) -> None:
    """The faults of what could be translated, unless they follow from those told before."""
    try:
        SlotConfig.model_validate(tree)
    except ValidationError as error:
        told = {text.partition(" ")[0] for _, text in faults.told}
        for fault in error.errors():
            key, _, clause = explain(fault, SlotConfig).partition(" ")
            if key not in told:
                faults.add(key, clause)
