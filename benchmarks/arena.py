"""Conversations of played nights in which replies are tried, and the promises about what may come of any reply.

It knows the promises, not the rules: no protected field of any slot config changes, every config can be written and
read again, every parent has run, seeds and rationales are true, and no text of the model is filled in as a template.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.briefing.context import build_context
from agent.claude.mock import MockLLM, answer
from agent.guard.acceptance import accepted_data
from agent.ledger.evidence import Evidence
from agent.ledger.open_run import open_run
from agent.ledger.policy import REPLICATE_ROLES
from agent.night.ask import read_reply
from agent.night.loop import run_batch, start
from agent.night.night import open_night
from agent.night.plan import child_config, planned_data
from benchmarks.hostile import PAYLOADS, Hostile
from prompts.render import render_prompt, render_repair
from state.config import DERIVED_KEYS, SlotConfig
from state.explorable import protection
from state.files import dump_yaml, parse_yaml, read_yaml
from state.records import SCREENING_ROLE, Planned
from state.schema import validate
from state.search import setting_key
from state.shapes import ReplyAccepted
from trainer.engines.inline import InlineEngine
from ucb.screening import half_fraction

CAMPAIGN = Path(__file__).resolve().parents[1] / "campaigns" / "surrogate.yaml"
SET_BY_PROGRAM = ("dataset", "simulation.seed", "training.seed")
RENDER_EVERY = 500


@dataclass
class Tally:
    """What came out: replies, how many were readable and wholly accepted, violations by code, broken promises."""

    replies: int = 0
    readable: int = 0
    untouched: int = 0
    accepted_slots: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


class Arena:
    """One conversation of a night that has been played, and the promises about what may come of a reply to it."""

    def __init__(self, root: Path) -> None:
        # Nothing that is computed here is written to the run.
        self.ledger = open_run(root).ledger()
        self.context = build_context(self.ledger)
        self.hostile = Hostile(self.ledger, self.context, answer(self.context))
        self._base = self.ledger.campaign.base_config().flat()
        explored = set(self.ledger.campaign.explorable)
        # What follows from embedding_dim may change with it; that it fits is part of reading the file.
        fixed = [key for key in self._base if key not in {*explored, *SET_BY_PROGRAM, *DERIVED_KEYS}]
        self._protected = [key for key in fixed if protection(key)]
        self._others = [key for key in fixed if not protection(key)]
        self._sound: set[str] = set()

    def try_one(self, text: str, tally: Tally) -> None:
        """Let ``text`` go the whole road; a broken promise is an AssertionError."""
        reply, verdict = read_reply(self.ledger, self.context, text)
        data = accepted_data(self.ledger, self.context, reply, verdict)
        self.ledger.history.proposals = data["proposals"]
        slots = [Planned.model_validate(fields) for fields in planned_data(self.ledger)["slots"]]
        tally.replies += 1
        tally.readable += reply is not None
        tally.untouched += not verdict.violations
        tally.accepted_slots += len(slots) - len(data["fallbacks"])
        tally.codes.update(violation.code for violation in verdict.violations)
        for slot, proposal in zip(slots, data["proposals"], strict=True):
            self._check(slot, child_config(self.ledger, slot.slot, proposal))
        self._check_batch(slots)
        named = {setting_key(key): rule for key, rule in self.ledger.campaign.search.explorable.items()}
        for key, value in data.get("settings", {}).items():
            assert named[key].allows(value), f"{key} = {value}"
        if tally.replies % RENDER_EVERY == 0:
            self._check_rendering([violation.sentence() for violation in verdict.violations], data)

    def _check(self, slot: Planned, config: SlotConfig) -> None:
        views, campaign = self.ledger.views, self.ledger.campaign
        assert slot.parent is None or 1 <= slot.parent <= self.context.last_node, f"parent {slot.parent}"
        parent = views.parent_config(slot.parent)
        assert parent is not None, f"parent {slot.parent} has not run"
        assert config.hash() == slot.config_hash
        self._check_file(slot.config, config)
        flat, before = config.flat(), parent.flat()
        for key, rule in campaign.explorable.items():
            assert rule.allows(flat[key]), f"{key} = {flat[key]}"
        for key in self._protected:
            assert flat[key] == self._base[key], f"{key} = {flat[key]}"
        for key in self._others:
            assert flat[key] == before[key], f"{key} = {flat[key]}"
        assert set(slot.changes) == {key for key in campaign.explorable if flat[key] != before[key]}, slot.changes
        assert (config.simulation.seed, config.training.seed) == (slot.simulation_seed, slot.training_seed)
        assert config.dataset == campaign.dataset(slot.slot)
        assert slot.run_id == f"{campaign.name}.{self.context.last_node + 1 + slot.slot:04d}"
        if slot.seed_rationale == "different-data-generalization":
            assert config.simulation.seed not in views.seeds_of.get(config.identity(), ()), "data known to the config"

    def _check_file(self, blob: str, config: SlotConfig) -> None:
        """The file a worker reads says the same config; looked at once for each set of parameters."""
        if config.identity() in self._sound:
            return
        evidence = self.ledger.blobs
        assert isinstance(evidence, Evidence)
        text = evidence.made(blob)
        assert text is not None
        assert validate(SlotConfig, parse_yaml(text, blob), blob) == config
        assert not any(payload in text for payload in PAYLOADS if len(payload) > 4)
        self._sound.add(config.identity())

    def _check_batch(self, slots: list[Planned]) -> None:
        demand, policy = self.context.demand, self.ledger.campaign.policy
        for slot in slots:
            if slot.seed_rationale == "same-data-robustness":
                assert slot.simulation_seed in self._same_data(slot, slots), "no other run is on these data"
        runs = {(slot.config_id, slot.simulation_seed, slot.training_seed) for slot in slots}
        assert len(runs) == len(slots), "one run twice"
        if demand.baseline:
            assert policy.baseline == "warn" or {slot.role for slot in slots} == {"baseline"}
        elif SCREENING_ROLE in {slot.role for slot in slots}:
            self._check_screening(slots)
        elif policy.replicates == "reject":
            assert sum(slot.role in REPLICATE_ROLES for slot in slots) >= demand.min_replicates, "too few replicates"

    def _check_screening(self, slots: list[Planned]) -> None:
        """All slots or none; one parent config, one new data seed, and the changes of a half fraction."""
        assert self.context.screening is not None, "a screening batch that was not on offer"
        assert {slot.role for slot in slots} == {SCREENING_ROLE}, "a screening batch in part of the slots"
        parents = [self.ledger.views.parent_config(slot.parent) for slot in slots]
        assert len({parent.identity() for parent in parents if parent is not None}) == 1, "several parent configs"
        assert {slot.simulation_seed for slot in slots} == {self.context.screening.simulation_seed}, (
            "several data seeds"
        )
        second = {(key, new) for slot in slots for key, (_, new) in slot.changes.items()}
        keys = sorted({key for key, _ in second})
        assert len(second) == len(keys) == self.context.screened_keys, "other keys or values than one a key"
        levels = {tuple(key in slot.changes for key in keys) for slot in slots}
        assert levels == set(half_fraction(len(keys))), "no half fraction"

    def _same_data(self, slot: Planned, slots: list[Planned]) -> set[int]:
        """Simulation seeds on which another slot, the parent or an earlier run of the config has run."""
        iterations = self.ledger.history.iterations
        seeds = {other.simulation_seed for other in slots if other.slot != slot.slot}
        seeds |= {it.planned.simulation_seed for it in iterations.values() if it.planned.config_id == slot.config_id}
        return seeds | ({iterations[slot.parent].planned.simulation_seed} if slot.parent else set())

    def _check_rendering(self, sentences: list[str], data: ReplyAccepted) -> None:
        """Text of the model comes out of the templates as it went in."""
        assert all(f"- {sentence}\n" in render_repair(sentences) for sentence in sentences)
        memory = "\n".join([*PAYLOADS, json.dumps(data["proposals"])])
        views = [view.model_copy(update={"hypothesis": memory}) for view in self.context.slots]
        text = render_prompt(self.context.model_copy(update={"memory": memory, "slots": views}))
        assert text.count(memory) == 1 + len(views)


def arenas(folder: Path) -> list[Arena]:
    """The start call; inside the baseline; after it; a later block with keys of the architecture; rules that warn;
    a screening batch on offer.
    """
    wider = {"graph_model.hidden_dim": {"min": 8, "max": 160}, "graph_model.embedding_dim": {"choices": [2, 3]}}
    search = {"explorable": {"ucb_c": {"min": 0.5, "max": 3}}}
    warn = {"policy": {"baseline": "warn", "replicates": "warn", "mutation_size": "warn", "time": "warn"}}
    plans: list[tuple[int, dict[str, Any]]] = [
        (0, {}),
        (1, {"policy": {"baseline_runs": 8}}),
        (1, {"policy": {"time_limit_min": 110}}),
        (5, {"policy": {"time_limit_min": 110, "max_changes": 1}, "explorable": wider, "search": search}),
        (3, warn),
        (1, {"policy": {"screening": 2}}),
    ]
    return [Arena(_play(folder / str(number), *plan)) for number, plan in enumerate(plans)]


def _play(folder: Path, batches: int, changes: dict[str, Any]) -> Path:
    tree = read_yaml(CAMPAIGN)
    tree["search"] |= {"n_iter_block": 4}
    tree["policy"] |= {"baseline_runs": 4}
    for section, values in changes.items():
        tree[section] |= values
    folder.mkdir(parents=True)
    file = folder / "campaign.yaml"
    file.write_text(dump_yaml(tree))
    night = open_night(file, folder / "run", dry_run=True)
    night.derived.draw = lambda: None  # type: ignore[method-assign]
    try:
        if batches:
            start(night, MockLLM())
        for _ in range(batches):
            run_batch(night, MockLLM(), InlineEngine(), lambda *_: None)
    finally:
        night.close()
    return folder / "run"
