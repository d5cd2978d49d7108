"""Settings that came after the first release, and what held before them.

Runs that were begun before go on, replay and hash as they did: a setting that has its earlier value is not written, and
a written config without it means that value. A campaign as a person writes it takes today's defaults; only the frozen
copy of an earlier run is read with those of its time.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from state.schema import Section

# What `campaign_started` of a new run says; runs of the first release say nothing.
FORMAT = 2

# Defaults that have changed: dotted key -> the default of the first release.
EARLIER_DEFAULTS: dict[str, Any] = {
    "training.coeff_g_phi_weight_L1": 0.28,
    "training.coeff_W_L1": 5e-5,
    "training.regul_annealing_rate": 0.0,
}


def added(default: Any, *, before: Any, **field: Any) -> Any:
    """A pydantic field that was added later; ``before`` is what held without it."""
    return Field(default, json_schema_extra={"before": before}, **field)


class Growing(Section):
    """A section that has got settings since the first release; see this module."""

    @classmethod
    @cache
    def earlier(cls) -> dict[str, Any]:
        """The added settings with the values that held before."""
        extras = ((name, field.json_schema_extra) for name, field in cls.model_fields.items())
        return {name: extra["before"] for name, extra in extras if isinstance(extra, dict) and "before" in extra}

    @model_serializer(mode="wrap")
    def _without_earlier(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = handler(self)
        for key, value in self.earlier().items():
            if written.get(key) == value:
                del written[key]
        return written


def with_earlier(tree: dict[str, Any], sections: dict[str, type[Section]], defaults: bool) -> dict[str, Any]:
    """A copy of ``tree`` in which each added setting that is absent has its earlier value.

    ``sections`` are the sections by name; with ``defaults`` absent keys of EARLIER_DEFAULTS are filled in as well.
    """
    filled = {**tree}
    for name, values in _by_section(sections, defaults):
        if isinstance(part := tree.get(name, {}), dict):
            filled[name] = values | part
    return filled


def _by_section(sections: dict[str, type[Section]], defaults: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, section in sections.items():
        values = section.earlier() if issubclass(section, Growing) else {}
        if defaults:
            dotted = {key: value for key, value in EARLIER_DEFAULTS.items() if key.startswith(f"{name}.")}
            values = values | {key.partition(".")[2]: value for key, value in dotted.items()}
        if values:
            yield name, values


def is_complete(tree: dict[str, Any], sections: dict[str, type[Section]]) -> bool:
    """Whether ``tree`` names every key of ``sections`` but added ones: then the program has written it, no person."""
    for name, section in sections.items():
        part = tree.get(name)
        later = section.earlier() if issubclass(section, Growing) else {}
        if not isinstance(part, dict) or not set(section.model_fields) - set(later) <= set(part):
            return False
    return True
