"""What may be said of the configs of a night: whatever speaks of better asks here.

A run that was begun under earlier rules is told by today's as well: only its decisions and prompts keep theirs.
"""

from __future__ import annotations

from typing import Any

from agent.ledger.views import Views
from state.history import History
from ucb.compare import Comparison
from ucb.estimates import BASELINE
from ucb.trial import Look, Trial, render_trial
from ucb.variance import STANDARD

NOTHING = "no verdict"


def standing(views: Views, config_id: str) -> str:
    """One or two words about a config: `baseline`, `candidate`, the outcome of its trial, or NOTHING.

    `standard training` for the runs beside the baseline.
    """
    if config_id == STANDARD:
        return "standard training"
    if config_id == BASELINE:
        return "baseline"
    trial = views.confirmations.of(config_id)
    if trial is None:
        return NOTHING
    return "candidate" if trial.open else str(trial.outcome)


def candidate(views: Views) -> str | None:
    """The config under trial, or the one that leads and may go on trial next."""
    confirmations = views.confirmations
    if confirmations.open is not None:
        return confirmations.open.config_id
    return confirmations.leaders[0].config_id if confirmations.leaders else None


def picked(views: Views) -> str:
    """The config to go on with: the confirmed one, else the candidate, else the baseline."""
    best = views.confirmations.best
    return best.config_id if best is not None else candidate(views) or BASELINE


def no_use(history: History) -> str:
    """That the last conversations brought nothing that was accepted, with the reason; '' when the last one did."""
    many = history.useless
    last = f"the last {many} conversations" if many > 1 else "the last conversation"
    return f"nothing of {last} with Claude was accepted: {history.why_useless}" if many else ""


def verdict_lines(views: Views) -> list[str]:
    """The state of the night's search as sentences: best, candidate, trials that are over, the error budget."""
    confirmations, goal = views.confirmations, views.campaign.goal
    best, name = confirmations.best, candidate(views)
    lines = [f"Confirmed better than {BASELINE}: {'nothing yet' if best is None else render_trial(best, goal)}."]
    if confirmations.open is not None:
        lines.append(f"Under trial: {render_trial(confirmations.open, goal)}.")
    elif name is not None:
        lead = confirmations.leaders[0].lead
        lines.append(
            f"Candidate: {name} leads {len(views.table)} configs by {lead:.1f} standard errors over {BASELINE}, "
            "unconfirmed: the best of many is partly the luckiest."
        )
    over = [trial for trial in confirmations.trials if not trial.open and trial is not best]
    lines += [f"Tried: {render_trial(trial, goal)}." for trial in over[-3:]]
    lines.append(
        f"Error budget: {100 * goal.error_budget:g} % for any false `confirmed better` in this night, "
        f"{100 * confirmations.spent:.2g} % used by {len(confirmations.trials)} trials."
    )
    return lines


def verdict_data(views: Views) -> dict[str, Any]:
    """The same as plain data, with all figures."""
    confirmations, goal = views.confirmations, views.campaign.goal
    return {
        "baseline": BASELINE,
        "primary": goal.primary,
        "margins": dict(goal.margins),
        "best": BASELINE if confirmations.best is None else confirmations.best.config_id,
        "candidate": candidate(views),
        "tried": len(views.table),
        "error_budget": goal.error_budget,
        "error_used": confirmations.spent,
        "trials": [_trial(trial) for trial in confirmations.trials],
        "bad_below": views.estimates.limit,
        "baseline_bad": str(views.estimates.share(BASELINE)),
    }


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        "config_id": trial.config_id,
        "number": trial.number,
        "outcome": "open" if trial.open else trial.outcome,
        "confirmed": trial.outcome == "confirmed better",
        "tried_before": trial.tried,
        "runs": len(trial.runs),
        "simulation_seeds": [run.simulation_seed for run in trial.runs],
        "iterations": [run.iteration for run in trial.runs],
        "looks": [_look(look) for look in trial.looks],
    }


def _look(look: Look) -> dict[str, Any]:
    return {
        "runs": look.runs,
        "error_allowed": look.error,
        "primary_risen": look.risen,
        "not_shown_to_be_kept": list(look.unkept),
        "vetoes": list(look.vetoes),
        "bad": str(look.bad),
        "comparisons": {metric: comparison_data(found) for metric, found in look.comparisons.items()},
    }


def comparison_data(found: Comparison) -> dict[str, Any]:
    """A comparison as plain data."""
    return {
        "difference": found.difference,
        "interval": found.interval,
        "p_one_sided": found.p_above if found.measured else None,
        "pairs": found.pairs,
        "data_seeds": list(found.seeds),
        "degrees_of_freedom": found.freedom,
        "reason": found.reason,
    }
