"""Who proposes what a night runs next: Claude, the mocked Claude's fixed rules, or a sampler of Optuna."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from state.errors import UserError

if TYPE_CHECKING:
    from state.shapes import CampaignStarted

Sampler = Literal["random", "tpe", "gp"]
Explorer = Literal["claude", "rules", "random", "tpe", "gp"]
EXPLORERS: tuple[Explorer, ...] = get_args(Explorer)
SAMPLERS: tuple[Sampler, ...] = get_args(Sampler)
# Samplers that may show Claude, or the mocked one, what they would try next.
Hinter = Literal["tpe", "gp"]
HINTERS: tuple[Hinter, ...] = get_args(Hinter)
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


@dataclass(frozen=True)
class Choice:
    """Who explores in a night, and whose hints are shown."""

    explorer: Explorer
    hints: Hinter | None = None

    @property
    def name(self) -> str:
        """As it is written: `rules`, or `rules+tpe`."""
        return self.explorer if self.hints is None else f"{self.explorer}+{self.hints}"

    @property
    def title(self) -> str:
        """As it is told: `Claude with hints of TPE`."""
        return TITLES[self.explorer] + ("" if self.hints is None else f" with hints of {TITLES[self.hints]}")


def choice_named(name: str, option: str) -> Choice:
    """The explorer ``name`` (`rules`, `rules+tpe`) that was given with ``option``; UserError where there is none."""
    first, plus, second = name.partition("+")
    explorer = next((one for one in EXPLORERS if one == first), None)
    hints = next((one for one in HINTERS if one == second), None)
    if explorer is None:
        raise UserError(f"{option}: {first or 'nothing'} is no explorer; choose of {', '.join(EXPLORERS)}")
    if not plus:
        return Choice(explorer)
    if hints is None:
        raise UserError(f"{option}: {second or 'nothing'} gives no hints; {' and '.join(HINTERS)} do: {first}+tpe")
    if (fault := takes_no_hints(explorer)) is not None:
        raise UserError(f"{option}: {fault}")
    return Choice(explorer, hints)


def takes_no_hints(explorer: Explorer) -> str | None:
    """Why ``explorer`` takes no hints, as a sentence; None where it does."""
    return f"{explorer} is a sampler itself and takes no hints; claude and rules do" if explorer in SAMPLERS else None


def explorer_of(started: CampaignStarted) -> Explorer:
    """Who explores in a run, from its `campaign_started`; runs from before there was a choice say it by `dry_run`."""
    return started.get("explorer") or ("rules" if started["dry_run"] else "claude")


def choice_of(started: CampaignStarted) -> Choice:
    """The same with the hints of the run, if it has any."""
    return Choice(explorer_of(started), started.get("hints"))
