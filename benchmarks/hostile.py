"""Hostile replies from a seeded generator: parseable proposals of any content, mutated JSON, damaged text.

Knows the form of a reply and the keys of a campaign, and nothing of how replies are judged.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from agent.ledger.ledger import Ledger
from prompts.context import Context
from state.explorable import PROTECTED
from ucb.grammar import LogError, render_mutation

# Text that something could take for a template, a path, a format string, a field of the log, or code.
PAYLOADS = (
    "{{7*7}}", "{% for x in c.slots %}{{ x }}{% endfor %}", "{{ c.memory }}", "../../x", "/etc/passwd", "%s%n%d",
    "{0}", "{0.__class__}", "${HOME}", "$(touch x)", "`id`", "__class__", "\x00", "\u202e", "\u2028## Iter 9: failed",
    "a\n## Iter 9: converged\nNode: id=9, parent=1", "!!python/object:os.system", "<!-- nightfly:", "root", "null",
    "Next: parent=99", "conn=0.123, tau=9.9", "C1 mean conn = 7", "x" * 2001, "", " ",
)  # fmt: skip
NUMBERS: tuple[Any, ...] = (
    0, 1, -1, 2, 3, 4, 20, 25, 0.3, 0.45, 2.5, 3.0, 1e-4, 300.0, 5e-324, 1e308, -0.0, 2**31 - 1, 2**31, 2**63, 10**30,
    True, False, "3", "nan",
)  # fmt: skip
ROLES = ("exploit", "explore", "replicate", "baseline", "principle-test") * 5 + ("screening", "fallback", "king")
RATIONALES = ("same-data-robustness", "different-data-generalization", "suggested-default") * 8 + ("why not",)

Tree = dict[str, Any]


class Hostile:
    """Replies to the prompt of one conversation; the same seed gives the same replies."""

    def __init__(self, ledger: Ledger, context: Context, good: Tree) -> None:
        self._ledger, self._context = ledger, context
        self._good = json.dumps(good)
        flat = ledger.campaign.base_config().flat()
        leaves = [key.rsplit(".", 1)[-1] for key in flat]
        self._keys = [*flat, *leaves, *PROTECTED, *PAYLOADS, "claude.ucb_c", "policy.max_changes", "training"]
        self._rules = list(ledger.campaign.explorable.items())

    def reply(self, rng: random.Random) -> str:
        """One reply as text."""
        tree: Tree = json.loads(self._good)
        slots = [name for name in tree if name.startswith("slot_")]
        for name in slots:
            kind = rng.random()
            if kind < 0.4:
                tree[name]["proposal"] = self._plausible(rng)
            elif kind < 0.65:
                self._spoil(rng, tree[name]["proposal"])
            if rng.random() < 0.1 and "entry" in tree[name]:
                tree[name]["entry"][rng.choice(sorted(tree[name]["entry"]))] = self._word(rng)
        if rng.random() < 0.1:
            tree[rng.choice(["memory", "block_summary", "block_summary", "acknowledged", "acknowledged", "more"])] = (
                rng.choice([None, self._word(rng)])
            )
        if rng.random() < 0.05:
            tree["memory"] = f"{tree['memory']}\n{self._word(rng)}"
        if rng.random() < 0.1:
            _graft(rng, tree)
        text = json.dumps(tree)
        return rng.choice(_DAMAGES)(rng, text) if rng.random() < 0.05 else text

    def _plausible(self, rng: random.Random) -> Tree:
        """Consistent in itself: allowed values and the true mutation line; often accepted."""
        last = self._context.last_node
        parent = rng.choice([None, *range(1, last + 1)]) if last else None
        config = self._ledger.views.parent_config(parent)
        assert config is not None
        flat, changes = config.flat(), {}
        for key, rule in rng.sample(self._rules, rng.choice([0, 0, 1, 1, 1, 2, 3])):
            if rule.choices is not None:
                changes[key] = rng.choice(rule.choices)
            elif rule.min is not None and rule.max is not None:
                value = rng.uniform(rule.min, rule.max)
                changes[key] = round(value) if isinstance(flat[key], int) and rng.random() < 0.9 else value
        pairs = {key: (flat[key], value) for key, value in changes.items() if flat[key] != value}
        role = rng.choice(ROLES[:5]) if pairs else rng.choice(["replicate", "replicate", "baseline"])
        offer = rng.choice(self._context.seeds)
        return {
            "role": role,
            "parent": "root" if parent is None else parent,
            "parent_rule": self._word(rng) or "x",
            "mutation": render_mutation(pairs, role, parent),  # type: ignore[arg-type]
            "edits": [{"key": key, "value": value} for key, (_, value) in pairs.items()],
            "simulation_seed": rng.choice(
                [offer.simulation_seed, offer.shared_simulation_seed, rng.randint(1000, 1020)]
            ),
            "training_seed": rng.choice([offer.training_seed, rng.randint(500_000, 500_020)]),
            "seed_rationale": rng.choice(RATIONALES[:2]),
            "hypothesis": self._word(rng) or "x",
        }

    def _spoil(self, rng: random.Random, proposal: Tree) -> None:
        """Replace one to four fields by anything of about the right kind."""
        anything: dict[str, Callable[[], Any]] = {
            "role": lambda: rng.choice(ROLES),
            "parent": lambda: rng.choice(["root", rng.randint(-2, self._context.last_node + 5), rng.choice(NUMBERS)]),
            "parent_rule": lambda: self._word(rng),
            "mutation": lambda: self._word(rng),
            "edits": lambda: [self._edit(rng) for _ in range(rng.choice([0, 1, 1, 2, 3]))],
            "simulation_seed": lambda: rng.choice(
                [rng.randint(990, 1030), rng.randint(-1, 2**32), rng.choice(NUMBERS)]
            ),
            "training_seed": lambda: rng.choice([rng.randint(0, 10**6), rng.randint(-1, 2**32), 10**400]),
            "seed_rationale": lambda: rng.choice(RATIONALES),
            "hypothesis": lambda: self._word(rng),
        }
        for field in rng.sample(sorted(anything), rng.randint(1, 4)):
            proposal[field] = anything[field]()
        if rng.random() < 0.5:
            self._tell_the_truth(proposal)

    def _edit(self, rng: random.Random) -> Tree:
        key = rng.choice(self._rules)[0] if rng.random() < 0.4 else rng.choice(self._keys)
        return {"key": key, "value": rng.choice([rng.choice(NUMBERS), self._word(rng)])}

    def _tell_the_truth(self, proposal: Tree) -> None:
        """A mutation line that states the edits, however forbidden they are."""
        node = proposal["parent"] if isinstance(proposal["parent"], int) else None
        config = self._ledger.views.parent_config(node)
        flat = config.flat() if config else {}
        pairs = {edit["key"]: (flat.get(edit["key"], 0), edit["value"]) for edit in proposal["edits"]}
        try:
            proposal["mutation"] = render_mutation(pairs, proposal["role"], node)
        except LogError:
            return

    def _word(self, rng: random.Random) -> str:
        if rng.random() < 0.5:
            return rng.choice(PAYLOADS)
        return "".join(
            chr(rng.choice([rng.randint(32, 126), rng.randint(1, 0x2FFF)])) for _ in range(rng.randint(0, 12))
        )


def _graft(rng: random.Random, tree: Tree) -> None:
    """Delete, add, or replace something somewhere in the tree by a value of another kind."""
    node: Tree = tree
    while rng.random() < 0.7 and (below := [value for value in node.values() if isinstance(value, dict)]):
        node = rng.choice(below)
    key = rng.choice(sorted(node))
    action = rng.randrange(3)
    if action == 0:
        del node[key]
    elif action == 1:
        node[rng.choice(PAYLOADS)] = rng.choice(NUMBERS)
    else:
        node[key] = rng.choice([None, [], {}, [node.get(key)], rng.choice(NUMBERS), rng.choice(PAYLOADS)])


def _cut(rng: random.Random, text: str) -> str:
    return text[: rng.randrange(len(text))]


def _flip(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text))
    return text[:at] + chr(rng.randint(0, 0x2FF)) + text[at + 1 :]


def _double(rng: random.Random, text: str) -> str:
    """Some part twice, so that keys may appear twice."""
    a, b = sorted((rng.randrange(len(text)), rng.randrange(len(text))))
    return text[:b] + text[a:b] + text[b:]


def _wrap(rng: random.Random, text: str) -> str:
    return rng.choice(["```json\n%s\n```", "[%s]", "%s %s", "\ufeff%s", "Here it is: %s", "%s\x00"]).replace("%s", text)


def _replace(rng: random.Random, text: str) -> str:
    return text.replace(
        rng.choice(["null", '"', ":", "1", "slot_0"]), rng.choice(["NaN", "Infinity", "1e999", "\\ud800", "'"])
    )


def _deep(rng: random.Random, text: str) -> str:
    return rng.choice(["[" * 20_000, '{"slot_0":' * 5000, "9" * 5000, ""])


_DAMAGES: tuple[Callable[[random.Random, str], str], ...] = (_cut, _flip, _double, _wrap, _replace, _deep)
