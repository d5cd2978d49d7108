"""Two nights side by side: their baselines, what each confirmed, its candidate, and the values these have."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.ledger.ledger import Ledger
from agent.ledger.standing import candidate
from agent.report.learned import cost, failures, figures, named, robustness
from agent.report.page import template
from agent.report.story import read_story
from state.config import Scalar
from state.errors import NightflyError
from state.paths import RunPaths
from ucb.estimates import BASELINE
from ucb.trial import render_trial

NONE = "none"
SHOWN_TRIALS = 5


@dataclass(frozen=True)
class NightFacts:
    """One night: ``rows`` by what they are about; ``values``: explored key -> of baseline, confirmed, candidate."""

    name: str
    rows: dict[str, str] = field(default_factory=dict)
    values: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    fault: str = ""


def night_facts(paths: RunPaths) -> NightFacts:
    """The facts of one run; ``fault`` says why there are none."""
    try:
        ledger, story = read_story(paths)
    except (NightflyError, OSError) as error:
        return NightFacts(paths.root.name, fault=str(error))
    table, name = ledger.views.table, candidate(ledger.views)
    known = BASELINE in table
    rows = {
        "Batches, runs": f"{max(ledger.history.committed, 0)} batches, {len(ledger.views.tree)} runs",
        "Trained": "a network" if ledger.campaign.trainer == "gnn" else "nothing: the surrogate's response surface",
        "Goal": ledger.campaign.goal.primary,
        f"Baseline {BASELINE}": figures(table[BASELINE]) if known else NONE,
        "Confirmed better": _confirmed(ledger),
        "Candidate": f"{named(ledger, table[name])}: {figures(table[name])}; not confirmed" if name else NONE,
        "Trials": _trials(ledger),
        "Robust": robustness(ledger),
        "Failed": failures(ledger),
        "Cost": cost(ledger, story),
    }
    return NightFacts(paths.root.name, rows, _values(ledger, name))


def _confirmed(ledger: Ledger) -> str:
    best = ledger.views.confirmations.best
    if best is None:
        return NONE
    told = render_trial(best, ledger.campaign.goal)
    return f"{named(ledger, ledger.views.table[best.config_id])}: {told}"


def _trials(ledger: Ledger) -> str:
    trials, goal = ledger.views.confirmations.trials, ledger.campaign.goal
    earlier = [f"{len(trials) - SHOWN_TRIALS} earlier ones"] if len(trials) > SHOWN_TRIALS else []
    return "\n".join([*earlier, *(render_trial(trial, goal) for trial in trials[-SHOWN_TRIALS:])]) or NONE


def _values(ledger: Ledger, name: str | None) -> dict[str, tuple[str, str, str]]:
    best = ledger.views.confirmations.best
    columns = [_config(ledger, one) for one in (BASELINE, best.config_id if best else None, name)]
    keys = list(ledger.campaign.explorable)
    return {key: (_show(columns[0], key), _show(columns[1], key), _show(columns[2], key)) for key in keys}


def _config(ledger: Ledger, name: str | None) -> dict[str, Scalar]:
    values = ledger.views.explored.get(name) if name else None
    return {} if values is None else dict(zip(ledger.campaign.explorable, values, strict=True))


def _show(values: dict[str, Scalar], key: str) -> str:
    return str(values[key]) if key in values else ""


def render_nights(names: list[str], one: str, other: str, nights: list[NightFacts]) -> str:
    """The page: a form that names two of the runs, and below it the two ``nights`` (none before two are named)."""
    about = list(dict.fromkeys(row for night in nights for row in night.rows))
    keys = list(dict.fromkeys(key for night in nights for key in night.values))
    return template("nights.html.j2").render(
        names=names, one=one, other=other, nights=nights, about=about, keys=keys, empty=("", "", "")
    )
