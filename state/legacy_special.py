"""Keys of the predecessor's configs whose meaning takes more than a table."""

from __future__ import annotations

from typing import Any

from state.legacy_faults import Faults
from state.legacy_keys import CYCLIC, L1_RATE_DEFAULT, L1_RATES, SIZES


def translate_special(
    section: str, part: dict[str, Any], name: str, notes: list[str], faults: Faults
) -> dict[str, Any]:
    """What is left of ``part`` once the keys that need more than a table are translated."""
    if section == "simulation":
        _simulation(part, faults)
    if section == "training":
        _alternation(part, faults)
        _rates(part, name, notes, faults)
        _update_rate(part, faults)
        if str(part.get("device", "")).startswith("cuda:"):
            notes.append(f"{name}: training.device {part['device']} is read as cuda; the engine chooses which")
            part["device"] = "cuda"
    return part


def _simulation(part: dict[str, Any], faults: Faults) -> None:
    params = part.pop("params", None) or []
    rows = params if isinstance(params, list) else [params]
    if any(value != 1 for row in rows for value in (row if isinstance(row, list) else [row])):
        faults.add("simulation.params", "is not all ones; nightfly takes its parameters from the connectome")
    if isinstance(light := part.pop("optogenetics", None), dict) and light.get("enabled"):
        faults.add("simulation.optogenetics", "is enabled, which nightfly does not do; remove it")
    movies = str(part.get("visual_input_type", "")).strip()
    if movies.lower() not in ("", "auto", "davis", "photographs"):
        faults.add("simulation.visual_input_type", f"is {movies!r}; give DAVIS, photographs or auto")
        movies = ""
    part["visual_input_type"] = "DAVIS" if movies.lower() == "davis" else movies.lower() or "auto"
    _sizes(part, faults)


def _sizes(part: dict[str, Any], faults: Faults) -> None:
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
        faults.add(
            "simulation.n_neurons",
            f"{neurons}, n_edges {edges} and n_input_neurons {inputs} fit no extent of flyvis's connectome; the full "
            "size, extent 8, has 13741, 434112 and 1736",
        )
        return
    part["extent"] = fits[0]


def _alternation(part: dict[str, Any], faults: Faults) -> None:
    cyclic = [key for key in CYCLIC if part.pop(key, None) is not None]
    if cyclic and part.get("alternate_training"):
        faults.add(
            f"training.{cyclic[0]}",
            "asks for cyclic alternation; nightfly's two-stage training takes alternate_joint_ratio and "
            "alternate_lr_ratio",
        )


def _rates(part: dict[str, Any], name: str, notes: list[str], faults: Faults) -> None:
    """The oldest configs anneal each L1 by a rate of its own; nightfly has one rate for all L1 and L2."""
    given = {key: part.pop(key) for key in L1_RATES if key in part}
    if not given:
        return
    rates = [given.get(key, L1_RATE_DEFAULT) for key in L1_RATES]
    if any(rate != rates[0] for rate in rates) or "regul_annealing_rate" in part:
        words = ", ".join(f"{key} {rate}" for key, rate in zip(L1_RATES, rates, strict=True))
        faults.add(
            f"training.{next(iter(given))}",
            f"is one of {words}; nightfly anneals all by one regul_annealing_rate, give that",
        )
        return
    part["regul_annealing_rate"] = rates[0]
    notes.append(f"{name}: the L1 rates are read as regul_annealing_rate {rates[0]}, which scales L2 as well")


def _update_rate(part: dict[str, Any], faults: Faults) -> None:
    """f_theta's own rate: 0 stands for that of g_phi, and so does the same number."""
    common = next((part[key] for key in ("learning_rate_start", "lr") if key in part), None)
    for key in ("lr_update", "learning_rate_update_start"):
        value = part.pop(key, 0)
        if not allows((0,) if common is None else (0, common), value):
            faults.add(
                f"training.{key}", f"is {str(value)[:80]!r}; nightfly trains f_theta at the rate of g_phi, give 0"
            )


def allows(allowed: tuple[Any, ...], value: Any) -> bool:
    """Whether ``value`` is one of ``allowed``; words in any case, None as the empty word, and True is not 1."""
    return any(_same(value, one) for one in allowed)


def _same(value: Any, one: Any) -> bool:
    if isinstance(one, str):
        return str(value if value is not None else "").strip().lower() == one.lower()
    return isinstance(value, bool | int | float) and isinstance(value, bool) == isinstance(one, bool) and value == one
