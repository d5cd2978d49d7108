"""What a predecessor's log states of its runs, where the import asked that it help to choose.

It ranks possible parents, and stands in the variance table and the effects of the prompts, marked as stated. No
replicate, noise, interval, comparison, trial or verdict knows of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from state.config import SlotConfig
from state.metrics import REWARD
from state.records import Planned, SlotResult
from state.shapes import ImportedNode, RunImported, StatedRun
from ucb.counted import Counted
from ucb.score import Block, Formula, ScoreTable, score_block
from ucb.table import VarianceTable
from ucb.tree import TreeNode
from ucb.variance import ConfigStats, Run


@dataclass
class StatedConfig:
    """A config of imported nodes, the first of them ``node``, and the runs that are stated of it."""

    node: int
    runs: list[Run] = field(default_factory=list)


class Stated:
    """Fold over `run_imported` and results; empty where nothing was asked to be used."""

    def __init__(self) -> None:
        self.used = False
        # Identity of a config -> what is stated of it, in the order of its first node.
        self.configs: dict[str, StatedConfig] = {}
        self._rewards: dict[int, float] = {}
        self._identities: dict[int, str] = {}
        self._nodes: dict[int, TreeNode] = {}
        # Own node -> the imported node that it descends from, and of each of those how many and their summed reward.
        self._above: dict[int, int] = {}
        self._below: dict[int, tuple[int, float]] = {}
        self._counted: dict[str, tuple[str, ConfigStats | None, Counted]] = {}

    def take(self, data: RunImported, config: Callable[[int], SlotConfig | None]) -> None:
        """Take in an import; ``config`` of a node, None where it is not known."""
        self.used = data.get("use_metrics", False)
        seeds: dict[tuple[int, ...], int] = {}
        for node in data["nodes"] if self.used else []:
            self._nodes[node["id"]] = TreeNode(
                node["id"], node["parent"], "imported", node["status"], mutation=node["mutation"]
            )
            runs = [_run(node, run, seeds) for run in node.get("runs", [])]
            values = [run.value(REWARD) or 0.0 for run in runs]
            if values:
                self._rewards[node["id"]] = sum(values) / len(values)
            if values and (known := config(node["id"])) is not None:
                name = self._identities[node["id"]] = known.identity()
                self.configs.setdefault(name, StatedConfig(node["id"])).runs.extend(runs)

    def ran(self, planned: Planned, result: SlotResult) -> None:
        """A run has finished, which may descend from an imported node."""
        if not self.used or planned.parent is None:
            return
        above = planned.parent if planned.parent in self._nodes else self._above.get(planned.parent)
        if above is not None:
            reward = 0.0 if result.failure else result.metrics.get(REWARD) or 0.0
            count, total = self._below.get(above, (0, 0.0))
            self._above[planned.iteration], self._below[above] = above, (count + 1, total + reward)

    def reward(self, node: int) -> float:
        """The stated connectivity_R2 of an imported node that `scores` tells of."""
        return self._rewards[node]

    def name_of(self, node: int, config_ids: Mapping[str, str]) -> str:
        """The short name of the config of an imported node, as far as it was planned here."""
        identity = self._identities[node]
        return config_ids.get(identity, f"imported node {self.configs[identity].node}")

    def counted(self, table: VarianceTable, config_ids: Mapping[str, str]) -> list[Counted]:
        """Every config of which runs are stated, with those that ran here; made anew when it has run again."""
        return [self._count(identity, table, config_ids) for identity in self.configs]

    def _count(self, identity: str, table: VarianceTable, config_ids: Mapping[str, str]) -> Counted:
        stated = self.configs[identity]
        name = self.name_of(stated.node, config_ids)
        measured = table.get(name)
        known = self._counted.get(identity)
        if known is None or known[0] != name or known[1] is not measured:
            ran = () if measured is None else measured.runs
            together = ConfigStats(name, (*stated.runs, *ran), table.limits, table.format)
            known = self._counted[identity] = name, measured, Counted(name, together, measured, len(stated.runs))
        return known[2]

    def scores(self, c: float, formula: Formula, means: Mapping[str, float] | None = None) -> ScoreTable:
        """The imported nodes and all runs that descend from them, scored as one block; only possible parents are told.

        Only those with a stated connectivity_R2 (0 where the run is stated to have failed). ``means``: identity of a
        config -> the mean of its runs, where that is a node's reward.
        """
        rewards = dict(self._rewards)
        if means is not None:
            rewards |= {node: means[identity] for node, identity in self._identities.items()}
        block = Block(0, min(self._nodes, default=1), max(self._nodes, default=0))
        table = score_block(self._nodes.values(), block, c, formula, rewards, self._below)
        told = tuple(score for score in table.scores if score.node in self._identities)
        return ScoreTable(block, c, formula, told, table.reward)


def _run(node: ImportedNode, run: StatedRun, seeds: dict[tuple[int, ...], int]) -> Run:
    """A stated run. Its data were made by another program: its data seed is never one of ours, so it is negative.

    Equal stated seeds are one data seed; a seed that is not stated is one of its own.
    """
    told, fresh = run["simulation_seed"], -1 - len(seeds)
    seed = seeds.setdefault((fresh, node["id"]) if told is None else (told,), fresh)
    metrics = run["metrics"] or None
    return Run("", node["id"], seed, run["training_seed"] or 0, metrics)
