"""Commands that ask something of a working driver: tell, pause, resume, stop."""

from __future__ import annotations

from typing import Annotated

import typer

from agent.cli.arguments import RunArgument

app = typer.Typer()


@app.command(epilog='Example:  nightfly tell runs/quickstart "Prefer small steps of coeff_W_L1."')
def tell(run: RunArgument, text: Annotated[str, typer.Argument(help="What Claude should know or do.")]) -> None:
    """Add an instruction to user_input.md; Claude reads it with the next prompt."""
    from agent.commands.tell import tell as give

    give(run, text)


@app.command(epilog="Example:  nightfly pause runs/quickstart")
def pause(run: RunArgument) -> None:
    """Begin no further batch until `nightfly resume`; the running batch is finished."""
    from agent.commands.tell import ask_driver

    ask_driver(run, "pause")


@app.command(epilog="Example:  nightfly resume runs/quickstart")
def resume(run: RunArgument) -> None:
    """Go on after `nightfly pause`, or take back a `nightfly stop` that has not happened yet."""
    from agent.commands.tell import ask_driver

    ask_driver(run, "resume")


@app.command(epilog="Example:  nightfly stop runs/quickstart")
def stop(run: RunArgument) -> None:
    """End the night after the running batch; given twice, at once (`nightfly run` continues either way)."""
    from agent.commands.tell import ask_driver

    ask_driver(run, "stop")
