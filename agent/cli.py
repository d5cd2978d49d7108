"""The command line: parse, call one function, print. Importing it loads neither torch nor flyvis nor pydantic."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="nightfly",
    help="Run a GNN hyperparameter search on the fly visual system overnight: Claude proposes, the program guards, "
    "trains, journals and can replay every decision.",
    epilog="Start here:  nightfly run campaigns/quickstart.yaml --dry-run",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

# What to do about a failing disk or path; any other OSError is a fault of the program and shows itself whole.
ADVICE = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EROFS: "make it writable",
    errno.EACCES: "make it writable",
    errno.EPERM: "make it writable",
    errno.ENOTDIR: "give a path that leads through directories only",
    errno.ENAMETOOLONG: "give a shorter path",
}

RunArgument = Annotated[Path, typer.Argument(help="A run directory, e.g. runs/quickstart.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object for a program to read.")]


@app.command()
def run(
    campaign: Annotated[
        Path, typer.Argument(help="Campaign file, e.g. campaigns/quickstart.yaml, or a run directory to continue.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Mocked Claude: everything else is real; no key needed.")
    ] = False,
    runs_dir: Annotated[Path, typer.Option(help="Where run directories live.")] = Path("runs"),
    batches: Annotated[
        int | None, typer.Option(min=1, help="End after this many batches in all; default: the campaign's budget.")
    ] = None,
    new: Annotated[
        bool, typer.Option("--new", help="Begin a new run beside an earlier one instead of continuing it.")
    ] = False,
    allow_cpu: Annotated[
        bool, typer.Option("--allow-cpu", help="Run a campaign that asks for a GPU without one.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Start a night, or continue it where it stopped.

    The run directory is RUNS_DIR/<campaign name>. Ctrl-C ends the running slots and stops cleanly; the same command
    continues: finished slots are not trained again and replies are not asked for twice.
    """
    from agent.run import run_campaign

    raise typer.Exit(run_campaign(campaign, runs_dir, dry_run, batches, new, allow_cpu, json))


@app.command()
def status(run: RunArgument, json: JsonOption = False) -> None:
    """Show what a run is doing now, or how it ended; reads files only and never disturbs the driver."""
    from agent.status import print_status

    print_status(run, json)


@app.command()
def train(
    config: Annotated[
        Path, typer.Argument(help="A slot config, e.g. runs/quickstart/configs/quickstart_00.yaml, or a campaign.")
    ],
    out: Annotated[Path, typer.Option(help="Directory for result.json, metrics.log and the pictures.")],
    json: JsonOption = False,
) -> None:
    """Train one slot by hand, with progress, and print its metrics."""
    from agent.train import train_by_hand

    raise typer.Exit(train_by_hand(config, out, json))


@app.command()
def audit(
    log: Annotated[Path, typer.Argument(help="A log in markdown, e.g. runs/quickstart/analysis.md, or another's.")],
    ucb_scores: Annotated[Path | None, typer.Option(help="The score file to recompute and compare with.")] = None,
    n_parallel: Annotated[
        int | None, typer.Option(min=1, help="Entries a batch; default: as the log shows, else 4.")
    ] = None,
    n_iter_block: Annotated[
        int | None, typer.Option(min=1, help="Entries a block; default: as the log shows, else 12.")
    ] = None,
    ucb_c: Annotated[float | None, typer.Option(help="Constant of the score; default: as the file says.")] = None,
    json: JsonOption = False,
) -> None:
    """Check a log that anybody wrote: ids, parents, mutations, statuses, both readings of the tree, scores.

    Exit code 0 when no finding is an error, 1 when one is, 2 when the file cannot be audited.
    """
    from agent.audit.run import audit_file

    raise typer.Exit(audit_file(log, ucb_scores, json, n_parallel, n_iter_block, ucb_c))


def main() -> None:
    """Entry point: a user's mistake is one sentence on stderr and exit code 2."""
    from state.errors import NightflyError

    try:
        app()
    except NightflyError as error:
        _stop(str(error), 2)
    except KeyboardInterrupt:
        _stop("stopped", 130)
    except OSError as error:
        if error.errno not in ADVICE:
            raise
        advice = ADVICE[error.errno]
        where = error.filename or "the run directory"
        _stop(f"{where}: {error.strerror}; {advice} and run the same command again, nothing is lost", 2)


def _stop(message: str, code: int) -> None:
    print(f"nightfly: {message}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
