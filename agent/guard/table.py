"""The table of all rules: the guard goes by it, the prompts and docs/guard.md tell it."""

from __future__ import annotations

from typing import Any

from agent.guard.checks import CLAIM_RULE
from agent.guard.confirmation import CONFIRMATION_RULE
from agent.guard.design import DESIGN_RULES
from agent.guard.memory_rules import MEMORY_RULES
from agent.guard.owed_rules import OWED_RULE
from agent.guard.policy_rules import POLICY_RULES
from agent.guard.proposal_rules import PROPOSAL_RULES
from agent.guard.rule import Rule
from agent.guard.screening_rules import SCREENING_RULES
from agent.guard.seed_rules import SEED_LIMIT, SEED_RULES
from agent.guard.text_rules import LONGEST, MAX_PROSE, TEXT_RULES
from prompts.context import DemandView
from prompts.memory import HEADINGS, MAX_CHARACTERS, MAX_LINES
from state.campaign import Campaign
from state.policy import SCREENED_KEYS
from ucb.grammar import render_mutation

RULES: tuple[Rule, ...] = tuple(
    sorted(
        (
            *PROPOSAL_RULES,
            *SEED_RULES,
            *POLICY_RULES,
            OWED_RULE,
            CONFIRMATION_RULE,
            *DESIGN_RULES,
            *SCREENING_RULES,
            *TEXT_RULES,
            *MEMORY_RULES,
            CLAIM_RULE,
        ),
        key=lambda rule: rule.step,
    )
)
# Of equal breaches, the rule that stands first is told first.
PLACE = {rule.code: place for place, rule in enumerate(RULES)}


def numbers(campaign: Campaign) -> dict[str, Any]:
    """What the demands are filled with: the campaign's policy, and the limits and forms of the checks."""
    return campaign.policy.model_dump() | {
        "n_parallel": campaign.search.n_parallel,
        "screened_keys": SCREENED_KEYS.get(campaign.search.n_parallel, 0),
        "max_prose": MAX_PROSE,
        "last_seed": SEED_LIMIT - 1,
        "max_lines": MAX_LINES,
        "max_characters": MAX_CHARACTERS,
        "headings": ", ".join(f"`{heading}`" for heading in HEADINGS),
        "longest_block_summary": LONGEST["block_summary"],
        "longest_acknowledged": LONGEST["acknowledged"],
        "baseline": render_mutation({}, "baseline", None),
        "rerun": render_mutation({}, "replicate", 0).replace("Node 0", "Node X"),
    }


def demands(campaign: Campaign) -> list[DemandView]:
    """Every rule as a campaign has it, for the prompts."""
    known = numbers(campaign)
    return [
        DemandView(code=rule.code, demand=rule.demand.format(**known), mode=rule.mode(campaign.policy))
        for rule in RULES
        if rule.holds_in(campaign)
    ]
