"""Which explorer answers; libraries of Claude and of the samplers are loaded only where they are asked for."""

from __future__ import annotations

from importlib.util import find_spec

from agent.claude.mock import MockLLM
from agent.claude.protocol import LLMClient
from state.campaign import Campaign
from state.errors import UserError
from state.explorer import Explorer


def make_explorer(campaign: Campaign, explorer: Explorer) -> LLMClient:
    """The real Claude, the mocked one, or a sampler; UserError where a library is not installed."""
    if explorer == "rules":
        return MockLLM()
    if explorer == "claude":
        from agent.claude.client import ClaudeClient

        return ClaudeClient(campaign.claude)
    if find_spec("optuna") is None:
        raise UserError(
            f"explorer {explorer} needs Optuna, which is not installed: pip install 'nightfly[samplers]', or choose "
            "claude or rules"
        )
    from agent.explorers.sampler import SamplerExplorer

    return SamplerExplorer(campaign, explorer)
