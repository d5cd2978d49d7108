"""Who proposes what a night runs next: Claude, the mocked Claude's fixed rules, or a sampler of Optuna."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from state.shapes import CampaignStarted

Sampler = Literal["random", "tpe", "gp"]
Explorer = Literal["claude", "rules", "random", "tpe", "gp"]
EXPLORERS: tuple[Explorer, ...] = get_args(Explorer)
SAMPLERS: tuple[Sampler, ...] = get_args(Sampler)
# How pages, prompts and entries call them.
TITLES: dict[Explorer, str] = {
    "claude": "Claude",
    "rules": "the mocked Claude",
    "random": "random search",
    "tpe": "TPE",
    "gp": "a Gaussian process",
}


def explorer_of(started: CampaignStarted) -> Explorer:
    """Who explores in a run, from its `campaign_started`; runs from before there was a choice say it by `dry_run`."""
    return started.get("explorer") or ("rules" if started["dry_run"] else "claude")
