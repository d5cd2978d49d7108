"""Commands of the morning: report, serve, track. Parse, call one function, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.cli.arguments import RunArgument

app = typer.Typer()


@app.command(epilog="Example:  nightfly report runs/quickstart")
def report(
    run: RunArgument,
    out: Annotated[Path | None, typer.Option(help="The page to write; default: RUN/report/index.html.")] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the five lines and their figures, write no page.")
    ] = False,
) -> None:
    """Write the report of a run: one page with everything on it, to be opened in a browser, also offline.

    A working driver keeps RUN/report/index.html fresh by itself.
    """
    from agent.report.write import lines_json, write_report

    print(lines_json(run) if json else write_report(run, out))


@app.command(epilog="Example:  nightfly serve runs --port 8787")
def serve(
    runs_dir: Annotated[Path, typer.Argument(help="The directory that holds the runs.")] = Path("runs"),
    host: Annotated[
        str, typer.Option(help="Address to serve at; by default only this machine can read.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8787,
) -> None:
    """List the runs of a directory and show their reports in a browser, live and read-only, until Ctrl-C."""
    from agent.report.serve import serve as serve_runs

    serve_runs(runs_dir, host, port)


@app.command(epilog="Example:  nightfly track runs/quickstart --to mlflow")
def track(
    run: RunArgument,
    to: Annotated[str | None, typer.Option(help="mlflow or wandb; default: the campaign's `tracker`.")] = None,
) -> None:
    """Tell an experiment tracker every judged iteration that it does not know yet.

    A driver whose campaign has a `tracker` does so after each batch.
    """
    from agent.trackers.sync import track as tell_tracker

    tell_tracker(run, to)
