"""Which explorer answers; libraries of Claude and of the samplers are loaded only where they are asked for."""

from __future__ import annotations

from importlib.util import find_spec

from agent.claude.mock import MockLLM
from agent.claude.protocol import LLMClient
from state.campaign import Campaign
from state.errors import UserError
from state.explorer import SAMPLERS, Explorer, Hinter
from state.policy import no_place_for_hints


def refuse_missing(explorer: Explorer, what: str, instead: str) -> None:
    """UserError where ``what`` (who explores, or a section of a campaign) needs a library that is not installed."""
    if explorer in SAMPLERS and find_spec("optuna") is None:
        raise UserError(
            f"{what} needs Optuna, which is not installed: pip install 'nightfly[samplers]', or choose {instead}"
        )


def refuse_hints(campaign: Campaign, hints: Hinter | None) -> None:
    """UserError where ``hints`` need a library that is not installed, or fit no slot of ``campaign``."""
    if hints is None:
        return
    if (fault := no_place_for_hints(campaign.policy)) is not None:
        raise UserError(f"hints {hints}: {fault}")
    refuse_missing(hints, f"hints {hints}", "none")


def refuse_control(campaign: Campaign) -> None:
    """The same as `refuse_missing` of the control arm of ``campaign``, if it has one."""
    if (control := campaign.control) is not None:
        refuse_missing(control.explorer, f"control.explorer {control.explorer}", "rules")


def make_explorer(campaign: Campaign, explorer: Explorer) -> LLMClient:
    """The real Claude, the mocked one, or a sampler; UserError where a library is not installed."""
    if explorer == "rules":
        return MockLLM()
    if explorer == "claude":
        from agent.claude.client import ClaudeClient

        return ClaudeClient(campaign.claude)
    refuse_missing(explorer, f"explorer {explorer}", "claude or rules")
    from agent.explorers.sampler import SamplerExplorer

    return SamplerExplorer(campaign, explorer)
