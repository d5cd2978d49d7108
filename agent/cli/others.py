"""Commands about other explorers: bench, audit, import. Parse, call one function, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.cli.arguments import JsonOption

app = typer.Typer()


@app.command(epilog="Example:  nightfly bench campaigns/surrogate.yaml --out bench --nights 4")
def bench(
    campaign: Annotated[Path, typer.Argument(help="Campaign file, e.g. campaigns/surrogate.yaml.")],
    out: Annotated[Path, typer.Option(help="Directory of the bench; a bench that was stopped goes on there.")],
    explorers: Annotated[
        str, typer.Option(help="Of claude, rules, random, tpe, gp; rules+tpe: with hints of TPE.")
    ] = "rules,tpe,random",
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
