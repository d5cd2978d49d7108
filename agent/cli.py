"""The command line: parse, call one function, print. Importing it loads neither torch nor flyvis nor pydantic."""

from __future__ import annotations

import contextlib
import errno
import os
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
    pretty_exceptions_enable=False,
)

# Advice for a failing disk or path; any other OSError is a bug and is shown with its traceback.
ADVICE = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EROFS: "make it writable",
    errno.EACCES: "make it writable",
    errno.EPERM: "make it writable",
    errno.EEXIST: "give a path that leads through directories only",
    errno.ENOTDIR: "give a path that leads through directories only",
    errno.ENAMETOOLONG: "give a shorter path",
}

RunArgument = Annotated[Path, typer.Argument(help="A run directory, e.g. runs/quickstart.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object for a program to read.")]


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
        typer.Option(help="Who proposes: claude, rules (as --dry-run), random, tpe or gp; default: the campaign's."),
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


@app.command(epilog="Example:  nightfly bench campaigns/surrogate.yaml --out bench --nights 4")
def bench(
    campaign: Annotated[Path, typer.Argument(help="Campaign file, e.g. campaigns/surrogate.yaml.")],
    out: Annotated[Path, typer.Option(help="Directory of the bench; a bench that was stopped goes on there.")],
    explorers: Annotated[str, typer.Option(help="Of claude, rules, random, tpe, gp.")] = "rules,tpe,random",
    nights: Annotated[int, typer.Option(min=1, help="Nights of each explorer, each with seeds of its own.")] = 8,
    batches: Annotated[int, typer.Option(min=1, help="Batches of a night.")] = 9,
    jobs: Annotated[int, typer.Option(min=1, help="Nights at the same time.")] = 1,
    fresh: Annotated[
        int, typer.Option(min=1, help="Data seeds on which the picks of trained nights meet at the end.")
    ] = 8,
    on_cpu: Annotated[
        bool, typer.Option("--on-cpu", "--allow-cpu", help="Run a campaign that wishes for a GPU without one.")
    ] = False,
) -> None:
    """Compare explorers: whole nights of each on the same seeds, then one page of what their picks are worth.

    Every night is an ordinary run in OUT/nights. The same command goes on where a bench was stopped or killed.
    """
    from agent.bench.command import bench as compare

    raise typer.Exit(compare(campaign, explorers, nights, batches, jobs, out, fresh, on_cpu))


@app.command(epilog="Example:  nightfly audit runs/quickstart/analysis.md --ucb-scores runs/quickstart/ucb_scores.txt")
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
    html: Annotated[bool, typer.Option("--html", help="Write a page: findings at their lines, tree, scores.")] = False,
    out: Annotated[Path | None, typer.Option(help="The page of --html; default: LOG.audit.html, here.")] = None,
) -> None:
    """Check a log that anybody wrote: ids, parents, mutations, statuses, statistics, both readings of the tree, scores.

    Exit code 0 when no finding is an error, 1 when one is or nothing could be checked, 2 when the file cannot be
    audited.
    """
    from agent.audit.command import audit_file, page_name

    page = out or (page_name(log) if html else None)
    raise typer.Exit(audit_file(log, ucb_scores, json, n_parallel, n_iter_block, ucb_c, page))


@app.command("import", epilog="Example:  nightfly import old/analysis.md campaigns/quickstart.yaml")
def import_(
    log: Annotated[Path, typer.Argument(help="The log of what another program began, e.g. its analysis.md.")],
    campaign: Annotated[Path, typer.Argument(help="Campaign file that goes on from there.")],
    memory: Annotated[Path | None, typer.Option(help="Its working memory, with which Claude starts.")] = None,
    configs: Annotated[
        Path | None, typer.Option(help="Its configs, each named after its iteration: iter_012_config.yaml.")
    ] = None,
    runs_dir: Annotated[Path, typer.Option(help="Where run directories live.")] = Path("runs"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="The night will be one with the mocked Claude.")] = False,
    use_metrics: Annotated[
        bool, typer.Option("--use-metrics", help="Its stated figures help to choose parents; none is ever a verdict's.")
    ] = False,
) -> None:
    """Open a run that goes on from a predecessor's log: its nodes are the first of the tree, marked imported.

    Their figures are unverified and in no statistic; with --use-metrics they rank possible parents. A node whose config
    is completely known, from --configs or from the log's mutations down from the campaign's defaults, may be named as
    parent. Then: nightfly run CAMPAIGN.
    """
    from agent.predecessor.command import import_run

    import_run(log, campaign, memory, configs, runs_dir, dry_run, use_metrics)


def main() -> None:
    """Entry point: a user's mistake is one sentence on stderr and exit code 2."""
    from state.errors import NightflyError

    try:
        app()
    except SystemExit as ended:
        _hang_up()
        raise SystemExit(ended.code) from None
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
    with contextlib.suppress(OSError, ValueError):
        print(f"nightfly: {message}", file=sys.stderr, flush=True)
    _hang_up()
    sys.exit(code)


def _hang_up() -> None:
    """Give up output that nobody takes: at its end, Python would make an exit code of its own of it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    main()
