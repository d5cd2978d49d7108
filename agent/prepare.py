"""Looks at campaign, connectome and machine before a night, in processes of their own: the driver imports no torch."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from state.campaign import Campaign
from state.errors import UserError
from state.files import dump_yaml
from trainer.engines.factory import find_gpus, usable_cores
from trainer.surrogate import LABEL


def prepare(campaign: Campaign, file: Path, allow_cpu: bool) -> dict[str, Any]:
    """Build or find the cached connectome, so that no slot has to; refuse a campaign this machine cannot carry.

    A campaign that offers a key for exploration which changes nothing is refused as well.
    """
    refuse_dead_knobs(file)
    if campaign.trainer == "surrogate":
        return {"truth": LABEL, "n_neurons": 0, "n_edges": 0}
    if campaign.engine.needs_gpu and not find_gpus() and not allow_cpu:
        guess = describe(campaign, estimate=True)
        raise UserError(
            f"{file}: needs a GPU (engine.needs_gpu) and this machine has none; on its {usable_cores()} CPU cores one "
            f"slot would take about {guess['slot_hours']:.1f} h ({guess['ms_per_iteration']:.0f} ms an iteration "
            f"measured, {guess['iterations']:,} iterations) and {guess['memory_gb']:.0f} GB of memory; "
            "start it on a machine with a CUDA device, or add --allow-cpu"
        )
    return describe(campaign)


def refuse_dead_knobs(file: Path) -> None:
    """UserError when a key of ``explorable`` in campaign ``file`` changes nothing."""
    dead = [knob for knob in knobs(file) if not knob["alive"]]
    if dead:
        words = "; ".join(f"{knob['key']} changes nothing ({knob['reason']})" for knob in dead)
        raise UserError(f"{file}: explorable: {words}; remove it there, or change what keeps it from acting")


def knobs(file: Path) -> list[dict[str, Any]]:
    """What `python -m trainer.knobs` says of each explorable key in campaign ``file``: key, alive, reason."""
    value = _ask("trainer.knobs", file, f"{file}: the explorable keys could not be tried out")
    assert isinstance(value, list)
    return value


def describe(campaign: Campaign, estimate: bool = False) -> dict[str, Any]:
    """What `python -m trainer.describe` says of the campaign's base config."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(dump_yaml(campaign.base_config().model_dump()))
        failed = f"{campaign.name}: the connectome could not be prepared"
        value = _ask("trainer.describe", config, failed, *(["--estimate"] if estimate else []))
    assert isinstance(value, dict)
    return value


def _ask(module: str, file: Path, failed: str, *options: str) -> Any:
    """The JSON that ``module`` prints about ``file``; UserError with its own sentence, or ``failed`` and the reason."""
    command = [sys.executable, "-m", module, str(file), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(last if done.returncode == 2 else f"{failed} ({last[:300]})")
    return json.loads(done.stdout.strip().splitlines()[-1])
