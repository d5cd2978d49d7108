"""Who proposes what a night runs next: Claude, the mocked Claude's fixed rules, or a sampler of Optuna."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from state.errors import UserError

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


def named(explorer: Explorer, seed: int) -> str:
    """An explorer as entries name it; the mocked Claude's rules draw nothing."""
    return TITLES[explorer] if explorer == "rules" else f"{TITLES[explorer]}, seed {seed}"


def explorer_named(name: str, option: str) -> Explorer:
    """The explorer ``name`` that was given with ``option``; UserError where there is none."""
    found = next((one for one in EXPLORERS if one == name), None)
    if found is None:
        raise UserError(f"{option}: {name or 'nothing'} is no explorer; choose of {', '.join(EXPLORERS)}")
    return found


def explorer_of(started: CampaignStarted) -> Explorer:
    """Who explores in a run, from its `campaign_started`; runs from before there was a choice say it by `dry_run`."""
    return started.get("explorer") or ("rules" if started["dry_run"] else "claude")
