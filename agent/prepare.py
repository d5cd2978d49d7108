"""Looks at connectome and machine before a night begins, in a process of its own: the driver never imports torch."""

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
    """Build or find the cached connectome, so that no slot has to; refuse a campaign this machine cannot carry."""
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


def describe(campaign: Campaign, estimate: bool = False) -> dict[str, Any]:
    """What `python -m trainer.describe` says of the campaign's base config."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(dump_yaml(campaign.base_config().model_dump()))
        command = [sys.executable, "-m", "trainer.describe", str(config), *(["--estimate"] if estimate else [])]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 2:
        raise UserError(done.stderr.strip().splitlines()[-1])
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"{campaign.name}: the connectome could not be prepared ({last[:300]})")
    value = json.loads(done.stdout.strip().splitlines()[-1])
    assert isinstance(value, dict)
    return value
