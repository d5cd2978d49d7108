"""Looks at campaign, connectome and machine before a night, in processes of their own: the driver imports no torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from state.campaign import Campaign, load_campaign
from state.config import SlotConfig
from state.errors import UserError
from state.files import read_yaml
from state.schema import validate
from trainer.engines.factory import find_gpus, places_and_threads, usable_cores
from trainer.engines.local import THREAD_VARIABLES
from trainer.engines.surrogate import LABEL

NO_CONNECTOME = "the connectome could not be prepared"
NO_USE = "with the campaign's defaults a short training at full size learns nothing:"
NO_USE_MEND = "compare its training (annealing, start of W, penalties) with campaigns/flyvis_62_1_gs_alternate.yaml"


def prepare(
    campaign: Campaign, file: Path, allow_cpu: bool, say: Callable[[str], None] = lambda text: None
) -> dict[str, Any]:
    """Build or find the cached connectome, so that no slot has to; refuse a campaign this machine cannot carry.

    A campaign that offers a key for exploration which changes nothing is refused as well, and so is one whose defaults
    do not learn. ``say`` hears what takes long.
    """
    refuse_dead_knobs(file)
    if campaign.trainer == "surrogate":
        return {"truth": LABEL, "n_neurons": 0, "n_edges": 0}
    here = campaign.engine.kind == "local"
    if here and campaign.engine.needs_gpu and not find_gpus() and not allow_cpu:
        guess = describe(campaign, estimate=True)
        raise UserError(
            f"{file}: needs a GPU (engine.needs_gpu) and this machine has none; on its {usable_cores()} CPU cores one "
            f"slot would take about {guess['slot_hours']:.1f} h ({guess['ms_per_iteration']:.0f} ms an iteration "
            f"measured, {guess['iterations']:,} iterations) and {guess['memory_gb']:.0f} GB of memory; "
            "start it on a machine with a CUDA device, or add --allow-cpu"
        )
    described = describe(campaign)
    if here:
        say(f"trying a short training at full size ({described['n_neurons']:,} neurons)")
        if fault := trial(campaign)["fault"]:
            raise UserError(f"{file}: {NO_USE} {fault}; {NO_USE_MEND}")
    return described


def trial(campaign: Campaign) -> dict[str, Any]:
    """What `python -m trainer.slot.trial` says of the campaign's base config: iterations, errors, fault."""
    return _of_base(campaign, "trainer.slot.trial", "a short training could not be made")


def backends(campaign: Campaign) -> dict[str, Any]:
    """What `python -m trainer.slot.backends` says of one step of the base config by both: loss, gradients, fault."""
    return _of_base(campaign, "trainer.slot.backends", "the two backends could not be compared")


def refuse_dead_knobs(file: Path) -> None:
    """UserError when a key of ``explorable`` in campaign ``file`` changes nothing."""
    dead = [knob for knob in knobs(file) if not knob["alive"]]
    if dead:
        words = "; ".join(f"{knob['key']} changes nothing ({knob['reason']})" for knob in dead)
        raise UserError(f"{file}: explorable: {words}; remove it there, or change what keeps it from acting")


def knobs(file: Path) -> list[dict[str, Any]]:
    """What `python -m trainer.slot.knobs` says of each explorable key in campaign ``file``: key, alive, reason."""
    value = _ask("trainer.slot.knobs", file, f"{file}: the explorable keys could not be tried out")
    assert isinstance(value, list)
    return value


def describe(campaign: Campaign, estimate: bool = False) -> dict[str, Any]:
    """What `python -m trainer.slot.describe` says of the campaign's base config."""
    return _of_base(campaign, "trainer.slot.describe", NO_CONNECTOME, *(["--estimate"] if estimate else []))


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
    threads = places_and_threads(campaign)[1]
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
