"""One base for every typed section, and one place that turns a validation failure into a clear sentence."""

from __future__ import annotations

import difflib
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from state.errors import ConfigError


class Section(BaseModel):
    """A frozen record that refuses unknown keys and numbers that are not finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)


S = TypeVar("S", bound=BaseModel)


def validate(model: type[S], value: Any, name: str) -> S:
    """``value`` as a ``model``; ConfigError tells the first fault of file ``name`` and what would be right."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        more = error.error_count() - 1
        tail = f" (and {more} more fault{'s' if more > 1 else ''})" if more else ""
        raise ConfigError(f"{name}: {explain(first, model)}{tail}") from error


def explain(fault: Any, model: type[BaseModel]) -> str:
    """One pydantic fault as `key: what was found, what is expected`."""
    path = [str(part) for part in fault["loc"]]
    key = _cut(".".join(path))
    if fault["type"] == "extra_forbidden":
        return f"{key} is not a known key; {nearest(path[-1], known_keys(model, path[:-1]))}"
    if fault["type"] == "missing":
        return f"{key} is missing; add it"
    found = "" if isinstance(fault["input"], dict) else f" is {_cut(repr(fault['input']))};"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{key}{found} {message[0].lower()}{message[1:]}" if key else f"{message[0].lower()}{message[1:]}"


def _cut(text: str, size: int = 120) -> str:
    return text if len(text) <= size else text[: size - 3] + "..."


def nearest(name: str, known: list[str]) -> str:
    """The advice that goes with an unknown name: the one it is a misspelling of, else all that are known."""
    close = misspelt(name, known)
    return f"did you mean {close}?" if close else f"known here: {', '.join(sorted(known))}"


def misspelt(name: str, known: list[str]) -> str | None:
    """The name that ``name`` is a misspelling of; one that differs in a whole word means another thing.

    So hiden_dim is hidden_dim, but coeff_tau_L1 is not coeff_W_L1 and train_start not learning_rate_start.
    """
    close = difflib.get_close_matches(name, known, n=5, cutoff=0.6)
    return next((one for one in close if _means(_words(name), _words(one))), None)


def _words(name: str) -> list[str]:
    return name.replace(".", "_").split("_")


def _means(given: list[str], meant: list[str]) -> bool:
    if len(given) == len(meant):
        return all(a == b or _alike(a, b) for a, b in zip(given, meant, strict=True))
    rest = iter(meant)
    if len(meant) == len(given) + 1 and len(given) > 1 and all(word in rest for word in given):
        # A word is left out; a single letter (W, g, f) is the name of something, which says another thing.
        return len(next(word for word in meant if word not in given)) > 1
    return "".join(given) == "".join(meant)


def _alike(a: str, b: str) -> bool:
    """Whether two words are one but for a slip: short ones and those with other digits never are."""
    digits = [[c for c in word if c.isdigit()] for word in (a, b)]
    close = min(len(a), len(b)) > 3 and difflib.SequenceMatcher(None, a, b).ratio() >= 0.7
    return digits[0] == digits[1] and (close or a.removesuffix("s") == b.removesuffix("s") != "")


def known_keys(model: type[BaseModel], path: list[str]) -> list[str]:
    """Field names of the section that ``path`` leads to, through the entries of mappings and lists as well."""
    current: Any = model
    for part in path:
        if get_origin(current) in (dict, list):
            current = get_args(current)[-1]
        elif (field := getattr(current, "model_fields", {}).get(part)) is not None:
            current = field.annotation
        else:
            break
    return list(getattr(current, "model_fields", model.model_fields))
