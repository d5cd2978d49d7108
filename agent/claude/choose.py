"""Which Claude answers: the mocked one in a dry run, else the real one, whose library is loaded only then."""

from __future__ import annotations

from agent.claude.mock import MockLLM
from agent.claude.protocol import LLMClient
from state.campaign import Campaign


def make_llm(campaign: Campaign, dry_run: bool) -> LLMClient:
    """The mocked Claude in a dry run, else the real one."""
    if dry_run:
        return MockLLM()
    from agent.claude.client import ClaudeClient

    return ClaudeClient(campaign.claude)
