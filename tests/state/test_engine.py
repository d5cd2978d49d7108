"""What may be said under `engine:`; each mistake is one sentence that names the key and what would be right."""

from __future__ import annotations

from typing import Any

import pytest

from state.engine import EngineConfig
from state.errors import ConfigError
from state.schema import validate

BAD: list[tuple[dict[str, Any], str]] = [
    ({"kind": "pbs"}, "kind"),
    ({"slots_at_once": 0}, "slots_at_once"),
    ({"slots_per_gpu": 17}, "slots_per_gpu"),
    ({"gpu_gb_per_slot": 0}, "gpu_gb_per_slot"),
    ({"time_limit_min": 0}, "time_limit_min"),
    ({"gpus": 2}, "gpus"),
    ({"slurm": {}}, "section slurm is given but kind is local; remove it, or set kind: slurm"),
    ({"kind": "ray", "slurm": {}}, "section slurm is given but kind is ray"),
    ({"stack": 1}, "stack is 1; must be off, auto or a whole number from 2 to 16"),
    ({"stack": 17}, "stack is 17; must be off, auto or a whole number from 2 to 16"),
    ({"stack": True}, "stack is True; must be off, auto or a whole number"),
    ({"stack": "many"}, "stack is 'many'; must be off, auto or a whole number"),
    ({"stack": 2.0}, "stack is 2.0; must be off, auto or a whole number"),
    ({"kind": "slurm", "stack": "auto"}, "stack is for kind local, not slurm; remove it"),
    ({"stack": 4, "retries": 0}, "stack needs retries: slots whose common process fails are run again"),
    ({"kind": "slurm", "slots_per_gpu": 2}, "slots_per_gpu is for kind local, not slurm"),
    ({"kind": "slurm", "slurm": {"partition": "a b"}}, "partition"),
    ({"kind": "slurm", "slurm": {"partition": "--oops"}}, "partition"),
    ({"kind": "slurm", "slurm": {"queue": "gpu"}}, "queue"),
    ({"kind": "slurm", "slurm": {"ssh_options": ["-p", "2222"]}}, "ssh_options are given without login_host"),
    ({"kind": "slurm", "slurm": {"login_host": "-oProxyCommand=x"}}, "login_host"),
    ({"kind": "slurm", "slurm": {"login_host": "a;b"}}, "login_host"),
    ({"kind": "slurm", "slurm": {"python": "python3"}}, "python"),
    ({"kind": "slurm", "slurm": {"options": ["mem=16G"]}}, "'mem=16G' is not an option; write each as one word"),
    ({"kind": "slurm", "slurm": {"options": ["-pgpu"]}}, "write the long form"),
    ({"kind": "slurm", "slurm": {"options": ["--time=1"]}}, "nightfly sets --time itself; remove it"),
    ({"kind": "slurm", "slurm": {"options": ["--job-n=x"]}}, "nightfly sets --job-name itself"),
    ({"kind": "slurm", "slurm": {"options": ["--mem=1\n--wrap=x"]}}, "is not an option"),
    ({"kind": "lsf", "lsf": {"options": ["-J", "x"]}}, "nightfly sets -J itself"),
    ({"kind": "ray", "ray": {"address": "ftp://x"}}, "address"),
    ({"kind": "ray", "ray": {"address": "http://x/path?y"}}, "address"),
    ({"kind": "ray", "ray": {"num_gpus": -1}}, "num_gpus"),
    ({"kind": "ray", "ray": {"poll_interval_s": 0}}, "poll_interval_s"),
]


@pytest.mark.parametrize(("settings", "says"), BAD)
def test_a_mistake_is_one_sentence(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(EngineConfig, settings, "campaign.yaml")
    assert says in str(caught.value)
    assert str(caught.value).startswith("campaign.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"kind": "local", "slots_per_gpu": 2, "gpu_gb_per_slot": 12},
        {"stack": "auto"},
        {"stack": 16, "slots_at_once": 1},
        {"kind": "slurm", "stack": False},  # what YAML makes of off
        {"kind": "slurm"},
        {"kind": "slurm", "slurm": {"login_host": "me@login.example", "ssh_options": ["-p", "2222"], "gres": None}},
        {"kind": "slurm", "slurm": {"partition": "gpu,other", "options": ["--mem=16G", "--constraint=a100&ib"]}},
        {"kind": "lsf", "lsf": {"queue": "gpu", "options": ["-R", "rusage[mem=16000]"]}},
        {"kind": "ray", "ray": {"address": "https://[::1]:8265", "num_gpus": 0.5}},
    ],
)
def test_what_clusters_need_can_be_said(settings: dict[str, Any]) -> None:
    assert validate(EngineConfig, settings, "c").kind == settings.get("kind", "local")
