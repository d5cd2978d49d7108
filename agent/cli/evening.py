"""Commands before a night: init, doctor, export-connectome. Parse, call one function, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.cli.arguments import JsonOption

app = typer.Typer()


@app.command(epilog="Example:  nightfly init campaigns/my_night.yaml --finish-by 07:30 --dollars 40")
def init(
    campaign: Annotated[Path, typer.Argument(help="The file to write; its name names the campaign.")] = Path(
        "campaigns/my_night.yaml"
    ),
    finish_by: Annotated[str | None, typer.Option(help="End of the night, HH:MM; asked for in a terminal.")] = None,
    dollars: Annotated[
        float | None, typer.Option(min=0.01, help="What Claude may cost in all; asked for in a terminal.")
    ] = None,
) -> None:
    """Write a commented campaign at full size for this machine: its GPUs, videos and pretrained fly, and a budget.

    An existing file is never overwritten.
    """
    from agent.commands.init import write_campaign

    write_campaign(campaign, finish_by, dollars)


@app.command(epilog="Example:  nightfly doctor campaigns/quickstart.yaml --dry-run")
def doctor(
    campaign: Annotated[Path, typer.Argument(help="Campaign file, e.g. campaigns/quickstart.yaml.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Leave out the checks of key, model and price.")] = False,
    json: JsonOption = False,
) -> None:
    """Look for what would spoil a night, and say how to mend it; ends with 1 when something would.

    Checks the explorable keys, connectome, stimulus, GPU, memory and time by a real step at full size, disk, clock,
    notifications, and Claude's key, model, prompt and price.
    """
    from agent.people.steps import Steps

    steps = Steps()
    with steps.step(f"reading {campaign}"):
        from agent.commands.doctor import examine

    raise typer.Exit(examine(campaign, dry_run, json, steps.step))


@app.command("export-connectome", epilog="Example:  nightfly export-connectome campaigns/quickstart.yaml --out fly.npz")
def export_connectome(
    config: Annotated[Path, typer.Argument(help="A campaign or a slot config.")],
    out: Annotated[Path, typer.Option(help="The .npz to write.")],
) -> None:
    """Write the connectome of a config to one small file, for machines without flyvis.

    There, set `connectome: {source: file, path: FILE.npz}` in the campaign.
    """
    from agent.commands.prepare import export_connectome as export

    print(export(config, out))
