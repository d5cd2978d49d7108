"""Reads the predecessor's YAML configs: keys are translated, found needless, or refused. Knows no training.

A key counts as needless only when its value asks for what nightfly does anyway; nothing is dropped without a word.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from state.config import GraphModelConfig, SimulationConfig, SlotConfig, TrainingConfig
from state.errors import ConfigError
from state.files import read_yaml
from state.legacy_keys import (
    CYCLIC,
    DEFAULTS,
    FOREIGN_SECTIONS,
    L1_RATE_DEFAULT,
    L1_RATES,
    MARKS,
    ONLY,
    RENAMED,
    REQUIRED,
    SECTIONS,
    SIZES,
    TOP_LEVEL,
    UNUSED,
)
from state.schema import Section, nearest, validate

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
    tree is a slot config and absent keys take the predecessor's defaults. ConfigError for a request that nightfly
    cannot meet, and for a key that neither of the two knows.
    """
    if not is_legacy(tree):
        return Translation(tree)
    result = Translation({})
    foreign = []
    for key, value in tree.items():
        if key in (*SECTIONS, *keep) or key in SlotConfig.model_fields:
            result.tree[key] = value
        elif key in TOP_LEVEL and value in ("none", "", None):
            continue
        else:
            _refuse_typo(key, value, name, keep)
            foreign.append(key)
    unused: list[str] = []
    for section in SECTIONS:
        if isinstance(part := result.tree.get(section, {}), dict):
            result.tree[section] = _section(section, part, name, unused, result.notes, fill=not keep)
    if foreign:
        result.notes.append(f"{name}: nightfly has no use for the sections {', '.join(foreign)}")
    if unused:
        result.notes.append(f"{name}: without effect here: {', '.join(unused)}")
    return result


def _refuse_typo(key: str, value: Any, name: str, keep: tuple[str, ...]) -> None:
    """A foreign section is passed over, but not one that looks like a misspelt one, and no key that is no section."""
    known = [*SlotConfig.model_fields, *keep]
    advice = nearest(str(key), known)
    if key not in FOREIGN_SECTIONS and (not isinstance(value, dict) or advice.startswith("did you mean")):
        raise ConfigError(f"{name}: {key} is not a known key; {advice}")


def _section(
    section: str, part: dict[str, Any], name: str, unused: list[str], notes: list[str], fill: bool
) -> dict[str, Any]:
    native, found = NATIVE[section].model_fields, dict[str, Any]()
    rest = _special(section, dict(part), name, notes)
    for key, value in rest.items():
        new = RENAMED[section].get(key, key)
        if new in native:
            if new in found:
                raise ConfigError(f"{name}: {section}.{key} and {section}.{new} say the same thing twice; keep one")
            found[new] = value
        elif key in ONLY[section]:
            _must_be(f"{name}: {section}.{key}", value, ONLY[section][key])
        elif any(fnmatchcase(str(key), pattern) for pattern in UNUSED[section]):
            unused.append(f"{section}.{key}")
        else:
            raise ConfigError(f"{name}: {section}.{key} is not a known key; {nearest(str(key), list(native))}")
    if fill:
        _fill(section, found, name, notes)
    if found.get("w_init_mode") == "randn":
        raise ConfigError(
            f"{name}: training.w_init_mode is randn, which nightfly does not have; give randn_scaled or zeros"
        )
    return found


def _must_be(where: str, value: Any, allowed: tuple[Any, ...]) -> None:
    if not any(_same(value, one) for one in allowed):
        words = " or ".join(repr(one) if isinstance(one, str) else str(one) for one in allowed)
        raise ConfigError(f"{where} is {str(value)[:80]!r}; nightfly only does {words}")


def _same(value: Any, one: Any) -> bool:
    if isinstance(one, str):
        return str(value if value is not None else "").strip().lower() == one.lower()
    return isinstance(value, bool | int | float) and isinstance(value, bool) == isinstance(one, bool) and value == one


def _fill(section: str, found: dict[str, Any], name: str, notes: list[str]) -> None:
    if missing := [key for key in REQUIRED[section] if key not in found]:
        raise ConfigError(f"{name}: {section}.{missing[0]} is missing; add it")
    absent = {key: value for key, value in DEFAULTS[section].items() if key not in found}
    found.update(absent)
    if absent:
        words = ", ".join(f"{key} {value}" for key, value in absent.items())
        notes.append(f"{name}: {section} takes the predecessor's defaults for what it leaves out: {words}")


def _special(section: str, part: dict[str, Any], name: str, notes: list[str]) -> dict[str, Any]:
    """What is left of ``part`` once the keys that need more than a table are translated."""
    if section == "simulation":
        _simulation(part, name)
    if section == "training":
        _alternation(part, name)
        _rates(part, name, notes)
        if str(part.get("device", "")).startswith("cuda:"):
            notes.append(f"{name}: training.device {part['device']} is read as cuda; the engine chooses which")
            part["device"] = "cuda"
    return part


def _simulation(part: dict[str, Any], name: str) -> None:
    if any(value != 1 for row in part.pop("params", []) or [] for value in (row if isinstance(row, list) else [row])):
        raise ConfigError(
            f"{name}: simulation.params is not all ones; nightfly takes its parameters from the connectome"
        )
    movies = str(part.get("visual_input_type", "")).strip()
    if movies.lower() not in ("", "auto", "davis", "photographs"):
        raise ConfigError(f"{name}: simulation.visual_input_type is {movies!r}; give DAVIS, photographs or auto")
    part["visual_input_type"] = "DAVIS" if movies.lower() == "davis" else movies.lower() or "auto"
    _sizes(part, name)


def _sizes(part: dict[str, Any], name: str) -> None:
    """The extent follows from the number of inputs (8 a column of the eye); neurons and edges must agree with it."""
    neurons, edges, inputs = (part.pop(key, None) for key in ("n_neurons", "n_edges", "n_input_neurons"))
    if neurons is None and edges is None and inputs is None:
        return
    fits = [
        extent
        for extent in range(1, 16)
        if inputs in (None, 8 * (3 * extent * (extent + 1) + 1))
        and neurons in (None, SIZES.get(extent, (neurons, 0))[0])
        and edges in (None, 0, SIZES.get(extent, (0, edges))[1])
        and (inputs is not None or extent in SIZES)
    ]
    if not fits or part.get("extent", fits[0]) != fits[0]:
        raise ConfigError(
            f"{name}: simulation has n_neurons {neurons}, n_edges {edges} and n_input_neurons {inputs}, which fit no "
            "extent of flyvis's connectome; the full size, extent 8, has 13741, 434112 and 1736"
        )
    part["extent"] = fits[0]


def _alternation(part: dict[str, Any], name: str) -> None:
    cyclic = [key for key in CYCLIC if part.pop(key, None) is not None]
    if cyclic and part.get("alternate_training"):
        raise ConfigError(
            f"{name}: training.{cyclic[0]} asks for cyclic alternation; nightfly's two-stage training takes "
            "alternate_joint_ratio and alternate_lr_ratio"
        )


def _rates(part: dict[str, Any], name: str, notes: list[str]) -> None:
    """The oldest configs anneal each L1 by a rate of its own; nightfly has one rate for all L1 and L2."""
    given = {key: part.pop(key) for key in L1_RATES if key in part}
    if not given:
        return
    rates = [given.get(key, L1_RATE_DEFAULT) for key in L1_RATES]
    if any(rate != rates[0] for rate in rates) or "regul_annealing_rate" in part:
        words = ", ".join(f"{key} {rate}" for key, rate in zip(L1_RATES, rates, strict=True))
        raise ConfigError(f"{name}: training has {words}; nightfly anneals all by one regul_annealing_rate, give that")
    part["regul_annealing_rate"] = rates[0]
    notes.append(f"{name}: the L1 rates are read as regul_annealing_rate {rates[0]}, which scales L2 as well")


def load_slot_config(path: Path) -> tuple[SlotConfig, list[str]]:
    """The slot config in ``path``, in nightfly's keys or the predecessor's, and notes about the translation."""
    read = translate(read_yaml(path), str(path))
    return validate(SlotConfig, read.tree, str(path)), read.notes
