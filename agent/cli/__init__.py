"""The command line: a file for each group of commands. Importing it loads neither torch nor flyvis nor pydantic."""

from __future__ import annotations

import typer

from agent.cli import evening, morning, night, others, record, requests
from agent.cli.ends import ADVICE, hang_up, stop

app = typer.Typer(
    name="nightfly",
    help="Run a GNN hyperparameter search on the fly visual system overnight: Claude proposes, the program guards, "
    "trains, journals and can replay every decision.",
    epilog="Start here:  nightfly run campaigns/quickstart.yaml --dry-run",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
# In the order of `nightfly --help`.
for group in (night, record, morning, requests, evening, others):
    app.add_typer(group.app)


def main() -> None:
    """Entry point: a user's mistake is one sentence on stderr and exit code 2."""
    from state.errors import NightflyError

    try:
        app()
    except SystemExit as ended:
        hang_up()
        raise SystemExit(ended.code) from None
    except NightflyError as error:
        stop(str(error), 2)
    except KeyboardInterrupt:
        stop("stopped", 130)
    except OSError as error:
        if error.errno not in ADVICE:
            raise
        advice = ADVICE[error.errno]
        where = error.filename or "the run directory"
        stop(f"{where}: {error.strerror}; {advice} and run the same command again, nothing is lost", 2)
