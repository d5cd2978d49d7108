"""`nightfly run`: choose the run directory, look at the machine, open the night, run it, say how it ended."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from agent.claude.protocol import LLMClient
from agent.commands.preflight import estimate, next_prompt, refuse_unfit, unlimited
from agent.commands.prepare import prepare, with_earlier_threads, with_threads
from agent.commands.provenance import driver_facts
from agent.explorers.choose import make_explorer, refuse_control, refuse_hints
from agent.ledger.budget import budget_left, frozen
from agent.ledger.open_run import open_run
from agent.night.ask import batch_schema
from agent.night.ended import record_end
from agent.night.loop import run_night
from agent.night.night import Night, noise_for, open_night, restore_campaign
from agent.people.alarms import Alarms, Notifier, check_notify
from agent.people.background import BackgroundWork
from agent.people.costs import Costs
from agent.people.display import Display, aloud
from agent.people.heartbeat import Heartbeat
from agent.people.steps import Steps
from state.campaign import Campaign, format_of_run, load_campaign
from state.errors import NightflyError, RunError, Standstill, UserError
from state.evening import Budget
from state.explorer import TITLES, Choice, choice_named, choice_of
from state.paths import RunPaths
from state.schema import validate
from trainer.engines.contract import Dispatcher
from trainer.engines.factory import make_engine
from ucb.tree import TreeError


def run_campaign(
    file: Path,
    runs_dir: Path,
    dry_run: bool,
    explorer: str | None,
    batches: int | None,
    finish_by: str | None,
    new: bool,
    on_cpu: bool,
    as_json: bool,
    noise_from: Path | None = None,
    steps: Steps | None = None,
) -> int:
    """Run the campaign in ``file``, or continue the run directory ``file``; returns the exit code."""
    who = chosen(dry_run, explorer)
    if file.is_dir():
        restore_campaign(RunPaths(file), _tell)
        begun_with = choice_of(open_run(file).started())
        who = who or (Choice("rules", begun_with.hints) if dry_run else begun_with)
        file, root = file / RunPaths(file).campaign.name, file
        campaign = load_campaign(file)
    else:
        campaign = load_campaign(file, _tell)
        root = choose_root(runs_dir, campaign.name, new)
        restore_campaign(RunPaths(root), _tell)
        campaign = load_campaign(file, format=format_of_run(RunPaths(root).journal))
    noise = None if noise_from is None else noise_for(RunPaths(root), campaign, noise_from)
    check_notify(campaign.notify)
    who = who or Choice("rules" if dry_run else campaign.explorer, campaign.hints)
    refuse_control(campaign)
    refuse_hints(campaign, who.hints)
    llm = make_explorer(campaign, who.explorer)
    begun, campaign = RunPaths(root).campaign, with_earlier_threads(campaign, root)
    budget = tonight(campaign, batches, finish_by)
    if who.explorer == "claude" and (warning := unlimited(budget)):
        _tell(warning)
    prepared = prepare(campaign, begun if begun.is_file() else file, on_cpu, steps)
    engine = make_engine(with_threads(campaign, prepared))
    night = open_night(file, root, who.explorer == "rules", who.explorer, noise, who.hints)
    try:
        night.inbox.clear()
        beat = Heartbeat(night.paths.heartbeat, campaign.name, campaign.notify)
        with night.interrupt, beat, Display(budget.max_batches) as display:
            notifier = Notifier(campaign.notify, campaign.name, display.say)
            display.lost = lambda why: notifier.send("silent", why)
            background = background_work(night, campaign, display.say)
            night.observers += [Alarms(night, notifier, display.say), Costs(night, display.say), *background]
            night.observers.append(partial(display.hear, night))
            try:
                night.record("driver_started", driver_facts(night, prepared, budget))
                _introduce(night, display, prepared, runs_dir / campaign.name)
                reason = _drive(night, llm, engine, display, budget)
            except Exception as error:
                _tell_the_end(night, notifier, error)
                raise
            finally:
                notifier.wait()
                for work in background:
                    work.close()
            night.derived.flush(draw=True)
        return _conclude(night, reason, as_json)
    finally:
        night.close()


def chosen(dry_run: bool, explorer: str | None) -> Choice | None:
    """Who is to explore by the options of the command line; None where they leave it to campaign or run.

    A dry run leaves the hints to them.
    """
    who = None if explorer is None else choice_named(explorer, f"--explorer {explorer}")
    if dry_run and who is not None and who.explorer != "rules":
        raise UserError(f"--dry-run is the mocked Claude and --explorer {explorer} is not; leave out one of them")
    return who


def _tell(note: str) -> None:
    aloud(f"nightfly: {note}", sys.stderr)


def _drive(night: Night, llm: LLMClient, engine: Dispatcher, display: Display, budget: Budget) -> str:
    """Look ahead and run; returns why the night ended. UserError when a person must act before it can go on."""
    try:
        look_ahead(night, llm, display, budget)
        return run_night(night, llm, engine, display.watch, budget)
    except KeyboardInterrupt as error:
        return record_end(night, error)
    except (Standstill, TreeError) as error:
        record_end(night, error)
        raise UserError(f"{error}. Continue with: nightfly run {night.paths.root}") from error


def _tell_the_end(night: Night, notifier: Notifier, error: Exception) -> None:
    """Whatever ends the night is in the journal, where it can still be written, and people hear of it."""
    if night.history.stopped is not None:
        return
    reason = str(error) if isinstance(error, NightflyError) else f"{type(error).__name__}: {error}"
    try:
        night.record("driver_stopped", {"reason": reason})
    except (NightflyError, OSError, ValueError):
        notifier.send("stopped", f"the night has stopped: {reason}")


def background_work(night: Night, campaign: Campaign, say: Callable[[str], None]) -> list[BackgroundWork]:
    """What is kept up to date after batches, outside of the driver: the report, and a tracker if there is one."""
    root, journal = night.paths.root, night.paths.journal
    report = ("-m", "agent.report.write", str(root))
    work = [BackgroundWork(report, "the report could not be written", say, journal)]
    if campaign.tracker != "none":
        command = ("-m", "agent.trackers.sync", str(root), campaign.tracker)
        work.append(BackgroundWork(command, f"{campaign.tracker} was not told", say, journal))
    return work


def look_ahead(night: Night, llm: LLMClient, display: Display, budget: Budget) -> None:
    """With the real Claude: check key, model, prompt and price, and say what the night will take."""
    if night.history.explorer != "claude":
        return
    from agent.claude.client import ClaudeClient

    if isinstance(llm, ClaudeClient):
        display.say("asking Claude's service for the model, and sending the schema of a reply once ...")
        facts = llm.preflight(*next_prompt(night), batch_schema(night.campaign))
        refuse_unfit(facts, night.campaign.claude, budget)
        for text in estimate(facts, night, budget):
            display.say(text)


def tonight(campaign: Campaign, batches: int | None, finish_by: str | None) -> Budget:
    """The campaign's budget with the options of this call; ConfigError when its end is past or no time."""
    given = {"max_batches": batches, "finish_by": finish_by}
    fields = campaign.budget.model_dump() | {key: value for key, value in given.items() if value is not None}
    return frozen(validate(Budget, fields, "budget"), datetime.now(UTC))


def choose_root(runs_dir: Path, name: str, new: bool) -> Path:
    """RUNS_DIR/NAME, or with --new the first NAME-2, NAME-3, ... that does not exist yet."""
    if runs_dir.exists() and not runs_dir.is_dir():
        raise RunError(f"{runs_dir}: is not a directory; give --runs-dir a directory")
    root, number = runs_dir / name, 2
    while new and root.exists():
        root, number = runs_dir / f"{name}-{number}", number + 1
    return root


def _introduce(night: Night, display: Display, prepared: dict[str, Any], first: Path) -> None:
    history, name = night.history, night.campaign.name
    state = "new run" if history.planned == 0 else f"continuing after batch {history.committed}"
    display.say(f"{name}: {state} in {night.paths.root}; budget left: {budget_left(night)}")
    if "stimulus" in prepared:
        display.say(f"truth: {prepared['truth']}; stimulus: {prepared['stimulus']}")
    display.say(
        f"{prepared['n_neurons']:,} neurons, {prepared['n_edges']:,} edges; "
        f"{night.campaign.search.n_parallel} slots a batch, explorer: {Choice(history.explorer, history.hints).title}"
        f"{_beside(night)}"
    )
    if (earlier := history.earlier_noise) is not None:
        display.say(f"noise: pooled with that of the earlier run {earlier['run']}, as it stands in the journal")
    if first.exists() and first.resolve() != night.paths.root.resolve():
        display.say(f"the earlier run in {first} is untouched; to continue it: nightfly run {first}")
    for note in night.derived.log.notes:
        display.say(note)
    night.derived.log.tell = display.say
    if night.journal.torn_bytes:
        display.say(f"the journal ended in a half-written line ({night.journal.torn_bytes} bytes); it was cut")


def _beside(night: Night) -> str:
    """Who explores beside, in words."""
    if (control := night.campaign.control) is None:
        return ""
    slots = night.campaign.control_slots
    places = f"slot{'s' if len(slots) > 1 else ''} {', '.join(map(str, slots))}"
    return f", control arm: {TITLES[control.explorer]} in {places} after the baseline"


def _conclude(night: Night, reason: str, as_json: bool) -> int:
    history, paths = night.history, night.paths
    stopped = reason == "stopped by the user"
    if as_json:
        summary = {
            "run": str(paths.root),
            "reason": reason,
            "batches": max(history.committed, 0),
            "iterations": sum(it.entry is not None for it in history.iterations.values()),
        }
        aloud(json.dumps(summary), sys.stdout)
        return 130 if stopped else 0
    where = sys.stderr if stopped else sys.stdout
    aloud(f"{night.campaign.name}: {reason}. Report: {paths.report}  log: {paths.log}", where)
    more = "" if stopped else f" --batches {history.committed + 1}"
    aloud(f"Continue with: nightfly run {paths.root}{more}", where)
    return 130 if stopped else 0
