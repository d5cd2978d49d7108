"""What the journal implies and every step needs: variance table, time model, block scores; kept up record by record."""

from __future__ import annotations

from array import array
from typing import Any

from agent.ledger.policy import FirstTimes, Standing
from agent.ledger.stated import Stated
from agent.ledger.times import QuietTimes
from agent.ledger.tree import Tree
from prompts.context import ComparisonView, ConfigView
from state.blobs import BlobStore
from state.campaign import Campaign
from state.config import Scalar, SlotConfig
from state.errors import ConfigError
from state.files import parse_yaml, sha256
from state.history import History, Iteration
from state.journal import Record
from state.metrics import REWARD, traced
from state.records import COMPARED_ROLES, CONTROL_ROLE, Planned, SlotResult, Status
from state.schema import validate
from state.search import setting_key
from state.shapes import BatchCommitted, RunImported, SlotEnded, SlotPlanned
from ucb.confirm import Confirmations
from ucb.earlier_noise import noise_of
from ucb.estimates import Estimates
from ucb.score import Block, ScoreTable, block_of, score_block
from ucb.table import VarianceTable
from ucb.trajectory import PatternReport, pattern, run_status
from ucb.tree import TreeNode
from ucb.variance import CONTROL, STANDARD, ConfigStats, run_from

KEPT_CONFIGS = 512


# Metric -> its values along the training, undefined ones left out; compact, since it is kept for every iteration.
Courses = dict[str, "array[float]"]


class Views:
    """Folds over the same records as `History`; nothing here is a fact of its own."""

    def __init__(self, campaign: Campaign, history: History, blobs: BlobStore) -> None:
        self.campaign = campaign
        self.history = history
        self.blobs = blobs
        self.table = VarianceTable(campaign.thresholds, format=campaign.format, extra_rows=campaign.log == "full")
        # Runs of standard training beside the baseline: never ranked, repeated or built on.
        self.standard = VarianceTable(campaign.thresholds, format=campaign.format)
        # All that the control arm has seen: its own runs and those that the campaign began with.
        self.control = VarianceTable(campaign.thresholds, format=campaign.format)
        runs = campaign.policy.baseline_runs
        self.estimates = Estimates(self.table, runs)
        self.confirmations = Confirmations(campaign.goal, self.estimates, self.table, runs)
        self.times: FirstTimes | QuietTimes = FirstTimes() if campaign.format == 1 else QuietTimes()
        self.known_runs: set[tuple[str, int, int]] = set()
        self.seeds_of: dict[str, set[int]] = {}
        self.latest_node: dict[str, int] = {}
        # Config -> its value of every explorable key, in the campaign's order; a long night has thousands of configs.
        self.explored: dict[str, tuple[Scalar, ...]] = {}
        self.tree = Tree(campaign)
        self.stated = Stated()
        self.patterns: dict[int, str] = {}
        self.courses: dict[int, Courses] = {}
        self.compared: dict[tuple[str, str], tuple[ConfigStats, ConfigStats, ComparisonView]] = {}
        self.shown: dict[str, tuple[ConfigStats, ConfigView]] = {}
        # Configs of which a run was cut and no other came to an end -> that run.
        self.hopeless: dict[str, int] = {}
        self.run_lines: dict[int, tuple[float, str]] = {}
        self.unchanging: dict[str, Any] = {}
        # Of the batch in hand.
        self.reports: dict[int, PatternReport] = {}
        self._configs: dict[str, SlotConfig] = {}
        self._imported: dict[int, SlotConfig] = {}

    def apply(self, record: Record) -> None:
        """Fold in one record that `History` has already taken."""
        if record.type == "campaign_started" and (earlier := self.history.earlier_noise) is not None:
            self.estimates.earlier = {metric: noise_of(data) for metric, data in earlier["metrics"].items()}
        elif record.type == "batch_planned":
            batch = self.history.batch(record.batch)
            self.reports.clear()
            # What a control arm runs is nobody else's evidence.
            batch = [iteration for iteration in batch if iteration.planned.role != CONTROL_ROLE]
            self.confirmations.plan([iteration.planned for iteration in batch])
            for iteration in batch:
                self._know(iteration)
        elif record.type == "slot_planned":
            self._know(self.history.run(record.of(SlotPlanned)["slot"]["iteration"]))
        elif record.type in ("slot_finished", "slot_failed"):
            self._learn(self.history.iterations[record.of(SlotEnded)["iteration"]])
            if not self.history.unfinished():
                self.confirmations.decide()
        elif record.type == "run_imported":
            self.tree.imported(record.of(RunImported))
            self.stated.take(record.of(RunImported), self.parent_config)
        elif record.type == "batch_committed":
            self.tree.committed(record.of(BatchCommitted))

    def _know(self, iteration: Iteration) -> None:
        """A run is planned: no other may be the same, and its config has its data."""
        run = run_key(self.config(iteration))
        self.known_runs.add(run)
        self.seeds_of.setdefault(run[0], set()).add(run[1])

    def _learn(self, iteration: Iteration) -> None:
        planned, result = iteration.planned, iteration.result
        assert result is not None
        self.tree.finished(planned, result, self.status(result), self.config(iteration))
        self.latest_node[planned.config_id] = planned.iteration
        if planned.config_id not in self.explored:
            flat = self.config(iteration).flat()
            self.explored[planned.config_id] = tuple(flat[key] for key in self.campaign.explorable)
        self.stated.ran(planned, result)
        report = pattern(result.trajectory, self.campaign.thresholds, self.campaign.format == 1)
        self.patterns[planned.iteration], self.reports[planned.iteration] = report.pattern, report
        self.courses[planned.iteration] = _courses(result)
        if result.failure is not None and not result.failure.counts and self.campaign.format > 1:
            # The same run may be made again: it has measured nothing.
            if result.cut:
                self.hopeless[planned.config_id] = planned.iteration
            if planned.role != CONTROL_ROLE:
                self.known_runs.discard(run_key(self.config(iteration)))
                self.confirmations.lose(planned, planned.iteration - self.history.first_iteration + 1)
            return
        run = run_from(planned, result, report)
        self.hopeless.pop(planned.config_id, None)
        self.times.learn(self.config(iteration), result, planned.batch)
        self.table_of(planned.config_id).add(run)
        if planned.role == "baseline" and self.campaign.control is not None:
            self.control.add(run)
        if planned.role not in COMPARED_ROLES:
            self.confirmations.take(run)

    def table_of(self, config_id: str) -> VarianceTable:
        """The table that a config stands in: all but standard training and the control's in the variance table."""
        if config_id.startswith(CONTROL):
            return self.control
        return self.standard if config_id == STANDARD else self.table

    def status(self, result: SlotResult) -> Status:
        """Converged, partial or failed, by the campaign's thresholds."""
        if result.failure is not None:
            return result.failure.status
        return run_status(result.metrics.get(REWARD), self.campaign.thresholds)

    def block(self, iteration: int) -> Block:
        """The block that an iteration belongs to."""
        return block_of(iteration, self.campaign.search.n_iter_block, self.campaign.search.n_parallel)

    def numbered_block(self, number: int) -> Block:
        """Block ``number``, counted from 1."""
        search = self.campaign.search
        return self.block((number - 1) * max(search.n_iter_block, search.n_parallel) + search.n_parallel)

    def is_block_end(self, iteration: int) -> bool:
        """Whether a batch that ends with ``iteration`` ends its block."""
        return iteration == self.block(iteration).last

    def rewards(self, number: int, table: VarianceTable | None = None) -> dict[int, float] | None:
        """Node of a block -> the mean of its config over all runs so far; None where each node has its own reward.

        ``table``: another than the variance table, of which the means are.
        """
        if self.campaign.search.ucb_reward == "run":
            return None
        block = self.numbered_block(number)
        finished = (
            it for n in range(block.first, block.last + 1) if (it := self.history.iterations.get(n)) is not None
        )
        names = {it.planned.iteration: it.planned.config_id for it in finished if it.result is not None}
        means = self.table if table is None else table
        return {node: means[name].spreads[REWARD].mean or 0.0 for node, name in names.items()}

    def scores(
        self,
        number: int,
        upto: int | None = None,
        c: float | None = None,
        rewards: dict[int, float] | None = None,
    ) -> ScoreTable:
        """UCB scores of a block, of its nodes up to ``upto``; ``c`` and ``rewards`` stand in for those now in force."""
        search = self.campaign.search
        block = self.numbered_block(number)
        known = self._nodes_of(block, block.last if upto is None else min(upto, block.last))
        nodes = [node for node in known if node.role not in COMPARED_ROLES]
        c = float(self.settings[setting_key("ucb_c")]) if c is None else c
        return score_block(nodes, block, c, search.ucb_formula, self.rewards(number) if rewards is None else rewards)

    def control_scores(self, number: int) -> ScoreTable:
        """The same as the control arm sees it: its own nodes and the baseline's, by the campaign's own constant."""
        search, block = self.campaign.search, self.numbered_block(number)
        nodes = [node for node in self._nodes_of(block, block.last) if node.role in ("baseline", CONTROL_ROLE)]
        return score_block(nodes, block, search.ucb_c, search.ucb_formula, self.rewards(number, self.control))

    def _nodes_of(self, block: Block, last: int) -> list[TreeNode]:
        return [node for n in range(block.first, last + 1) if (node := self.tree.node(n)) is not None]

    def stated_scores(self) -> ScoreTable:
        """UCB scores of imported nodes that may be parents, by the figures that their log states."""
        search, means = self.campaign.search, None
        if search.ucb_reward == "config_mean":
            counted = self.stated.counted(self.table, self.history.config_ids)
            together = (one.together.spreads[REWARD].mean or 0.0 for one in counted)
            means = dict(zip(self.stated.configs, together, strict=True))
        return self.stated.scores(float(self.settings[setting_key("ucb_c")]), search.ucb_formula, means)

    @property
    def settings(self) -> dict[str, Scalar]:
        """The `claude.*` values in force: the campaign's, or what the model has set where the campaign lets it."""
        return {setting_key("ucb_c"): self.campaign.search.ucb_c} | self.history.settings

    def config(self, iteration: Iteration) -> SlotConfig:
        """The slot config of an iteration, from its blob."""
        blob = iteration.planned.config
        config = self._configs.pop(blob, None) or self._made_again(iteration.planned) or self._read(blob)
        self.remember(blob, config)
        return config

    def _read(self, blob: str) -> SlotConfig:
        return validate(SlotConfig, parse_yaml(self.blobs.text(blob), blob), blob)

    def _made_again(self, planned: Planned) -> SlotConfig | None:
        """The config from its parent's, if that has the very text of the blob: four times faster than reading YAML."""
        parent = self.history.iterations.get(planned.parent or 0)
        start = self._configs.get(parent.planned.config) if parent else self.parent_config(planned.parent)
        if start is None:
            return None
        try:
            changes = {key: new for key, (_, new) in planned.changes.items()}
            config = self.campaign.child(start, planned.slot, changes, planned.simulation_seed, planned.training_seed)
        except ConfigError:
            return None
        return config if sha256(config.yaml().encode()) == planned.config else None

    def remember(self, blob: str, config: SlotConfig) -> None:
        """Keep a config that is known to be what ``blob`` holds; the one that was not used for longest is forgotten."""
        if len(self._configs) >= KEPT_CONFIGS and blob not in self._configs:
            del self._configs[next(iter(self._configs))]
        self._configs[blob] = config

    def parent_config(self, node: int | None) -> SlotConfig | None:
        """The config a proposal would start from: the defaults for root, None when the node has not been run.

        Also None for an imported node whose config is not known.
        """
        if node is None:
            return self.campaign.base_config()
        if (imported := self.history.imported.get(node)) is not None:
            return self._imported_config(node, imported["departures"])
        return None if self.tree.node(node) is None else self.config(self.history.iterations[node])

    def _imported_config(self, node: int, departures: dict[str, Scalar] | None) -> SlotConfig | None:
        if departures is None:
            return None
        if node not in self._imported:
            self._imported[node] = self.campaign.base_config().replaced(departures, f"imported node {node}")
        return self._imported[node]

    def standings(self, k: int) -> list[Standing]:
        """Runs and mean connectivity of the first ``k`` configs of the variance table.

        In the first release of those with the best mean.
        """
        first = self.table.by_connectivity(k) if self.campaign.format == 1 else self.table.top(k)
        return [Standing(stats.config_id, len(stats.runs), stats.spreads[REWARD].mean or 0.0) for stats in first]


def run_key(config: SlotConfig) -> tuple[str, int, int]:
    """What makes two runs the same run."""
    return config.identity(), config.simulation.seed, config.training.seed


def _courses(result: SlotResult) -> Courses:
    return {
        name: array("d", (v for point in result.trajectory if (v := getattr(point, trace.column, None)) is not None))
        for name, trace in traced().items()
    }
