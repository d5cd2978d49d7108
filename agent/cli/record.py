"""Commands of the record: replay, anchor, rebuild, export. Parse, call one function, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.cli.arguments import JsonOption, RunArgument

app = typer.Typer()


@app.command(epilog="Example:  nightfly replay runs/quickstart --retrain 3")
def replay(
    run: RunArgument,
    batch: Annotated[int | None, typer.Option(min=0, help="Compare this batch only; 0 is the start call.")] = None,
    retrain: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Train iteration N again and compare its metrics.")
    ] = None,
    ask: Annotated[
        bool, typer.Option("--ask", help="Send the prompt of --batch to today's model; show old and new proposals.")
    ] = False,
    dry_run: Annotated[
        bool | None, typer.Option("--dry-run/--claude", help="Model for --ask; default: the one the run used.")
    ] = None,
    head: Annotated[
        str | None, typer.Option(help="A head that was kept elsewhere (`nightfly anchor`): the journal must hold it.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Re-do every batch from journal and blobs: prompts, replies, configs, entries, log, tree, scores, files.

    RUN is a run directory or an archive of `nightfly export`. Prints one line a batch: PASS, or the first thing that
    does not follow. Exit code 1 when anything does not. Changes nothing.
    """
    from agent.replay.command import replay_command

    raise typer.Exit(replay_command(run, batch, retrain, ask, dry_run, json, head))


@app.command(epilog="Example:  nightfly anchor runs/quickstart --out anchors.txt")
def anchor(
    run: RunArgument,
    out: Annotated[Path | None, typer.Option(help="Append the line to this file, elsewhere.")] = None,
    git_notes: Annotated[
        bool, typer.Option("--git-notes", help="Add it to the notes (ref nightfly) of HEAD of the repository here.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Print the head of a run's journal: kept elsewhere, it shows that no later record was dropped or forged.

    Alarms and reports carry it as well. `nightfly replay RUN --head HASH` holds a journal against it.
    """
    from agent.commands.anchor import print_anchor

    print_anchor(run, out, git_notes, json)


@app.command(epilog="Example:  nightfly rebuild runs/quickstart")
def rebuild(run: RunArgument) -> None:
    """Write every derived file (log, memory, scores, configs, snapshots, tree, report) anew from journal and blobs."""
    from agent.commands.rebuild import print_rebuild

    print_rebuild(run)


@app.command(epilog="Example:  nightfly export runs/quickstart --out night.tar.gz")
def export(
    run: RunArgument,
    out: Annotated[Path | None, typer.Option(help="The archive; default: RUN.tar.gz beside the run.")] = None,
    table: Annotated[
        Path | None, typer.Option(help="Write no archive but a table of all runs: a file.csv or file.parquet.")
    ] = None,
    trajectories: Annotated[
        Path | None, typer.Option(help="Write no archive but a table of all trajectories: .csv or .parquet.")
    ] = None,
) -> None:
    """Pack a run, without checkpoints, into one archive that `nightfly replay` accepts on another machine.

    With --table or --trajectories: its runs as a table for pandas or R, also while a driver is at work.
    """
    if table or trajectories:
        from agent.commands.table import write_tables

        if out:
            raise typer.BadParameter(
                "names an archive; leave it out beside --table and --trajectories", param_hint="--out"
            )
        print(*write_tables(run, table, trajectories), sep="\n")
        return
    from agent.replay.archive import export as pack

    print(pack(run, out))
