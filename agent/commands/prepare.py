"""Looks at campaign, connectome and machine before a night, in processes of their own: the driver imports no torch."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from agent.people.steps import Step, Steps, silently
from state.campaign import Campaign, load_campaign
from state.config import SlotConfig
from state.errors import UserError
from state.files import read_yaml
from state.journal import peek
from state.paths import RunPaths
from state.schema import validate
from state.shapes import DriverStarted
from trainer.engines.factory import find_gpus, most_threads, places_and_threads, usable_cores
from trainer.engines.local import THREAD_VARIABLES
from trainer.engines.surrogate import LABEL

NO_CONNECTOME = "the connectome could not be prepared"
NO_USE = "with the campaign's defaults a short training at full size learns nothing:"
NO_USE_MEND = "compare its training (annealing, start of W, penalties) with campaigns/flyvis_62_1_gs_alternate.yaml"


def prepare(campaign: Campaign, file: Path, on_cpu: bool, steps: Steps | None = None) -> dict[str, Any]:
    """Build or find the cached connectome, so that no slot has to; refuse a campaign this machine cannot carry.

    A campaign that offers a key for exploration which changes nothing is refused as well, and so is one whose defaults
    do not learn. Whether a wished GPU is there is asked first: it takes no time. ``steps`` says what is being done.
    """
    steps = steps or Steps(silent=True)
    described = agree_to_cpu(campaign, file, on_cpu, steps) if lacks_gpu(campaign) else None
    refuse_dead_knobs(file, steps.step)
    if campaign.trainer == "surrogate":
        return {"truth": LABEL, "n_neurons": 0, "n_edges": 0}
    described = described or describe(campaign, steps.step)
    campaign = with_threads(campaign, described)
    if campaign.engine.kind == "local" and (fault := trial(campaign, steps.step)["fault"]):
        raise UserError(f"{file}: {NO_USE} {fault}; {NO_USE_MEND}")
    return described


def lacks_gpu(campaign: Campaign) -> bool:
    """Whether the campaign wishes for a GPU to train on here, and there is none."""
    wishes = campaign.engine.needs_gpu and campaign.engine.kind == "local" and campaign.trainer != "surrogate"
    return wishes and not find_gpus()


def agree_to_cpu(campaign: Campaign, file: Path, on_cpu: bool, steps: Steps) -> dict[str, Any]:
    """Say at once that a GPU is wished for, then what a slot takes without; UserError unless ``on_cpu`` is a yes.

    Returns what `describe` says of the campaign.
    """
    wish = f"{file}: wishes for a GPU (engine.needs_gpu) and this machine has none"
    steps.say(f"{wish}; " + ("going on without, as asked (--on-cpu)" if on_cpu else "--on-cpu goes on without"))
    seen = describe(campaign, steps.step, estimate=True)
    places, threads = places_and_threads(with_threads(campaign, seen))
    figure = (
        f"on its {usable_cores()} CPU cores one slot takes about {60 * seen['slot_hours']:.0f} min "
        f"({seen['ms_per_iteration']:.0f} ms an iteration measured with {threads} thread{'s' * (threads > 1)}, "
        f"{seen['iterations']:,} iterations) and {seen['memory_gb']:.0f} GiB of memory, {places} at once"
    )
    if not on_cpu:
        raise UserError(f"{wish}; {figure}; add --on-cpu to run it here, or start it on a machine with a CUDA device")
    steps.say(figure)
    return seen


def trial(campaign: Campaign, step: Step = silently) -> dict[str, Any]:
    """What `python -m trainer.slot.trial` says of the campaign's base config: iterations, errors, fault."""
    with step("trying a short training at full size (later from the cache)"):
        return _of_base(campaign, "trainer.slot.trial", "a short training could not be made")


def backends(campaign: Campaign, step: Step = silently) -> dict[str, Any]:
    """What `python -m trainer.slot.backends` says of one step of the base config by both: loss, gradients, fault."""
    with step("comparing a step of both backends (later from the cache)"):
        return _of_base(campaign, "trainer.slot.backends", "the two backends could not be compared")


def refuse_dead_knobs(file: Path, step: Step = silently) -> None:
    """UserError when a key of ``explorable`` in campaign ``file`` changes nothing."""
    dead = [knob for knob in knobs(file, step) if not knob["alive"]]
    if dead:
        words = "; ".join(f"{knob['key']} changes nothing ({knob['reason']})" for knob in dead)
        raise UserError(f"{file}: explorable: {words}; remove it there, or change what keeps it from acting")


def knobs(file: Path, step: Step = silently) -> list[dict[str, Any]]:
    """What `python -m trainer.slot.knobs` says of each explorable key in campaign ``file``: key, alive, reason."""
    with step("trying whether each explorable setting acts (the first time up to half a minute)"):
        value = _ask("trainer.slot.knobs", file, f"{file}: the explorable keys could not be tried out")
    assert isinstance(value, list)
    return value


def describe(campaign: Campaign, step: Step = silently, estimate: bool = False) -> dict[str, Any]:
    """What `python -m trainer.slot.describe` says of the campaign's base config; ``estimate``: a step is timed too.

    Where slots run on the cores here, `threads` says how many each takes: what the campaign says, else by timed steps.
    """
    engine, most = campaign.engine, places_and_threads(campaign)[1]
    on_cores = engine.kind == "local" and not find_gpus()
    choice = on_cores and engine.threads_per_slot is None and most > 1
    options = [f"--threads={most}"] if choice else ["--estimate"] if estimate else []
    then = ", then timing a step at full size" if options else ""
    with step(f"building or finding the connectome (the first time about a minute){then}"):
        seen = _of_base(campaign, "trainer.slot.describe", NO_CONNECTOME, *options)
    return {"threads": most} | seen if on_cores else seen


def with_threads(campaign: Campaign, described: dict[str, Any]) -> Campaign:
    """The campaign with as many threads a slot as `describe` has chosen, where it has."""
    if "threads" not in described:
        return campaign
    engine = campaign.engine.model_copy(update={"threads_per_slot": described["threads"]})
    return campaign.model_copy(update={"engine": engine})


def with_earlier_threads(campaign: Campaign, root: Path) -> Campaign:
    """The campaign with the threads a slot of the run's last evening here, as far as there are so many cores.

    Results hang on that number in the last bits, so a run keeps it.
    """
    journal, engine = RunPaths(root).journal, campaign.engine
    if engine.kind != "local" or engine.threads_per_slot is not None or not journal.is_file():
        return campaign
    evenings = [record.of(DriverStarted) for record in peek(journal, "driver_started")]
    here = [e.get("connectome", {}) for e in evenings if e.get("host") == socket.gethostname()]
    earlier = {key: value for key, value in (here[-1] if here else {}).items() if key == "threads"}
    fits = earlier.get("threads", 0) * places_and_threads(campaign)[0] <= usable_cores()
    return with_threads(campaign, earlier) if fits else campaign


def measured_threads(config: SlotConfig, step: Step) -> int:
    """Threads for one slot by hand, which has the cores for itself: by timed steps where it is large enough."""
    most = most_threads(config.simulation.extent)
    if most == 1 or find_gpus():
        return most
    with step("timing a few iterations to choose the number of threads"):
        seen = _of_config(config, "trainer.slot.describe", NO_CONNECTOME, f"--threads={most}")
    return int(seen["threads"])


def export_connectome(file: Path, out: Path) -> str:
    """Write the connectome of the campaign or slot config in ``file`` to ``out``; returns what it is, in one line."""
    tree = read_yaml(file)
    config = load_campaign(file).base_config() if "explorable" in tree else validate(SlotConfig, tree, str(file))
    if out.suffix != ".npz":
        raise UserError(f"{out}: is not named .npz; give a name such as connectome.npz")
    seen = _of_config(config, "trainer.slot.describe", f"{file}: {NO_CONNECTOME}", f"--export={out.resolve()}")
    return f"{out}: {seen['n_neurons']:,} neurons, {seen['n_edges']:,} edges, {seen['truth']}"


def _of_base(campaign: Campaign, module: str, failed: str, *options: str) -> dict[str, Any]:
    """What ``module`` says of the campaign's base config."""
    # As many threads as a slot will have: with more threads than free cores, small iterations get many times slower.
    threads = campaign.engine.threads_per_slot or 1
    return _of_config(campaign.base_config(), module, f"{campaign.name}: {failed}", *options, threads=threads)


def _of_config(config: SlotConfig, module: str, failed: str, *options: str, threads: int = 1) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_text(config.yaml())
        value = _ask(module, path, failed, *options, threads=threads)
    assert isinstance(value, dict)
    return value


def _ask(module: str, file: Path, failed: str, *options: str, threads: int = 1) -> Any:
    """The JSON that ``module`` prints about ``file``; UserError with its own sentence, or ``failed`` and the reason."""
    command = [sys.executable, "-m", module, str(file), *options]
    own = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads))
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=own)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(last if done.returncode == 2 else f"{failed} ({last[:300]})")
    return json.loads(done.stdout.strip().splitlines()[-1])
