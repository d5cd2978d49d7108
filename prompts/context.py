"""The facts a prompt is filled with: all that Claude, mocked or real, is told about the state of the night."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from state.added import FORMAT
from state.config import Scalar
from state.metrics import Metric
from state.records import Failure, Role, Status
from state.schema import Section
from state.thresholds import Thresholds


class Candidate(Section):
    """A config whose confirmation runs count, with the baseline's data seeds that are to be used, in this order."""

    config_id: str
    simulation_seeds: list[int]


class Owed(Section):
    """Confirmation runs that the next batch must hold, all of one of the candidates."""

    runs: int
    candidates: list[Candidate] = Field(min_length=1)


class Short(Section):
    """A config of the top that has too few runs, and how many it lacks."""

    config_id: str
    lacks: int


class RunAhead(Section):
    """A replicate that has begun already in a slot of the next batch, in a place that would have been idle."""

    slot: int
    iteration: int
    config_id: str
    parent: int
    simulation_seed: int


class Demand(Section):
    """What the policy demands of the next batch, and why.

    ``owed`` are part of the replicates; of the others `short_replicates` go to the configs of ``short``, best first.
    ``standard``: slots in which the program itself runs standard training; ``control``: those of the control arm.
    ``ahead``: those that are taken; all figures are about the other slots.
    """

    baseline: bool
    min_replicates: int
    reason: str
    owed: Owed | None = None
    short: list[Short] = Field(default_factory=list)
    standard: list[int] = Field(default_factory=list)
    control: list[int] = Field(default_factory=list)
    ahead: list[RunAhead] = Field(default_factory=list)

    @property
    def of_program(self) -> list[int]:
        """The slots that are not asked for: what is proposed for them is not looked at."""
        return [*self.standard, *self.control, *(one.slot for one in self.ahead)]

    @property
    def short_replicates(self) -> int:
        """How many replicates must be of configs that have too few runs."""
        left = self.min_replicates - (self.owed.runs if self.owed else 0)
        return max(0, min(left, sum(one.lacks for one in self.short)))


class SeedOffer(Section):
    """Seeds the program suggests for one slot, one pair for each test mode."""

    slot: int
    simulation_seed: int = Field(description="fresh, for different-data-generalization")
    training_seed: int
    shared_simulation_seed: int = Field(description="one for all slots, for same-data-robustness")


class ReplicateRules(Section):
    """The policy's figures that stay the same through a campaign."""

    baseline_runs: int
    min_replicates: int = Field(description="per batch until the top configs have enough runs")
    min_replicates_later: int
    top_configs: int
    runs_of_top: int
    enough_runs: int
    enough_cv_std: float = Field(description="bootstrap std of CV(conn) below this is narrow; 0.02 = 2 points")


class CurveView(Section):
    """Trajectory of one R2: peak and where, final, trend."""

    peak: float | None
    peak_phase: str
    peak_iteration: int | None
    final: float | None
    trend: str
    gain_in_vrest_phase: float | None = Field(None, description="of the first release; see `worst_vrest_phase`")
    vrest_phases_in_all: float | None = Field(None, description="change over all V_rest phases together")
    worst_vrest_phase: float | None = Field(None, description="of the single phase that cost most or gained least")


class PhaseView(Section):
    """One phase of one epoch: for each R2 its value at the first and at the last point measured in it."""

    epoch: int = Field(description="counted from 0, as in metrics.log")
    phase: str
    moves: dict[str, tuple[float | None, float | None]]


class SlotView(Section):
    """One finished slot as the prompt shows it."""

    slot: int
    iteration: int
    parent: int | None
    role: Role
    config_id: str
    parent_config_id: str = Field(description="the config it was made from; its own id in a replicate")
    changes: dict[str, tuple[Scalar, Scalar]] = Field(description="dotted key -> parent's and own value")
    mutation: str
    parent_rule: str
    hypothesis: str
    simulation_seed: int
    training_seed: int
    seed_rationale: str
    status: Status
    pattern: str
    usual: bool = Field(False, description="whether the trajectory has the pattern that its config has as a rule")
    bad: bool = Field(False, description="failed or badly recovered: counted, but no part of means and intervals")
    metrics: dict[str, float | None]
    missing: dict[str, str]
    further: dict[str, float | None] = Field(
        default_factory=dict, description="further measured figures, by their names"
    )
    curves: dict[str, CurveView]
    phases: list[PhaseView]
    minutes: float | None = Field(description="data generation and training together")
    over_time: bool
    failure: Failure | None
    stderr: str
    values: dict[str, Scalar] = Field(description="value of every explorable key")


class ConfigView(Section):
    """One config of the variance table. Means are over all runs, a failed one counted as 0."""

    config_id: str
    runs: int
    node: int = Field(description="the latest iteration that ran it")
    mean: dict[str, float | None]
    std: dict[str, float | None]
    rank: float | None
    robust: str
    enough: bool
    cv_std: float | None = Field(None, description="bootstrap std of CV(conn), from as many data seeds as are enough")
    simulation_seeds: list[int] = Field(description="those of the latest runs, oldest first")
    minutes: float | None = Field(None, description="a run, predicted from the slots so far")
    bad: str = Field("", description="failed and badly recovered runs, with the bounds of their share")
    standing: str = ""
    data_seeds: int = Field(0, description="how many different simulation seeds")
    changes: dict[str, Scalar] = Field(description="explored keys that differ from the campaign's defaults")
    values: dict[str, Scalar]


class ConfigResult(Section):
    """What a config came to in the terms of the goal: all that a sampler is told of it."""

    config_id: str
    nodes: list[int] = Field(description="iterations that ran it, newest first")
    values: dict[str, Scalar] = Field(description="value of every explorable key")
    score: float = Field(description="the primary metric, its mean over data seeds; a failed run counts as the worst")
    data_seeds: int
    losses: dict[str, float] = Field(description="metric -> what it lost beyond its margin; 0 or less: kept")
    minutes: float | None = Field(description="a run, predicted from the slots so far")


class HintView(Section):
    """What a sampler would try next in a slot: one changed key of a config that has run, by one of its nodes.

    ``by``: who says so. ``values``: those of that config, for every explorable key.
    """

    by: str
    slot: int
    parent: int
    config_id: str
    key: str
    old: Scalar
    new: Scalar
    why: str
    values: dict[str, Scalar]


class NodeView(Section):
    """One node of the current block with its UCB score."""

    node: int
    parent: int | None
    config_id: str
    ucb: float
    visits: int
    reward: float
    mutation: str
    pattern: str
    minutes: float | None = Field(description="predicted for its config from the slots so far")
    values: dict[str, Scalar]


class ComparisonView(Section):
    """A config of the batch (or the best one) held against another: one standing and one sentence a metric.

    `better` and `worse` are words of the first release; only a trial makes a config better.
    """

    config_id: str
    against: str
    standings: dict[str, Literal["ahead", "behind", "better", "worse", "not distinguishable"]]
    sentences: list[str]


class DemandView(Section):
    """A rule that the reply is held against. ``mode``: reject, warn, or once (sent back once a conversation)."""

    code: str
    demand: str
    mode: Literal["reject", "warn", "once"]


class MetricView(Section):
    """One metric: its name, what it measures, and the short word by which tables call it.

    ``steady``: highest CV and lowest minimum of a config that is robust in it. ``main``: shown for each run.
    """

    name: str
    meaning: str
    short: str
    steady: tuple[float, float] | None
    main: bool

    @classmethod
    def of(cls, row: Metric, limits: Thresholds) -> MetricView:
        """The view of one row of the table of metrics."""
        steady, main = limits.steady(row), row.main is not None
        return cls(name=row.name, meaning=row.meaning, short=row.short, steady=steady, main=main)


class ScreeningRun(Section):
    """One slot of an offered screening batch: the changed keys with their second values, none in the first slot."""

    slot: int
    edits: dict[str, Scalar]
    mutation: str


class Screening(Section):
    """A screening batch that the program offers: all slots start from ``parent``, a node of ``config_id``.

    ``keys``: key -> the parent's and the second value; ``left``: how many the campaign still allows, this one included.
    """

    config_id: str
    parent: int
    simulation_seed: int
    keys: dict[str, tuple[Scalar, Scalar]]
    runs: list[ScreeningRun]
    left: int


class ImportedView(Section):
    """One node of a predecessor's log. ``stated``: the metrics as its log has them, verified by nobody here.

    ``values``: every explorable key, where its config is known and it may be a parent.
    """

    node: int
    parent: int | None
    stated: dict[str, float]
    mutation: str
    changes: dict[str, Scalar] = Field(description="leaf keys that differ from the campaign's defaults")
    values: dict[str, Scalar] | None
    has_run: bool = Field(False, description="whether its config was planned here")


class Rule(Section):
    """One explorable key."""

    key: str
    default: Scalar
    allowed: str
    choices: list[Scalar] | None
    min: float | None
    max: float | None
    scale: str
    whole: bool = Field(description="takes whole numbers only")
    description: str


def tells_of_embedding(pictures: bool, format: int) -> bool:
    """Whether an entry has to say something of the embedding; the first release asked for it in every campaign."""
    return pictures or format == 1


class Context(Section):
    """Everything one prompt may mention. Fields with a default came after the first release."""

    format: int = FORMAT
    kind: Literal["start", "batch"]
    campaign: str
    mission: str
    instruction: str = Field("", description="the lab's own, quoted in the system prompt")
    two_stage: bool = Field(True, description="whether the campaign's defaults train in two stages")
    n_parallel: int
    n_iter_block: int
    batch: int = Field(description="the batch whose results are shown; 0 in the start call")
    block: int = Field(description="the block of that batch, counted from 1")
    block_iterations: tuple[int, int] = Field(description="first and last iteration of the block")
    block_end: bool
    base_config: str = Field(description="the campaign's defaults as YAML")
    rules: list[Rule]
    settings: list[tuple[str, str, str]] = Field(description="open to the model: key, allowed, meaning")
    setting_values: dict[str, Scalar] = Field(description="the values of all settings in force")
    protected: list[tuple[str, str]]
    design: str = "roles"
    max_changes: int
    time_limit_min: float
    shorter_by: str = Field("", description="the explorable keys that make a run shorter, in words")
    replication: ReplicateRules
    pictures: bool = Field(description="whether each finished slot's pictures go with the batch prompt")
    slots: list[SlotView]
    configs: list[ConfigView]
    nodes: list[NodeView] = Field(description="best first; of a large block only the best")
    more_nodes: int = Field(description="nodes of the block that are not shown")
    variance_table: str
    comparisons: list[ComparisonView]
    verdicts: list[str] = Field(
        default_factory=list, description="what is confirmed, on trial, tried, and at what error"
    )
    baseline_standard: int = Field(0, description="runs of standard training that the program plans in all")
    standard: list[str] = Field(default_factory=list, description="two-stage against standard training, as sentences")
    control: str = Field("", description="who proposes in the slots of a control arm; '' where there is none")
    control_slots: list[int] = Field(default_factory=list, description="its places in a batch after the baseline")
    control_runs: int = Field(0, description="its runs so far; the prompt shows nothing of them")
    goal: str = Field("", description="the primary metric and what the others may lose")
    demands: list[DemandView] = Field(default_factory=list, description="the guard's table of rules")
    metrics: list[MetricView] = Field(default_factory=list, description="in the order of tables")
    thresholds: dict[str, float] = Field(default_factory=dict, description="the campaign's limits of every judgement")
    runs: list[str] = Field(default_factory=list, description="one row of the flat table each, the newest last")
    results: list[ConfigResult] = Field(default_factory=list, description="every config, where a sampler is asked")
    noise: list[str] = Field(default_factory=list)
    effects: list[str] = Field(default_factory=list, description="what each explored key does over all runs")
    ucb_bonus: float | None = Field(None, description="what a node without children gets beside its reward (puct)")
    block_summaries: list[tuple[int, str]] = Field(
        default_factory=list, description="number and summary of the last blocks, oldest first"
    )
    room: str = Field("", description="that slots are shorter than the campaign wants, and what would lengthen them")
    ucb_reward: str = Field(
        "run", description="whose connectivity_R2 is a node's reward: its own, or its config's mean"
    )
    machine_load: float | None = Field(
        None, description="how many times longer than equal work before the batch took, where that is worth telling"
    )
    last_batch: bool = False
    hopeless: list[dict[str, Scalar]] = Field(
        default_factory=list,
        description="value of every explorable key of configs of which a run was cut, and no other made",
    )
    cut: str = Field("", description="when the program ends a run as hopeless, in words; '' where it never does")
    screened_keys: int = Field(0, description="keys of a screening batch; 0 where the campaign allows none")
    screening: Screening | None = Field(None, description="the one that is offered for the next batch")
    no_screening: str = Field("", description="why none is offered, where the campaign allows some")
    screened: list[str] = Field(default_factory=list, description="what screening batches say of each key")
    demand: Demand
    hints: list[HintView] = Field(default_factory=list, description="for the next batch, at most one a slot")
    seeds: list[SeedOffer]
    barred: list[tuple[int, int]] = Field(default_factory=list, description="slot and the node it may not name: id+1")
    last_node: int
    imported: list[ImportedView] = Field(
        default_factory=list, description="possible parents first, then by stated connectivity_R2; only the first"
    )
    imported_nodes: int = Field(0, description="how many there are in all")
    stated_used: bool = Field(False, description="whether figures that the log states help to choose")
    stated_nodes: list[NodeView] = Field(
        default_factory=list, description="imported nodes by the UCB of their stated figures; only the best"
    )
    more_stated: int = Field(0, description="imported nodes with such a score that are not shown")
    stated_effects: list[str] = Field(default_factory=list, description="effects of keys, stated runs counted in")
    first_iteration: int = Field(1, description="the run's first own iteration")
    memory: str
    user_input: str
    budget: str

    @property
    def pictured(self) -> bool:
        """Whether entries have to say something of the embedding."""
        return tells_of_embedding(self.pictures, self.format)
