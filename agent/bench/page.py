"""The page of a bench: one file that asks the network for nothing."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from agent.report.page import content_policy, inert_json, plotly_script

FOLDER = Path(__file__).parent / "page"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(loader=FileSystemLoader(FOLDER), undefined=StrictUndefined, autoescape=True, trim_blocks=True)


def render_bench(data: dict[str, Any]) -> str:
    """The page of `bench.json`."""
    scripts = [plotly_script(), (FOLDER / "bench.js").read_text(encoding="utf-8")]
    return (
        _environment()
        .get_template("bench.html.j2")
        .render(
            b=data,
            policy=content_policy(scripts, live=False),
            style=Markup((FOLDER / "bench.css").read_text(encoding="utf-8")),
            scripts=[Markup(script) for script in scripts],
            data=Markup(inert_json(data)),
        )
    )
