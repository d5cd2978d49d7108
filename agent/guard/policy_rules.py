"""The campaign's rules for a batch, each of which may reject or only warn."""

from __future__ import annotations

from collections.abc import Iterator

from agent.guard.rule import Breach, Case, Rule, Step
from agent.guard.ruling import Accepted
from agent.ledger.policy import shorter_by, width, work


def _baseline_required(case: Case) -> Iterator[Breach]:
    if not case.facts.demand.baseline:
        return
    for slot, item in case.passed:
        if item.proposal.role != "baseline":
            allowed = f"baseline, parent root: {case.facts.demand.reason}"
            yield Breach(slot, "role", item.proposal.role, allowed)


def _baseline_seeds(case: Case) -> Iterator[Breach]:
    for slot, item in case.passed:
        if item.proposal.role == "baseline" and item.proposal.seed_rationale == "same-data-robustness":
            allowed = "new data: different-data-generalization or suggested-default"
            yield Breach(slot, "seed_rationale", "same-data-robustness", allowed)


def _baseline_over(case: Case) -> Iterator[Breach]:
    if case.facts.demand.baseline:
        return
    for slot, item in case.passed:
        if item.proposal.role == "baseline":
            yield Breach(slot, "role", "baseline", "replicate of a baseline node: block 1 is complete")


def _too_many_changes(case: Case) -> Iterator[Breach]:
    most = case.facts.campaign.policy.max_changes
    for slot, item in case.passed:
        if len(item.changes) > most and not item.screens:
            yield Breach(slot, "edits", f"{len(item.changes)} changed keys", f"at most {most} a mutation")


def _minutes_of_growth(item: Accepted, case: Case) -> str:
    """How long a config with larger layers takes, where that is past the limit; else ''."""
    facts, limit = case.facts, case.facts.campaign.policy.time_limit_min
    before, run = facts.parent_config(item.proposal.node), facts.parent_run(item.proposal.node)
    if not item.changes or before is None or width(item.config) <= width(before):
        return ""
    if run is not None and run.minutes is not None and run.minutes > limit:
        return f"{run.minutes:.1f} min {'taken by' if facts.campaign.format == 1 else 'predicted for'} the parent"
    minutes = facts.predict_minutes(item.config)
    return f"{minutes:.1f} min" if minutes is not None and minutes > limit else ""


def _is_longer(item: Accepted, case: Case) -> bool:
    """Whether the mutation makes a run longer; in the first release all were held to the limit."""
    before = case.facts.parent_config(item.proposal.node)
    return case.facts.campaign.format == 1 or before is None or work(item.config) > work(before)


def _architecture_time(case: Case) -> Iterator[Breach]:
    limit = case.facts.campaign.policy.time_limit_min
    for slot, item in case.passed:
        if took := _minutes_of_growth(item, case):
            yield Breach(slot, "edits", f"larger layers at {took}", f"no larger layers beyond {limit:g} min")


def _advice(case: Case) -> str:
    """How to stay below the limit, by keys that the campaign lets the model edit."""
    if case.facts.campaign.format == 1:
        return "; reduce n_epochs, data_augmentation_loop or the layers"
    keys = shorter_by(case.facts.campaign)
    return f"; lower {keys}" if keys else ""


def _predicted_time(case: Case) -> Iterator[Breach]:
    limit = case.facts.campaign.policy.time_limit_min
    for slot, item in case.passed:
        minutes = case.facts.predict_minutes(item.config)
        late = item.changes and minutes is not None and minutes > limit and _is_longer(item, case)
        # Larger layers past the limit are told by their own rule.
        if late and not _minutes_of_growth(item, case):
            allowed = f"at most {limit:g} min{_advice(case)}"
            yield Breach(slot, "edits", f"{minutes:.1f} min predicted from past runs", allowed)


def _too_few_replicates(case: Case) -> Iterator[Breach]:
    if case.screens:
        return
    need = case.facts.demand.min_replicates
    have = sum(item.is_replicate for _, item in case.passed)
    # A refused slot counts as a possible replicate: its own violation is reported already.
    unknown = case.unknown
    if have + unknown < need:
        yield Breach(None, "role", f"{have} replicates", f"at least {need}: {case.facts.demand.reason}")


POLICY_RULES = (
    Rule(
        "baseline_required",
        Step.POLICY,
        "The first {baseline_runs} runs are the unchanged defaults on data of their own, and every slot of theirs has "
        "the role `baseline`.",
        _baseline_required,
        setting="baseline",
    ),
    Rule(
        "baseline_seeds",
        Step.POLICY,
        "A `baseline` is on new data, never `same-data-robustness`.",
        _baseline_seeds,
        setting="baseline",
    ),
    Rule(
        "baseline_over",
        Step.POLICY,
        "After these no slot has the role `baseline`; the defaults run again as a `replicate` of a baseline node.",
        _baseline_over,
        setting="baseline",
    ),
    Rule(
        "too_many_changes",
        Step.POLICY,
        "One mutation changes at most {max_changes} key(s).",
        _too_many_changes,
        setting="mutation_size",
    ),
    Rule(
        "architecture_time",
        Step.POLICY,
        "No layer grows where the parent, or the child, is predicted to take over {time_limit_min:g} minutes.",
        _architecture_time,
        setting="time",
    ),
    Rule(
        "predicted_time",
        Step.POLICY,
        "No mutation that makes a run longer is predicted to take over {time_limit_min:g} minutes. Times are "
        "predicted from past runs, the load of the machine left out.",
        _predicted_time,
        setting="time",
    ),
    Rule(
        "too_few_replicates",
        Step.BATCH,
        "After the baseline at least {min_replicates} of {n_parallel} slots are replicates until the top {top_configs} "
        "configs have at least {runs_of_top} runs each, then at least {min_replicates_later}; each prompt says which "
        "holds.",
        _too_few_replicates,
        setting="replicates",
    ),
)
