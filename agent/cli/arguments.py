"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunArgument = Annotated[Path, typer.Argument(help="A run directory, e.g. runs/quickstart.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object for a program to read.")]
