"""The doctor's checks of machine, data, disk, clock and Claude; each gives findings and never starts a night."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from agent.claude.protocol import LLMUnavailable
from agent.commands.checked import Checked
from agent.commands.doctor_screening import screening_in_time
from agent.commands.preflight import estimate, next_prompt, refuse_unfit, unlimited
from agent.commands.prepare import NO_USE, NO_USE_MEND, backends, describe, trial, with_threads
from agent.ledger.budget import frozen
from agent.ledger.evidence import Evidence
from agent.ledger.ledger import Ledger
from agent.ledger.policy import work
from agent.night.ask import batch_schema
from agent.people.alarms import check_notify
from agent.people.steps import Step, silently
from state.campaign import Campaign
from state.errors import NightflyError
from trainer.engines.factory import find_gpus, make_scheduler, slots_at_once, usable_cores
from trainer.engines.scheduler import Unreachable

GIB = 2**30
MEMORY_SHARE = 0.9
SLOT_DISK_MIB = 2.0
RESERVE_GIB = 1.0
EARLIEST = 1_767_225_600  # 2026-01-01: a clock that shows an earlier time is wrong


def machine(campaign: Campaign, file: Path, step: Step = silently) -> list[Checked]:
    """Connectome, stimulus, device, and a real step at full size against memory and the time limit."""
    if campaign.trainer == "surrogate":
        return [Checked("machine", True, "surrogate: nothing is trained, no connectome and no GPU is needed")]
    try:
        seen = describe(campaign, step, estimate=True)
    except NightflyError as error:
        return [Checked("machine", False, str(error), "see the sentence; the same check runs before each night")]
    campaign = with_threads(campaign, seen)
    known = f"{seen['n_neurons']:,} neurons, {seen['n_edges']:,} edges, {seen['truth']}; {seen['stimulus']}"
    here = (
        [
            *(_memory(campaign, seen), _time(campaign, seen), *_out_of_reach(campaign, seen)),
            *screening_in_time(campaign, 60 * seen["slot_hours"]),
        ]
        if campaign.engine.kind == "local"
        else []
    )
    return [Checked("data", True, known), *here, *_same_step(campaign, step), *_learns(campaign, step)]


def _same_step(campaign: Campaign, step: Step) -> list[Checked]:
    """Both backends compute the same step here; only where slots would run on this machine."""
    if campaign.engine.kind != "local":
        return []
    seen = backends(campaign, step)
    if seen["fault"]:
        mend = "set graph_model.backend: pyg to train the reference, or write the fast pass that it lacks"
        return [Checked("backends", False, f"one step on {seen['device']}: {seen['fault']}", mend)]
    most = max(seen["loss"], *seen["gradients"].values())
    text = f"one step by fast and pyg is the same on {seen['device']}: loss and all gradients within {most:.0e}"
    return [Checked("backends", True, text)]


def _learns(campaign: Campaign, step: Step) -> list[Checked]:
    """A few hundred iterations at full size, with the campaign's defaults; only where slots would run here."""
    if campaign.engine.kind != "local":
        return []
    seen = trial(campaign, step)
    if seen["fault"]:
        return [Checked("learning", False, f"{NO_USE} {seen['fault']}", NO_USE_MEND)]
    fell = f"the prediction error fell from {seen['error_before']:.3f} to {seen['error_after']:.3f}"
    return [Checked("learning", True, f"in {seen['iterations']} iterations at full size {fell}")]


def gpu(campaign: Campaign, file: Path, step: Step = silently) -> list[Checked]:
    """Where slots would run; asked first, since it takes no time."""
    if campaign.trainer == "surrogate":
        return []
    gpus = find_gpus()
    if campaign.engine.kind != "local":
        return [Checked("gpu", True, f"slots run through {campaign.engine.kind}; its machines were not looked at")]
    if gpus:
        return [Checked("gpu", True, f"{len(gpus)} found: {', '.join(gpus)}")]
    if campaign.engine.needs_gpu:
        mend = "start it on a machine with a CUDA device, or add --on-cpu to nightfly run"
        return [Checked("gpu", False, "none found, and the campaign wishes for one (engine.needs_gpu)", mend)]
    return [Checked("gpu", True, f"none found; slots run on {usable_cores()} CPU cores")]


def _memory(campaign: Campaign, seen: dict[str, float]) -> Checked:
    slots = slots_at_once(campaign)
    here = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIB
    need = slots * seen["memory_gb"]
    text = f"{slots} slots at once need about {need:.1f} GiB; the machine has {here:.1f} GiB"
    ok = bool(find_gpus()) or need < MEMORY_SHARE * here
    return Checked("memory", ok, text, "" if ok else "lower engine.slots_at_once")


def _time(campaign: Campaign, seen: dict[str, float]) -> Checked:
    minutes, limit = 60 * seen["slot_hours"], campaign.engine.time_limit_min
    text = (
        f"a slot takes about {minutes:.1f} min ({seen['ms_per_iteration']:.2f} ms an iteration measured at full size, "
        f"{seen['iterations']:,} iterations); engine.time_limit_min is {limit:g}"
    )
    allowed, busy = campaign.policy.time_limit_min, _busy()
    if minutes < limit and campaign.policy.time == "reject" and minutes > allowed:
        text += f", but policy.time_limit_min is {allowed:g}: a mutation that stays above it would be refused"
        mend = "raise policy.time_limit_min, set policy.time: warn, or make slots shorter"
        return Checked("time", False, text, mend + busy)
    mend = "raise engine.time_limit_min, lower n_epochs or data_augmentation_loop, or use a faster machine"
    return Checked("time", minutes < limit, text, "" if minutes < limit else mend + busy)


def _busy() -> str:
    """What to say where other programs, and not the config, may be what makes a slot slow; '' on a quiet machine."""
    load, cores = os.getloadavg()[0], usable_cores()
    if load <= cores:
        return ""
    return f"; but other programs are at work here (load {load:.1f} on {cores} cores): ask again when it is quiet"


def _out_of_reach(campaign: Campaign, seen: dict[str, float]) -> list[Checked]:
    """The values of the explore table that alone would take a run over the policy's limit."""
    base, limit = campaign.base_config(), campaign.policy.time_limit_min
    minutes, late = 60 * seen["slot_hours"], []
    for key, rule in campaign.explorable.items():
        for value in rule.choices or filter(None, (rule.max,)):
            if not isinstance(value, int | float) or value == base.flat()[key]:
                continue
            whole = isinstance(base.flat()[key], int)
            child = base.replaced({key: int(value) if whole else value})
            took = minutes * work(child) / work(base)
            if work(child) > work(base) and took > limit:
                late.append(f"{key} = {value} ({took:.0f} min)")
    if not late or campaign.policy.time != "reject":
        return []
    text = f"over policy.time_limit_min {limit:g}, so only beside less work elsewhere: {', '.join(late)}"
    return [Checked("time", True, text)]


def engine(campaign: Campaign, file: Path, step: Step = silently) -> list[Checked]:
    """The cluster answers and would take such a job; the local engine needs nothing to answer."""
    config = campaign.engine
    if config.kind == "local":
        return []
    try:
        with step(f"asking {config.kind}"):
            told = make_scheduler(config)[0].probe(60 * config.time_limit_min)
    except Unreachable as error:
        mend = f"start the service, or correct engine.{config.kind}; a night waits for it, but nothing would run"
        return [Checked("engine", False, str(error), mend)]
    except NightflyError as error:
        return [Checked("engine", False, str(error), f"correct engine.{config.kind} in the campaign")]
    return [Checked("engine", True, f"{config.kind}: {told}")]


def disk(campaign: Campaign, file: Path, step: Step = silently) -> list[Checked]:
    """Room for the whole night where run directories live."""
    place = Path("runs") if Path("runs").is_dir() else Path()
    free = shutil.disk_usage(place).free / GIB
    batches = campaign.budget.max_batches or 100
    need = RESERVE_GIB + batches * campaign.search.n_parallel * SLOT_DISK_MIB / 1024
    text = f"{batches} batches need about {need:.1f} GiB; {place.resolve()} has {free:.1f} GiB free"
    return [Checked("disk", free > need, text, "" if free > need else "free some space, or give another --runs-dir")]


def clock(campaign: Campaign, file: Path, step: Step = silently) -> list[Checked]:
    """The clock is of this time, and the budget's end is still to come."""
    if time.time() < EARLIEST or time.time() < file.stat().st_mtime - 86_400:
        return [Checked("clock", False, f"it says {time.ctime()}", "set the machine's clock")]
    from datetime import UTC, datetime

    try:
        end = frozen(campaign.budget, datetime.now(UTC)).finish_by
    except NightflyError as error:
        return [Checked("budget", False, str(error), "change budget.finish_by")]
    return [Checked("clock", True, f"{time.ctime()}{f'; the night ends by {end}' if end else ''}")]


def notify(campaign: Campaign, file: Path, step: Step = silently) -> list[Checked]:
    """Whoever is to be told can be told."""
    try:
        check_notify(campaign.notify)
    except NightflyError as error:
        return [Checked("notify", False, str(error), "export the variable in the shell that starts the night")]
    missing = campaign.notify.command and shutil.which(campaign.notify.command[0]) is None
    if missing:
        what = f"notify.command: no program {campaign.notify.command[0]}"
        return [Checked("notify", False, what, "give the full path of a program that exists")]
    told = "webhook" if campaign.notify.webhook_env else "command" if campaign.notify.command else "nobody is told"
    return [Checked("notify", True, told)]


def claude(campaign: Campaign, file: Path, step: Step = silently) -> list[Checked]:
    """Key, model, prompt, price, and what the night will take."""
    from agent.claude.client import ClaudeClient

    ledger = Ledger(campaign, Evidence(Path("blobs")))
    ledger.history.budget = campaign.budget
    try:
        with step("asking Claude's service for key and model"):
            facts = ClaudeClient(campaign.claude).preflight(*next_prompt(ledger), batch_schema(campaign))
        refuse_unfit(facts, campaign.claude, campaign.budget)
    except (NightflyError, LLMUnavailable) as error:
        return [Checked("claude", False, str(error), "see the sentence, or leave Claude out with --dry-run")]
    told = [*estimate(facts, ledger, campaign.budget), *filter(None, [unlimited(campaign.budget)])]
    return [Checked("claude", True, text) for text in told]
