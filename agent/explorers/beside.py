"""What explores beside the explorer that a night belongs to: asked for changes, never for a reply.

Libraries of samplers are loaded when one is asked.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from agent.claude.mock_changes import ByRule
from agent.claude.mock_moves import Changes
from prompts.context import Context
from state.campaign import Campaign
from state.explorer import Sampler, named

Beside = Literal["rules"] | Sampler
# What a sampler's answers hang on.
LIBRARIES: dict[Sampler, tuple[str, ...]] = {
    "random": ("optuna", "numpy"),
    "tpe": ("optuna", "numpy", "scipy"),
    "gp": ("optuna", "numpy", "scipy", "torch"),
}
# Each stream draws apart from the others, and from the explorer of the night.
CONTROL_STREAM, HINT_STREAM = (1,), (2,)


def changes_of(campaign: Campaign, explorer: Beside, context: Context, stream: tuple[int, ...]) -> Changes:
    """What ``explorer`` would try after ``context``, which tells it of all that it may know."""
    if explorer == "rules":
        return ByRule(context)
    from agent.explorers.sampler import Asked

    return Asked(campaign, explorer, context, named(explorer, campaign.seeds.explorer), stream)


def libraries(explorer: Beside) -> dict[str, str]:
    """Package -> version of what ``explorer`` is made of, as installed here; the rules are made of none."""
    found = {}
    for name in () if explorer == "rules" else LIBRARIES[explorer]:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
