"""The campaign a user writes: the base slot config, what may be explored, and the rules of the night."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from state.added import FORMAT, Growing, added, with_earlier
from state.claude import EVENING_CLAUDE_KEYS, ClaudeConfig
from state.config import (
    PLACE_KEYS,
    SECTIONS,
    ConnectomeConfig,
    GraphModelConfig,
    Scalar,
    SimulationConfig,
    SlotConfig,
    TrainingConfig,
)
from state.control import Control, control_fault, control_slots
from state.engine import EngineConfig
from state.errors import ConfigError, RunError
from state.evening import Budget, Notify, TrackerKind
from state.explorable import Explorable, protection
from state.explorer import Explorer, Hinter, takes_no_hints
from state.files import canonical_json, parse_yaml, read_yaml, sha256
from state.goal import Goal
from state.journal import read_records
from state.legacy import translate
from state.metrics import traced
from state.paths import RunPaths
from state.policy import SCREENED_KEYS, Policy, no_place_for_hints
from state.records import LogStyle
from state.schema import Section, nearest, validate
from state.search import SearchConfig, with_search
from state.shapes import CampaignStarted
from state.surrogate import SurrogateConfig
from state.thresholds import Thresholds


class Seeds(Growing):
    """Iteration N is offered simulation seed ``simulation_base + N`` and training seed ``training_base + N``."""

    simulation_base: int = Field(1000, ge=0, lt=10**9)
    training_base: int = Field(500_000, ge=0, lt=10**9)
    explorer: int = added(0, before=0, ge=0, lt=2**31, description="of a sampler that explores")


LONGEST_INSTRUCTION = 100_000  # characters; it goes with every prompt of a night

# Sections that a person may change between evenings of one run.
EVENING_KEYS = ("engine", "budget", "notify", "tracker")


class Campaign(Section):
    """One exploration as a user writes it in YAML."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    description: str = ""
    trainer: Literal["gnn", "surrogate"] = Field("gnn", description="surrogate: a response surface, nothing is trained")
    surrogate: SurrogateConfig = SurrogateConfig()
    connectome: ConnectomeConfig = ConnectomeConfig()
    simulation: SimulationConfig = SimulationConfig()
    graph_model: GraphModelConfig = GraphModelConfig()
    training: TrainingConfig = TrainingConfig()
    explorable: dict[str, Explorable]
    explorer: Explorer = Field("claude", description="who proposes; the mocked Claude's rules and samplers need no key")
    hints: Hinter | None = Field(
        None, description="of which sampler Claude is shown what it would try next; default: of none"
    )
    control: Control | None = Field(
        None, description="another explorer in some slots of each batch, for comparison alone; default: none"
    )
    search: SearchConfig = SearchConfig()
    claude: ClaudeConfig = ClaudeConfig()
    policy: Policy = Policy()
    goal: Goal = Goal()
    thresholds: Thresholds = Thresholds()
    engine: EngineConfig = EngineConfig()
    budget: Budget = Budget()
    notify: Notify = Notify()
    log: Literal["full", "strict"] = Field(
        "full", description="strict: analysis.md and the variance table hold the addendum's lines and rows alone"
    )
    tracker: TrackerKind = Field("none", description="where else runs are recorded; its own environment says where")
    seeds: Seeds = Seeds()
    instruction: str = Field(
        "", description="the lab's own instruction for Claude: a text file, named from where the campaign file lies"
    )
    # What that file says; '' in the frozen copy of a run, whose journal holds it.
    _instruction_text: str = PrivateAttr("")
    # By which rules a run is judged: those of the program that began it.
    _format: int = PrivateAttr(FORMAT)

    @property
    def format(self) -> int:
        """The format of the run that this is the campaign of; a new run's unless it was read from an earlier one."""
        return self._format

    @property
    def instruction_text(self) -> str:
        """The lab's instruction as its file had it when this campaign was read; '' for the frozen copy of a run."""
        return self._instruction_text

    def title(self) -> str:
        """The campaign's name, with a warning when nothing is really trained."""
        return self.name if self.trainer == "gnn" else f"{self.name} (SURROGATE: no network was trained)"

    @property
    def log_style(self) -> LogStyle:
        """How the log is written: as in the first release, with the program's further lines, or without them."""
        return "first" if self.format == 1 else self.log

    @property
    def control_slots(self) -> list[int]:
        """The places of a batch after the baseline that belong to the control arm."""
        return control_slots(self.control, self.policy, self.search.n_parallel)

    def base_config(self) -> SlotConfig:
        """The root of the tree: the defaults, before any mutation."""
        return self._base

    @cached_property
    def _base(self) -> SlotConfig:
        return SlotConfig(
            dataset=self.name,
            connectome=self.connectome,
            simulation=self.simulation,
            graph_model=self.graph_model,
            training=self.training,
        )

    def dataset(self, slot: int) -> str:
        """The `dataset` field of a slot: the campaign's name and the slot's number."""
        return f"{self.name}_{slot:02d}"

    def child(
        self, parent: SlotConfig, slot: int, changes: dict[str, Scalar], simulation_seed: int, training_seed: int
    ) -> SlotConfig:
        """``parent`` with ``changes``, the two seeds and the slot's `dataset`; ConfigError when they do not fit."""
        place: dict[str, Scalar] = {
            "dataset": self.dataset(slot),
            "simulation.seed": simulation_seed,
            "training.seed": training_seed,
        }
        return parent.replaced(changes | place, f"slot {slot}")

    def identity(self) -> str:
        """Digest of everything that shapes results and decisions; the rest may differ between evenings."""
        shaping = self.shaping()
        # Until the second release `search` was part of `claude`: runs that were begun before go on.
        shaping["claude"] |= shaping.pop("search")
        return sha256(canonical_json(shaping).encode())

    def shaping(self) -> dict[str, Any]:
        """The sections that shape results and decisions."""
        # Who explores, and with whose hints, is journaled by itself, since the command line may say it.
        shaping = self.model_dump(exclude=set(EVENING_KEYS) | {"description", "explorer", "hints"})
        shaping["claude"] = {key: value for key, value in shaping["claude"].items() if key not in EVENING_CLAUDE_KEYS}
        # When a night gives up decides on no result, and a person must be able to change it after a stop.
        shaping["policy"].pop("max_failed_batches")
        # Runs that were begun before there were such settings go on.
        if not self.search.explorable:
            del shaping["search"]["explorable"]
        later = {"goal": Goal(), "surrogate": SurrogateConfig(), "log": "full", "instruction": "", "control": None}
        for name, default in later.items():
            if getattr(self, name) == default:
                del shaping[name]
        return shaping

    @model_validator(mode="after")
    def _room_to_explore(self) -> Self:
        most = max(self.policy.min_replicates, self.policy.min_replicates_later)
        if self.policy.replicates == "reject" and most >= self.search.n_parallel:
            raise ValueError(
                f"policy: {most} replicates a batch leave no slot of {self.search.n_parallel} (search.n_parallel) to "
                "explore; lower policy.min_replicates and policy.min_replicates_later, or raise n_parallel"
            )
        return self

    @model_validator(mode="after")
    def _room_for_control(self) -> Self:
        fault = self.control and control_fault(self.control, self.policy, self.search.n_parallel)
        if fault:
            raise ValueError(fault)
        return self

    @model_validator(mode="after")
    def _somebody_to_hint_at(self) -> Self:
        if self.hints is None:
            return self
        if (fault := takes_no_hints(self.explorer) or no_place_for_hints(self.policy)) is not None:
            raise ValueError(f"hints: {fault}")
        return self

    @model_validator(mode="after")
    def _room_for_standard(self) -> Self:
        policy = self.policy
        if policy.baseline_standard and not self.training.alternate_training:
            raise ValueError(
                "policy: baseline_standard compares two-stage with standard training, but training.alternate_training "
                "is false: all runs of this campaign are of standard training; set baseline_standard to 0"
            )
        if policy.baseline_standard > policy.baseline_runs:
            raise ValueError(
                f"policy: baseline_standard is {policy.baseline_standard}, but the baseline (policy.baseline_runs) has "
                f"only {policy.baseline_runs} runs whose data they could share; make it at most as many"
            )
        return self

    @model_validator(mode="after")
    def _curve_to_cut_by(self) -> Self:
        if self.policy.cut == "on" and self.goal.primary not in traced():
            raise ValueError(
                f"policy.cut: on needs a goal.primary that is measured along the training; {self.goal.primary} is not; "
                f"those are {', '.join(traced())}"
            )
        return self

    @model_validator(mode="after")
    def _room_to_screen(self) -> Self:
        slots, design = self.search.n_parallel, self.policy.design
        if not self.policy.screening:
            return self
        if slots not in SCREENED_KEYS:
            raise ValueError(
                f"policy.screening needs batches of 4, 8 or 16 slots (search.n_parallel), which hold 3, 4 or 5 keys; "
                f"{slots} slots hold no such design; change n_parallel or set screening to 0"
            )
        if design != "roles":
            raise ValueError(
                f"policy.screening needs policy.design: roles; every batch of {design} is laid out already; set "
                "screening to 0"
            )
        if self.control is not None:
            raise ValueError(
                "policy.screening needs every slot of a batch for one design, but control keeps some for another "
                "explorer; set screening to 0 or remove control"
            )
        free = [key for key, rule in self.explorable.items() if rule.choices is None or len(set(rule.choices)) > 1]
        if len(free) < SCREENED_KEYS[slots]:
            raise ValueError(
                f"policy.screening with {slots} slots varies {SCREENED_KEYS[slots]} keys at once, but explorable has "
                f"only {len(free)} with more than one value; add keys or set screening to 0"
            )
        return self

    @model_validator(mode="after")
    def _explorable_keys(self) -> Self:
        base = self.base_config()
        flat = base.flat()
        known = [key for key in flat if protection(key) is None and key not in PLACE_KEYS]
        for key, rule in self.explorable.items():
            if (reason := protection(key)) is not None:
                raise ValueError(f"explorable: {key} is protected ({reason})")
            if key not in known:
                raise ValueError(f"explorable: {key} is not a key that can be explored; {nearest(key, known)}")
            if not rule.allows(flat[key]):
                raise ValueError(f"explorable: the default {key} = {flat[key]} is not {rule.allowed()}")
            for value in rule.choices or (rule.min, rule.max):
                _try(base, key, value)
        return self


def _try(base: SlotConfig, key: str, value: Any) -> None:
    if isinstance(base.flat()[key], int) and isinstance(value, float) and value.is_integer():
        value = int(value)
    try:
        base.replaced({key: value}, "explorable")
    except ConfigError as error:
        raise ValueError(f"{error} (an allowed value of {key})") from error


def load_campaign(path: Path, tell: Callable[[str], None] = lambda note: None, format: int | None = None) -> Campaign:
    """Read and validate a campaign file; ConfigError says file, key and what would be right.

    Its sections may come from a config of the predecessor: ``tell`` hears what that meant, see `state.legacy`. The
    frozen copy in a run directory is read as the run was begun; ``format`` asks for that of another file.
    """
    campaign = _validated(read_yaml(path), str(path), tell, _format_beside(path) if format is None else format)
    if campaign.instruction and not _is_frozen(path):
        campaign._instruction_text = _read_instruction(path.parent / campaign.instruction, path)
    return campaign


def _read_instruction(file: Path, campaign: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(
            f"{campaign}: instruction: {file} cannot be read ({reason}); give a text file, named from where the "
            "campaign file lies"
        ) from error
    if not 0 < len(text) <= LONGEST_INSTRUCTION:
        raise ConfigError(
            f"{campaign}: instruction: {file} has {len(text):,} characters; it must have 1 to {LONGEST_INSTRUCTION:,}"
        )
    return text


def begun_campaign(started: CampaignStarted, text: str, name: str = "the campaign in the journal") -> Campaign:
    """The campaign of a run from its `campaign_started` data and the text that it names."""
    return _validated(parse_yaml(text, name), name, lambda note: None, format_of(started))


def format_of(started: CampaignStarted | dict[str, Any]) -> int:
    """The format of a run from its `campaign_started` data; RunError when this program is too old for it."""
    found = started.get("format", 1)
    if not isinstance(found, int) or found > FORMAT:
        raise RunError(f"the run is of format {found}, which is newer than this nightfly ({FORMAT}); use a newer one")
    return found


def format_of_run(journal: Path) -> int:
    """The format of the run whose journal this is; that of a new run where there is none yet."""
    started = _first_of(journal)
    return FORMAT if started is None else format_of(started)


def run_started(paths: RunPaths) -> CampaignStarted | None:
    """The `campaign_started` of a run; None when it has not begun."""
    return _first_of(paths.journal)


def _first_of(journal: Path) -> CampaignStarted | None:
    first = next(read_records(journal), None) if journal.is_file() else None
    return None if first is None or first.type != "campaign_started" else first.of(CampaignStarted)


def _format_beside(path: Path) -> int:
    return format_of_run(RunPaths(path.parent).journal) if _is_frozen(path) else FORMAT


def _is_frozen(path: Path) -> bool:
    """Whether ``path`` is the campaign's copy in a run directory."""
    run = RunPaths(path.parent)
    return path.name == run.campaign.name and (run.journal.is_file() or run.lock.exists())


def _validated(tree: dict[str, Any], name: str, tell: Callable[[str], None], format: int) -> Campaign:
    read = translate(tree, name, keep=tuple(Campaign.model_fields))
    for note in read.notes:
        tell(note)
    tree = with_search(read.tree, name, tell)
    tree = with_earlier(tree, SECTIONS, defaults=True) if format == 1 else tree
    campaign = validate(Campaign, tree, name)
    campaign._format = format
    return campaign
