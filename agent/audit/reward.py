"""Which metric a score file was made of, and whether its scores can be judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from agent.audit.entry import Entry
from agent.audit.findings import Finding
from agent.audit.rules import Inferred, rounding
from agent.audit.scores import HALF_SHOWN, Comparison, ScoreFile
from state.metrics import REWARD


def find_reward(entries: Sequence[Entry], file: ScoreFile | None, inferred: Inferred) -> str | None:
    """The metric that scores are made of: connectivity_R2, else the one whose values ``file`` holds, else what the log
    suggests; None when it cannot be told."""
    if file is not None and file.of_means:
        return None
    stored = [one for one in file.stored if one.metrics.get(REWARD) is not None] if file else []
    if inferred.reward == REWARD:
        return REWARD
    if not stored:
        # What was only guessed from the names, and by which the statuses make no sense, is no reward.
        return inferred.reward if inferred.known else None
    latest = {entry.id: entry for entry in entries}
    matches = Counter(
        name
        for one in stored
        if (entry := latest.get(one.node)) is not None
        for name, value in entry.metrics.items()
        if value is not None and abs(value - (one.metrics[REWARD] or 0.0)) <= HALF_SHOWN + rounding(entry, name)
    )
    best, count = max(matches.items(), key=lambda item: item[1], default=(None, 0))
    return best if 2 * count >= len(stored) else None


def unjudged(comparison: Comparison, file: ScoreFile, inferred: Inferred, reward: str | None) -> list[Finding]:
    """A note in place of findings where ``file`` follows a reward or a formula that is not known here."""
    if reward is not None and (inferred.known or 2 * comparison.reproduced >= len(file.stored)):
        return []
    found = "scores of a reward that the metrics of the log do not tell"
    if file.of_means:
        found = "scores of config means over the whole night"
    if reward is not None:
        found = (
            f"{comparison.reproduced} of {len(file.stored)} scores are those of {reward}, by a rule of the log's own"
        )
    return [Finding("scores-unjudged", None, (1,), found, "scores of a metric of the log; these were not judged")]
