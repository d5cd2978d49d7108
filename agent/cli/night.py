"""Commands of the night: run, status, prompt, watchdog, train. Parse, call one function, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.cli.arguments import JsonOption, RunArgument

app = typer.Typer()


@app.command(epilog="Example:  nightfly run campaigns/quickstart.yaml --dry-run --batches 2")
def run(
    campaign: Annotated[
        Path, typer.Argument(help="Campaign file, e.g. campaigns/quickstart.yaml, or a run directory to continue.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Mocked Claude: everything else is real; no key needed.")
    ] = False,
    explorer: Annotated[
        str | None,
        typer.Option(
            help="Who proposes: claude, rules (as --dry-run), random, tpe or gp; claude+tpe: with hints of TPE; "
            "default: the campaign's."
        ),
    ] = None,
    runs_dir: Annotated[Path, typer.Option(help="Where run directories live.")] = Path("runs"),
    batches: Annotated[
        int | None, typer.Option(min=1, help="End after this many batches in all; default: the campaign's budget.")
    ] = None,
    finish_by: Annotated[
        str | None, typer.Option(help="Begin no batch that would not be finished by then: HH:MM, or YYYY-MM-DD HH:MM.")
    ] = None,
    new: Annotated[
        bool, typer.Option("--new", help="Begin a new run beside an earlier one instead of continuing it.")
    ] = False,
    on_cpu: Annotated[
        bool, typer.Option("--on-cpu", "--allow-cpu", help="Run a campaign that wishes for a GPU without one.")
    ] = False,
    noise_from: Annotated[
        Path | None,
        typer.Option(help="Earlier run of the same campaign, whose noise a new run is begun with; default: none."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Start a night, or continue it where it stopped.

    The run directory is RUNS_DIR/<campaign name>. Ctrl-C ends the running slots and stops cleanly; the same command
    continues: finished slots are not trained again and replies are not asked for twice.
    """
    from agent.people.steps import Steps

    steps = Steps()
    with steps.step(f"reading {campaign}"):
        from agent.commands.run import run_campaign

    raise typer.Exit(
        run_campaign(campaign, runs_dir, dry_run, explorer, batches, finish_by, new, on_cpu, json, noise_from, steps)
    )


@app.command(epilog="Example:  nightfly status runs/quickstart --watch")
def status(
    run: RunArgument,
    watch: Annotated[bool, typer.Option("--watch", help="Keep showing it until the driver has ended.")] = False,
    json: JsonOption = False,
) -> None:
    """Show what a run is doing now, or how it ended; reads files only and never disturbs the driver.

    Slots with phase and R2 so far, the best configs, Claude's last verdicts, money and time used and left.
    """
    from agent.commands.status import print_status

    print_status(run, json, watch)


@app.command(epilog="Example:  nightfly prompt runs/quickstart --batch 1")
def prompt(
    run: RunArgument,
    batch: Annotated[
        int | None,
        typer.Option(min=0, help="The conversation about this batch; 0 is the start call."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Print exactly what was sent to Claude about a batch, and what came back, or what would be sent next."""
    from agent.commands.prompt import print_prompt

    print_prompt(run, batch, json)


@app.command(epilog="Example:  nightfly watchdog runs/quickstart --once")
def watchdog(
    run: RunArgument,
    every: Annotated[float, typer.Option(min=1.0, help="Seconds between two looks.")] = 30.0,
    once: Annotated[bool, typer.Option("--once", help="Look once, for cron: exit code 1 if it has died.")] = False,
) -> None:
    """Watch the driver of a run from outside and tell people (the campaign's `notify`) if it dies."""
    from agent.people.heartbeat import watch

    raise typer.Exit(watch(run, every, once))


@app.command(epilog="Example:  nightfly train campaigns/quickstart.yaml --out try")
def train(
    config: Annotated[
        Path, typer.Argument(help="A slot config, e.g. runs/quickstart/configs/quickstart_00.yaml, or a campaign.")
    ],
    out: Annotated[Path, typer.Option(help="Directory for result.json, metrics.log and the pictures.")],
    json: JsonOption = False,
) -> None:
    """Train one slot by hand, with progress, and print its metrics."""
    from agent.people.steps import Steps

    steps = Steps()
    with steps.step(f"reading {config}"):
        from agent.commands.train import train_by_hand

    raise typer.Exit(train_by_hand(config, out, json, steps.step))
