"""What was learned in a night, in five sentences made from figures."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from agent.briefing.config_view import config_changes
from agent.guard.acceptance import NO_ENTRY
from agent.ledger.gains import gain_lines
from agent.ledger.ledger import Ledger
from agent.ledger.spending import cache_words, elapsed_s
from agent.ledger.standard import standard_words
from agent.ledger.standing import candidate
from agent.ledger.waiting import waiting_words
from agent.report.story import Story
from state.errors import RunError
from state.explorer import TITLES
from state.records import COMPARED_ROLES
from ucb.estimates import BASELINE
from ucb.trial import render_trial
from ucb.variance import RANKED_FROM, ConfigStats, Spread

PRINCIPLES = "### Established Principles"
NAMED = 6
LONGEST = 300
# A bullet is one mark and a space: `-0.1` and `**bold**` are text of the model.
BULLET = re.compile(r"^[-*•](\s+|$)")


@dataclass(frozen=True)
class Lesson:
    """One line: what it is about, the sentence, and whether its words are the model's."""

    about: str
    text: str
    by_model: bool = False


def lessons(ledger: Ledger, story: Story) -> list[Lesson]:
    """Best config, robustness, failures, what the model believes, cost: always these five, in this order."""
    first = best_config(ledger) if len(ledger.views.tree) else "Nothing has finished yet."
    return [Lesson("Best config", _of_no_use(story) + first), *_rest(ledger, story)]


def _of_no_use(story: Story) -> str:
    """What the first line begins with when Claude was of no use: the slots that follow were nobody's idea."""
    talks = [talk for talk in story.talks if talk.accepted]
    vain = [talk for talk in talks if talk.useless]
    if not vain:
        return ""
    return (
        f"In {len(vain)} of {len(talks)} conversations Claude gave no reply that was accepted (the last: "
        f"{vain[-1].useless}); the slots that followed were chosen by the program. "
    )


def _rest(ledger: Ledger, story: Story) -> list[Lesson]:
    beliefs, lost = principles(ledger), ledger.history.memory and memory_text(ledger) is None
    nothing = "The text of the memory is lost." if lost else "Nothing is noted under Established Principles yet."
    believed = "; ".join(beliefs[:3]) or nothing
    believed += f" (and {len(beliefs) - 3} more)" if len(beliefs) > 3 else ""
    return [
        Lesson("Robust", robustness(ledger)),
        Lesson("Failed", failures(ledger)),
        Lesson("Claude believes", believed, bool(beliefs)),
        Lesson("Cost", cost(ledger, story)),
    ]


def best_config(ledger: Ledger) -> str:
    """The config confirmed better, or none; then who leads, and how far its confirmation has got."""
    table, views = ledger.views.table, ledger.views
    confirmations, goal = views.confirmations, ledger.campaign.goal
    base = f"the baseline {BASELINE} ({figures(table[BASELINE])})" if BASELINE in table else "a baseline"
    best, name = confirmations.best, candidate(views)
    if best is not None:
        told = f"{named(ledger, table[best.config_id])} is confirmed better than {base}: {render_trial(best, goal)}."
    else:
        told = f"No config is confirmed better than {base}."
    if confirmations.open is not None:
        told += f" On trial is {named(ledger, table[str(name)])}: {render_trial(confirmations.open, goal)}."
    elif name is not None:
        told += f" Ahead of {len(table)} tried is {named(ledger, table[name])} with {figures(table[name])}; "
        told += "it is the best of many and not confirmed."
    elif confirmations.trials and confirmations.trials[-1] is not best:
        told += f" Last on trial was {render_trial(confirmations.trials[-1], goal)}."
    told += f" Error budget {100 * goal.error_budget:g} % a night."
    return " ".join(filter(None, [told, standard_words(views)]))


def robustness(ledger: Ledger) -> str:
    """Which configs with enough runs are robust, and which are fragile."""
    ranked = ledger.views.table.ranking()
    if not ranked:
        return f"Nothing can be said yet: no config has {RANKED_FROM} runs."
    robust, fragile = ([s for s in ranked if s.robustness == word] for word in ("robust", "fragile"))
    parts = [f"{len(robust)} of {len(ranked)} configs with at least {RANKED_FROM} runs are robust"]
    parts[0] += f": {_list(robust)}" if robust else ""
    spoiled = sum(stats.failed > 0 for stats in fragile)
    are = "are fragile" if len(fragile) > 1 else "is fragile"
    are += f" ({spoiled} of them with failed slots, which count as 0)" if spoiled else ""
    parts += [f"{len(fragile)} {are}: {_list(fragile)}"] if fragile else []
    return "; ".join(parts) + "."


def failures(ledger: Ledger) -> str:
    """Slots without metrics by kind, and what became of the hypotheses."""
    done = [it for it in ledger.history.iterations.values() if it.result is not None]
    kinds = Counter(it.result.failure.kind for it in done if it.result is not None and it.result.failure is not None)
    cut = kinds.pop("cut", 0)
    told = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in kinds.most_common())
    slots = f"{sum(kinds.values())} of {len(done)} slots failed" + (f" ({told})" if told else "")
    slots += f"; {cut} cut as hopeless at a third of their training" if cut else ""
    poor = sum(node.status == "failed" and node.failure is None for node in ledger.views.tree.runs())
    if poor:
        slots += (
            f"; {poor} more ended with connectivity_R2 below {ledger.campaign.thresholds.partial:g}, a failed status"
        )
    entries = [it.entry for it in done if it.entry and it.planned.changes and it.planned.role not in COMPARED_ROLES]
    verdicts = Counter(entry["verdict"] for entry in entries if not _by_program(entry))
    judged = sum(verdicts.values())
    unjudged = len(entries) - judged
    silent = f"; {unjudged} without a verdict of Claude's" if unjudged else ""
    if not judged:
        return f"{slots}; no mutation has been judged yet{silent}."
    words = ", ".join(f"{verdicts[word]} {word}" for word in ("supported", "falsified", "inconclusive"))
    return f"{slots}; of {judged} mutations judged by Claude: {words}{silent}."


def _by_program(entry: dict[str, Any]) -> bool:
    """Whether the program filled the entry in, since no reply was accepted: its verdict is nobody's opinion."""
    return all(entry[name] == text for name, text in NO_ENTRY.items())


def memory_text(ledger: Ledger) -> str | None:
    """The model's memory, None before there is one and when its blob is missing or damaged."""
    try:
        return ledger.blobs.text(ledger.history.memory) if ledger.history.memory else None
    except RunError:
        return None


def principles(ledger: Ledger) -> list[str]:
    """The bullets under Established Principles of the model's memory, or its lines where it has no bullets."""
    lines = [line.strip() for line in (memory_text(ledger) or "").splitlines()]
    if PRINCIPLES not in lines:
        return []
    section = lines[lines.index(PRINCIPLES) + 1 :]
    end = next((n for n, line in enumerate(section) if line.startswith("#")), len(section))
    texts = (" ".join(BULLET.sub("", line).split()) for line in section[:end])
    return [text if len(text) <= LONGEST else text[: LONGEST - 1] + "…" for text in texts if text]


def cost(ledger: Ledger, story: Story) -> str:
    """Dollars, tokens, slot hours, hours on the clock, and how much of them was waiting."""
    used = ledger.spending
    replies = sum(talk.reply is not None for talk in story.talks)
    lost = sum(talk.answered is not None and talk.reply is None for talk in story.talks)
    silent = f" ({lost} more request{'s' if lost > 1 else ''} without a reply)" if lost else ""
    if ledger.history.explorer != "claude":
        money = f"no money: {replies} replies of {TITLES[ledger.history.explorer]}{silent}"
    else:
        unknown = f" and {used.unpriced} replies of unknown price" if used.unpriced else ""
        money = f"${used.dollars:.2f}{unknown} for {replies} replies{silent}, {used.tokens:,} tokens"
        money += cache_words(used.cached, used.saved)
    hours = elapsed_s(story.first_time, story.last_time) / 3600
    spent = "slot hours" if ledger.campaign.trainer == "gnn" else "pretended slot hours"
    told = f"{money}; {used.gpu_hours:.2f} {spent}; {hours:.2f} h from the first record to the last"
    told = "; ".join(filter(None, [told, waiting_words(ledger.waiting)])) + "."
    return " ".join([told, *gain_lines(ledger)])


def named(ledger: Ledger, stats: ConfigStats) -> str:
    """A config by its name, with its departures from the defaults."""
    changes = config_changes(ledger, stats.config_id)
    text = ", ".join(f"{key.rpartition('.')[2]} = {value}" for key, value in changes.items())
    return f"{stats.config_id} ({text or 'the defaults'})"


def figures(stats: ConfigStats) -> str:
    """Its two R2 over its runs, in words."""
    conn, vrest = stats.spreads["connectivity_R2"], stats.spreads["V_rest_R2"]
    many = len(stats.runs)
    runs = f"{many} run{'s' if many > 1 else ''}"
    failed = f" ({stats.failed} failed, counted as 0)" if stats.failed else ""
    return f"connectivity_R2 {_spread(conn, many)}, V_rest_R2 {_spread(vrest, many)} over {runs}{failed}"


def _spread(spread: Spread, runs: int) -> str:
    """Mean and standard deviation, and over how many of the ``runs`` where the metric is undefined in some."""
    if spread.mean is None:
        return "undefined"
    some = f" (defined in {spread.n})" if spread.n < runs else ""
    return f"{spread.mean:.3f}" + ("" if spread.std is None else f" ± {spread.std:.3f}") + some


def _list(configs: list[ConfigStats]) -> str:
    names = [stats.config_id for stats in configs[:NAMED]]
    more = len(configs) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
