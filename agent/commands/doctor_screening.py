"""The doctor's check of screening batches that a campaign allows: whether one can ever come."""

from __future__ import annotations

from pathlib import Path

from agent.briefing.context import build_context
from agent.briefing.screening import second_values, within_limit
from agent.commands.checked import Checked
from agent.ledger.evidence import Evidence
from agent.ledger.ledger import Ledger
from agent.ledger.policy import neighbours, work
from agent.people.steps import Step, silently
from state.campaign import Campaign
from state.explorer import SAMPLERS, TITLES
from state.policy import SCREENED_KEYS

MEND = "set policy.screening: 0"


def screening(campaign: Campaign, file: Path, step: Step = silently) -> list[Checked]:
    """Who explores proposes screening batches, and the evening has room for one behind the baseline."""
    policy, budget = campaign.policy, campaign.budget.max_batches
    if not policy.screening:
        return []
    if campaign.explorer in SAMPLERS:
        text = f"policy.screening allows {policy.screening}, but {TITLES[campaign.explorer]} never proposes one"
        return [Checked("screening", False, text, f"{MEND}, or explorer: claude or rules")]
    first = -(-(policy.baseline_runs + policy.baseline_standard) // campaign.search.n_parallel) + 1
    keys = SCREENED_KEYS[campaign.search.n_parallel]
    text = f"at most {policy.screening} batches may vary {keys} keys at once, batch {first} the first of them"
    if budget is not None and budget < first:
        text += f"; none can come this evening, which ends with batch {budget} (budget.max_batches)"
    return [Checked("screening", True, text)]


def screening_in_time(campaign: Campaign, minutes: float) -> list[Checked]:
    """Where a slot of the defaults takes ``minutes``: whether enough keys can be varied within the policy's limit."""
    policy, base = campaign.policy, campaign.base_config()
    if not policy.screening:
        return []
    keys, flat = SCREENED_KEYS[campaign.search.n_parallel], base.flat()
    rules = build_context(Ledger(campaign, Evidence(Path("blobs")))).rules
    candidates = {rule.key: neighbours(rule, flat[rule.key]) for rule in rules}
    found = second_values(
        base,
        keys,
        candidates,
        lambda child: within_limit(base, child, minutes * work(child) / work(base), policy.time_limit_min),
    )
    if len(found) == keys:
        return []
    text = (
        f"policy.screening never comes about: around the defaults only {len(found)} keys can be varied at once without "
        f"a run over policy.time_limit_min {policy.time_limit_min:g}, and a batch varies {keys}"
    )
    return [Checked("screening", False, text, f"{MEND}, raise policy.time_limit_min, or make more keys explorable")]
