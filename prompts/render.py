"""Fills the templates. Undefined variables are errors, and nothing that a model wrote is ever used as a template."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from prompts.context import Context, DemandView
from state.added import FORMAT
from state.files import sha256
from ucb.compare import MIN_SEEDS
from ucb.shares import BELOW_USUAL
from ucb.trial import LOOKS

FOLDER = Path(__file__).parent
TEMPLATES = ("system.md.j2", "start.md.j2", "ask.md.j2", "batch.md.j2", "repair.md.j2")


def folder(format: int) -> Path:
    """Where the templates of a run of ``format`` stand: a run is asked in the words that it was begun with."""
    return FOLDER / "first_release" if format == 1 else FOLDER


@lru_cache(maxsize=2)
def _environment(format: int) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(folder(format)),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    environment.filters |= filters()
    environment.globals |= constants()
    return environment


def figure(value: float | None, digits: int = 4) -> str:
    """A measured number, or `missing`."""
    return "missing" if value is None else f"{value:.{digits}f}"


def pairs(values: Mapping[str, object]) -> str:
    """`key=value, key=value`."""
    return ", ".join(f"{key}={value}" for key, value in values.items())


def figures(values: Mapping[str, float | None]) -> str:
    """`name=figure, name=figure`."""
    return ", ".join(f"{name}={figure(value)}" for name, value in values.items())


def moves(values: Mapping[str, tuple[float | None, float | None]]) -> str:
    """`name from -> to, name from -> to`."""
    return ", ".join(f"{name} {figure(first, 3)} -> {figure(last, 3)}" for name, (first, last) in values.items())


def plain(value: float) -> str:
    """A limit without needless zeros; an undefined one is an error here as well."""
    return f"{float(value):g}"


def percent(value: float) -> str:
    """A share as `5 %`."""
    return f"{100 * value:g} %"


def node(value: int | None) -> str:
    """A node id; None is root."""
    return "root" if value is None else str(value)


def filters() -> dict[str, Callable[..., str]]:
    """What the templates call on their facts."""
    named = (figure, node, pairs, figures, moves, plain, percent)
    return {one.__name__: one for one in named}


def constants() -> dict[str, Any]:
    """Numbers of the code that the templates of today state."""
    *first, last = (str(runs) for runs, _ in LOOKS)
    return {"code": {"min_seeds": MIN_SEEDS, "below_usual": BELOW_USUAL, "looks": f"{', '.join(first)} and {last}"}}


def render_system(context: Context) -> str:
    """The part that stays the same through a campaign."""
    return _environment(context.format).get_template("system.md.j2").render(c=context)


def render_prompt(context: Context) -> str:
    """The start or the batch prompt."""
    return _environment(context.format).get_template(f"{context.kind}.md.j2").render(c=context)


def render_repair(violations: Sequence[str], demands: Sequence[DemandView] = (), format: int = FORMAT) -> str:
    """The turn that sends violations back, with the demands that they break."""
    template = _environment(format).get_template("repair.md.j2")
    return template.render(violations=list(violations), demands=list(demands))


def template_hashes(format: int = FORMAT) -> dict[str, str]:
    """sha256 of each template file, for the journal."""
    return {name: sha256((folder(format) / name).read_bytes()) for name in TEMPLATES}
