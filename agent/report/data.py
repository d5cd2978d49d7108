"""The data of the page: plain lists and mappings that its script draws from."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby
from typing import Any

from agent.ledger.ledger import Ledger
from agent.ledger.standing import candidate
from agent.report.brief import brief_nodes
from agent.report.limits import Limits, by_interest
from agent.report.story import PHASES, Story, Talk
from state.errors import RunError
from state.explorable import Explorable
from state.history import Iteration
from state.metrics import METRICS, NOT_MEASURED, REWARD, Metric, main, shown, traced
from state.records import COMPARED_ROLES, LogStyle
from state.search import setting_key
from state.shapes import ImportedNode
from ucb.entry import LogEntry
from ucb.layout import SHAPES, place
from ucb.log import render_entry
from ucb.score import score_block
from ucb.tree import TreeNode

DIGITS = 6
RUN_CHARACTERS = 2_000_000


def page_data(
    ledger: Ledger,
    story: Story,
    pictures: dict[int, list[dict[str, str]]],
    texts: dict[str, str | None],
    limits: Limits | None = None,
) -> dict[str, Any]:
    """Everything that the page's script needs, fit for JSON.

    ``pictures``: iteration -> name and source of each; ``texts``: blob name -> text of the prompts and replies that
    stand on the page itself, None where it is lost; ``limits``: how much stands on it (default: all of an ordinary
    night).
    """
    limits = limits or Limits()
    nodes, n_parallel = ledger.views.tree.runs(), ledger.campaign.search.n_parallel
    drawn = [node for node in nodes if limits.holds(node.id)]
    layout = place([*(node for node in ledger.views.tree.nodes() if node.role == "imported"), *drawn], n_parallel)
    before = (ledger.history.first_iteration - 1) // n_parallel
    scores, whole = _scores(ledger, story, nodes), _within_budget(ledger, story, limits)
    return {
        **_metrics(),
        "primary": ledger.campaign.goal.primary,
        "phases": list(PHASES),
        "shapes": {role: symbol for role, (_, symbol) in SHAPES.items()},
        "tree": {"root": layout.root, "batches": layout.batches - before, "lanes": layout.lanes, "before": before},
        "imported": [
            _imported(node) | {"x": layout.x[node["id"]] - before, "y": layout.y[node["id"]]}
            for node in ledger.history.imported.values()
        ],
        "keys": _keys(ledger),
        "configs": _configs(ledger),
        "nodes": [
            _node(ledger, story, node, pictures.get(node.id, []), node.id in whole)
            | {"x": layout.x[node.id] - before, "y": layout.y[node.id], "ucb": scores.get(node.id)}
            for node in drawn
        ],
        "brief": brief_nodes(ledger, [node for node in nodes if not limits.holds(node.id)], scores),
        **_first_choice(ledger),
        "night": f"{ledger.campaign.name} {story.first_time}",
        "end": story.last_time,
        "stopped": ledger.history.stopped is not None,
        "running": _running(ledger, story),
        "talks": _talks_of(ledger, story, limits),
        "texts": texts,
        "events": [{"time": time, "text": text} for time, text in story.events],
    }


def _imported(node: ImportedNode) -> dict[str, Any]:
    """What the tree shows of a node of a predecessor's log: nothing that could be taken for a measurement."""
    return {"id": node["id"], "parent": node["parent"], "mutation": node["mutation"]}


def _metrics() -> dict[str, Any]:
    """What the page is told of the metrics; ``columns`` stand in the list of runs, ``traced`` along the training."""
    columns = [*shown(), *(row for row in METRICS.values() if row.lower_is_better)]
    return {
        "metrics": list(METRICS),
        "digits": [row.digits for row in METRICS.values()],
        "meanings": [row.meaning for row in METRICS.values()],
        "reward": REWARD,
        "main": [row.name for row in main()],
        "columns": [[row.name, _label(row)] for row in columns],
        "traced": list(traced()),
    }


def _label(row: Metric) -> str:
    return row.short if row.lower_is_better else row.name


def _first_choice(ledger: Ledger) -> dict[str, Any]:
    """The run that the page opens with, and why: the latest of the confirmed config, else of the candidate."""
    views, name = ledger.views, candidate(ledger.views)
    if (won := views.confirmations.best) is not None:
        name, why = won.config_id, f"{won.config_id} is confirmed better than the baseline"
    elif name is not None:
        state = "is on trial" if views.confirmations.open is not None else "leads and is not confirmed"
        why = f"{name} is the candidate: it {state}"
    else:
        leading = views.table.leading(1)
        name = leading[0].config_id if leading else None
        why = f"no config is a candidate yet; {name} has the best score so far"
    shown = None if name is None else views.latest_node[name]
    return {"best": shown, "why": "" if shown is None else f"Shown first, the latest run of its config: {why}."}


def shown_texts(ledger: Ledger, talks: list[Talk], budget: int) -> dict[str, str | None]:
    """Blob name -> text of prompts and replies, newest first while ``budget`` characters last; the rest is linked.

    None for a blob that is missing or damaged: a page of everything else is worth more in the morning than none.
    """
    shown: dict[str, str | None] = {}
    for talk in reversed(talks):
        for name in (talk.reply, talk.prompt, talk.system):
            if name is None or name in shown:
                continue
            try:
                text = ledger.blobs.get(name).decode("utf-8", "replace")
            except RunError:
                shown[name] = None
                continue
            if (budget := budget - len(text)) < 0:
                return shown
            shown[name] = text
    return shown


def _keys(ledger: Ledger) -> list[dict[str, Any]]:
    base = ledger.campaign.base_config().flat()
    return [
        {"key": key, "name": key.rpartition(".")[2], "log": _is_log(rule), "default": base[key]}
        for key, rule in ledger.campaign.explorable.items()
    ]


def _is_log(rule: Explorable) -> bool:
    """Whether values are best shown on a logarithmic axis: scale log, or positive choices over a factor of ten."""
    if rule.choices is None:
        return bool(rule.scale == "log")
    numbers = [c for c in rule.choices if isinstance(c, int | float) and not isinstance(c, bool)]
    return len(numbers) == len(rule.choices) and min(numbers) > 0 and max(numbers) / min(numbers) > 10


def _configs(ledger: Ledger) -> dict[str, dict[str, Any]]:
    views, found = ledger.views, {}
    for config_id in views.latest_node:
        stats = views.table_of(config_id)[config_id]
        values = list(views.explored[config_id])
        found[config_id] = {"values": values, "runs": len(stats.runs), "robust": stats.robustness}
    return found


def _scores(ledger: Ledger, story: Story, nodes: list[TreeNode]) -> dict[int, float]:
    """Each node's score in its block, with the exploration constant that was in force at the block's last commit."""
    search, found = ledger.campaign.search, dict[int, float]()
    sums: dict[str, list[float]] = {}
    ranked = [node for node in nodes if node.role not in COMPARED_ROLES]
    for number, group in groupby(ranked, key=lambda node: ledger.views.block(node.id).number):
        inside = list(group)
        last = ledger.history.iterations[inside[-1].id].planned.batch
        c = story.setting(setting_key("ucb_c"), last, search.ucb_c)
        block = ledger.views.block(inside[-1].id)
        assert block.number == number
        means = _means(ledger, sums, inside) if search.ucb_reward == "config_mean" else None
        for score in score_block(inside, block, float(c), search.ucb_formula, means).scores:
            found[score.node] = round(score.ucb, 3)
    return found


def _means(ledger: Ledger, sums: dict[str, list[float]], inside: list[TreeNode]) -> dict[int, float]:
    """Node -> mean of its config over the runs up to the end of its block; ``sums`` collects them, block by block."""
    names = {node.id: ledger.history.iterations[node.id].planned.config_id for node in inside}
    for node in inside:
        if (run := ledger.views.table.run(names[node.id], node.id)) is not None and (
            value := run.value(REWARD)
        ) is not None:
            sums.setdefault(names[node.id], []).append(value)
    return {node: sum(sums.get(name, [0.0])) / len(sums.get(name, [0.0])) for node, name in names.items()}


def _within_budget(ledger: Ledger, story: Story, limits: Limits) -> set[int]:
    """The runs whose log entry and trajectory stand on the page: the latest and the best, then newest first."""
    characters, points, whole = limits.entries, limits.points, set()
    for number in filter(limits.holds, by_interest(ledger)):
        entry = ledger.history.iterations[number].entry
        characters -= sum(len(text) for text in entry.values() if isinstance(text, str)) if entry else 0
        points -= len(story.trajectories.get(number, [[]])[0])
        if min(characters, points) < 0:
            break
        whole.add(number)
    return whole


def _node(ledger: Ledger, story: Story, node: TreeNode, pictures: list[dict[str, str]], whole: bool) -> dict[str, Any]:
    iteration = ledger.history.iterations[node.id]
    planned, result = iteration.planned, iteration.result
    assert result is not None
    return {
        "id": node.id,
        "parent": node.parent,
        "batch": planned.batch,
        "slot": planned.slot,
        "block": ledger.views.block(node.id).number,
        "role": node.role,
        "status": node.status,
        "config": planned.config_id,
        "mutation": node.mutation,
        "changes": [[key, old, new] for key, (old, new) in planned.changes.items()],
        "seeds": [planned.simulation_seed, planned.training_seed, planned.seed_rationale],
        "rule": planned.parent_rule,
        "hypothesis": planned.hypothesis,
        "pattern": ledger.views.patterns[node.id],
        "metrics": [_rounded(node.metrics.get(name)) for name in METRICS],
        "missing": _not_measured(node) | story.missing.get(node.id, {}),
        "failure": None if result.failure is None else [result.failure.kind, result.failure.message],
        "device": result.device,
        "whole": whole,
        "curve": story.trajectories.get(node.id, []) if whole else [],
        "times": story.attempts.get(node.id, []),
        "seconds": result.seconds,
        "pictures": pictures,
        **_judged(iteration, whole, ledger.campaign.log_style),
    }


def _not_measured(node: TreeNode) -> dict[str, str]:
    """The metrics that came after the run was made, with that as the reason."""
    return {} if node.failure else {name: NOT_MEASURED for name in METRICS if name not in node.metrics}


def _judged(iteration: Iteration, whole: bool, style: LogStyle) -> dict[str, Any]:
    """What was written about the slot, None while nothing has been; the entry itself only where it is ``whole``."""
    if iteration.entry is None:
        return {"entry": None, "verdict": None, "checks": []}
    entry = LogEntry.model_validate(iteration.entry)
    text = render_entry(entry, style) if whole else None
    return {"entry": text, "verdict": entry.verdict, "checks": list(entry.checks)}


def _running(ledger: Ledger, story: Story) -> list[dict[str, Any]]:
    """Slots that have begun and not ended."""
    return [
        {"id": number, "slot": ledger.history.run(number).planned.slot, "times": spans}
        for number, spans in story.attempts.items()
        if spans[-1][1] is None
    ]


def run_data(ledger: Ledger, story: Story, number: int, pictures: list[dict[str, str]]) -> dict[str, Any]:
    """All that a page of a very long night leaves out of one run: its facts, and what was said of it."""
    node = next(node for node in ledger.views.tree.nodes() if node.id == number)
    batch = ledger.history.iterations[number].planned.batch
    talks = [talk for talk in story.talks if talk.batch in (batch - 1, batch)]
    return {
        "node": _node(ledger, story, node, pictures, True),
        "talks": [_talk(talk) for talk in talks],
        "texts": shown_texts(ledger, talks, RUN_CHARACTERS),
    }


def _talks_of(ledger: Ledger, story: Story, limits: Limits) -> list[dict[str, Any]]:
    """All conversations; of a very long night those about the runs that stand on the page whole."""
    if limits.whole is None:
        return [_talk(talk) for talk in story.talks]
    batches = {ledger.history.iterations[number].planned.batch for number in limits.whole}
    about = batches | {batch - 1 for batch in batches}
    return [_talk(talk) for talk in story.talks if talk.batch in about]


def _talk(talk: Talk) -> dict[str, Any]:
    fields = asdict(talk)
    for name in ("violations", "warnings", "fallbacks", "usage", "tries", "useless", "images"):
        del fields[name]
    return fields | {"rejected": bool(talk.violations), "filled": len(talk.fallbacks)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)
