"""How a night is cut into batches and blocks, and how promising a node is: the section `search` of a campaign."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from state.added import Growing, added
from state.errors import ConfigError
from state.explorable import Explorable

# With a larger constant, scores would say nothing about results.
MOST_UCB_C = 1000.0
Reward = Literal["run", "config_mean"]


def setting_key(name: str) -> str:
    """The key by which Claude edits, and journals hold, a setting of `search`: the addendum counts it to `claude`."""
    return f"claude.{name}"


class SearchConfig(Growing):
    """How the night is cut into batches and blocks, and how promising a node is."""

    n_parallel: int = Field(4, ge=1, le=16)
    n_iter_block: int = Field(
        12,
        ge=1,
        le=10_000,
        description="a block ends with the batch in which an iteration reaches a multiple of this",
    )
    ucb_c: float = Field(1.414, ge=0, le=MOST_UCB_C)
    ucb_formula: Literal["puct", "ucb1"] = "puct"
    ucb_reward: Reward = added(
        "run", before="run", description="of a node: its own connectivity_R2, or the mean over all runs of its config"
    )
    explorable: dict[Literal["ucb_c"], Explorable] = Field(
        default_factory=dict, description="settings of this section that Claude may change during the night"
    )

    @model_validator(mode="after")
    def _default_allowed(self) -> Self:
        for key, rule in self.explorable.items():
            if not rule.allows(getattr(self, key)):
                raise ValueError(f"explorable: the default {key} = {getattr(self, key)} is not {rule.allowed()}")
            highest = max(map(float, rule.choices or (rule.min or 0.0, rule.max or 0.0)))
            if highest > MOST_UCB_C:
                raise ValueError(f"explorable: {key} = {highest:g} is more than {MOST_UCB_C:g}; lower it")
        return self


def with_search(tree: dict[str, Any], name: str, tell: Callable[[str], None]) -> dict[str, Any]:
    """``tree`` with what campaigns of the first release have in `claude` moved to `search`."""
    claude, search = tree.get("claude"), tree.get("search", {})
    moved = [key for key in SearchConfig.model_fields if isinstance(claude, dict) and key in claude]
    if not moved or not isinstance(claude, dict) or not isinstance(search, dict):
        return tree
    if double := [key for key in moved if key in search]:
        twice = f"claude.{double[0]} and search.{double[0]} say the same thing twice"
        raise ConfigError(f"{name}: {twice}; keep search.{double[0]}")
    tell(f"{name}: {', '.join(moved)} belong to the section search now, and are read as if they stood there")
    rest = {key: value for key, value in claude.items() if key not in moved}
    return tree | {"claude": rest, "search": {key: claude[key] for key in moved} | search}
