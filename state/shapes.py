"""What each type of journal record says, one TypedDict a type; NotRequired is what some journals or records lack."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, NotRequired

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from state.config import Scalar
from state.explorer import Explorer, Hinter
from state.records import CONTROL_ROLE, Role, SeedRationale, Status


class EarlierNoise(TypedDict):
    """Noise taken over from an earlier run of the same campaign: its name, the head of its journal then, the figures.

    ``metrics``: metric -> part (seeds, training, crossed) -> variance and degrees of freedom; see `ucb.earlier_noise`.
    """

    run: str
    head: str
    metrics: dict[str, dict[str, Any]]


class CampaignStarted(TypedDict):
    """The first record of every journal; ``campaign`` and ``instruction`` are blobs of their texts.

    ``explorer``: who proposes; ``dry_run``: that it is the mocked Claude; ``hints``: of which sampler it is shown some.
    """

    name: str
    campaign: str
    identity: str
    dry_run: bool
    format: NotRequired[int]
    instruction: NotRequired[str]
    noise: NotRequired[EarlierNoise]
    explorer: NotRequired[Explorer]
    hints: NotRequired[Hinter]


class StatedRun(TypedDict):
    """One run as a predecessor's log states it; no metrics: that it failed. A seed that it does not state is None."""

    metrics: dict[str, float]
    simulation_seed: int | None
    training_seed: int | None


class ImportedNode(TypedDict):
    """One entry of a predecessor's log; ``metrics`` are as it states them, nothing of them was measured here.

    ``runs`` are those of the entry, where the import was asked to use their figures; see `RunImported`.
    ``departures``: dotted key -> value where its config leaves the campaign's defaults; None = the config is not known,
    and ``origin`` says why. Else ``origin`` says what the config was read from.
    """

    id: int
    parent: int | None
    status: Status
    mutation: str
    metrics: dict[str, float]
    departures: dict[str, Scalar] | None
    origin: str
    runs: NotRequired[list[StatedRun]]


class RunImported(TypedDict):
    """What another program began; ``log``, ``memory`` and ``configs`` (file name -> blob) are its files as they were.

    ``first_iteration`` is the number of the run's own first iteration, ``start_memory`` the blob of the memory that
    Claude starts from. ``reset``: keys of the files in ``configs`` that have the campaign's values instead.
    ``use_metrics``: the figures that the log states help to choose; see `agent.ledger.stated`.
    """

    log_name: str
    log: str
    memory: str | None
    configs: dict[str, str]
    nodes: list[ImportedNode]
    reset: list[str]
    first_iteration: int
    start_memory: str | None
    use_metrics: NotRequired[bool]


class DriverStarted(TypedDict):
    """A process that drives the night: which software, where, how many slots at once, and what it may spend."""

    version: NotRequired[str | None]
    git_commit: NotRequired[str | None]
    python: NotRequired[str]
    packages: NotRequired[dict[str, str | None]]
    host: NotRequired[str]
    pid: NotRequired[int]
    gpus: NotRequired[list[Any]]
    torn_bytes_cut: NotRequired[int]
    connectome: NotRequired[dict[str, Any]]
    budget: NotRequired[dict[str, Any]]
    slots_at_once: NotRequired[int]


class Stopped(TypedDict):
    """`driver_stopped` and `budget_stop`; ``tries`` are the requests to Claude that failed."""

    reason: str
    tries: NotRequired[list[dict[str, Any]]]


class UserInputTaken(TypedDict):
    """What a person asked (``kind`` alone), the instructions sent to Claude, or Claude's answer to them."""

    kind: Literal["pause", "resume", "stop", "instruction", "acknowledged"]
    text: NotRequired[str]
    answer: NotRequired[str]


class Proposal(TypedDict):
    """One slot of the next batch as accepted; ``changes``: key -> value of the parent and of the child."""

    role: Role
    parent: int | None
    parent_rule: str
    mutation: str
    changes: dict[str, list[Scalar]]
    edits: list[dict[str, Any]]
    simulation_seed: int
    training_seed: int
    seed_rationale: SeedRationale
    hypothesis: str


class BatchPlanned(TypedDict):
    """``slots`` are `Planned` as JSON; ``new_config_ids``: identity of a config -> the short name it gets."""

    slots: list[dict[str, Any]]
    new_config_ids: dict[str, str]


class SlotPlanned(TypedDict):
    """A slot of the next batch that is run ahead, in a place that is idle; see `agent.night.owed_run`.

    ``slot`` is a `Planned` as JSON, ``ended`` the iterations of the batch in hand that had ended, their results
    journaled or held back. ``waits_for`` is the iteration expected to train longest, for ``left_min`` more minutes; the
    run ahead is predicted to take ``takes_min``.
    """

    slot: dict[str, Any]
    ended: list[int]
    waits_for: int
    left_min: float
    takes_min: float


class SlotStarted(TypedDict):
    """A try at an iteration, written before its process exists.

    ``after`` is the failure of the try before, through no fault of the config, that this one makes up for.
    """

    iteration: int
    slot: int
    run_id: str
    after: NotRequired[dict[str, str]]


class SlotEnded(TypedDict):
    """`slot_finished` and `slot_failed`; ``result`` is a `SlotResult` as JSON, ``artifacts``: file name -> blob."""

    iteration: int
    slot: int
    result: dict[str, Any]
    artifacts: dict[str, str]


class SlotCut(TypedDict):
    """A run is hopeless and will be ended; see `ucb.cut`.

    Its ``metric`` was ``value`` at iteration ``at`` of ``total``, below ``limit``; the baseline's runs had there
    ``baseline_mean`` and ``baseline_sd`` over ``baseline_seeds`` data seeds.
    """

    iteration: int
    slot: int
    run_id: str
    metric: str
    at: int
    total: int
    value: float
    limit: float
    baseline_mean: float
    baseline_sd: float
    baseline_seeds: int


class Hint(TypedDict):
    """What a sampler would try in a slot: ``key`` of node ``parent``'s config (name ``config_id``) from old to new.

    ``why``: whether that is what it asked for, or the single change nearest to it.
    """

    slot: int
    parent: int
    config_id: str
    key: str
    old: Scalar
    new: Scalar
    why: str


class ExplorerAsked(TypedDict):
    """What the program's own explorers propose for the next batch, written before Claude is asked.

    ``control``: slot, as text -> the proposal of the control arm. ``hints``: what a sampler suggests to the explorer of
    the night. ``libraries``: package -> version of what samplers are made of: another version may answer otherwise.
    """

    control: dict[str, Proposal]
    libraries: dict[str, str]
    hints: NotRequired[list[Hint]]


class PromptRendered(TypedDict):
    """A request; ``system`` and ``text`` are blobs, ``images``: name -> blob, ``templates``: name -> hash."""

    kind: Literal["start", "batch", "repair"]
    system: str
    text: str
    images: dict[str, str]
    templates: dict[str, str]


class ReplyReceived(TypedDict):
    """A reply (``reply`` is its blob), or that none could be had (``reply`` None, ``outcome`` says why).

    ``form``: in which smaller form the schema was sent; ``until``: when the service will answer again, as it says;
    ``saved_usd``: what the prompt cache saved.
    """

    reply: str | None
    outcome: NotRequired[str]
    stop_reason: NotRequired[str | None]
    usage: NotRequired[dict[str, Any]]
    request_id: NotRequired[str | None]
    model: NotRequired[str]
    cost_usd: NotRequired[float | None]
    tries: NotRequired[list[dict[str, Any]]]
    seconds: NotRequired[float]
    form: NotRequired[str]
    saved_usd: NotRequired[float]
    until: NotRequired[str]


class ClaudeAwaited(TypedDict):
    """The night waits with everything done that it can do without Claude; ``until`` is the time the service named."""

    reason: str
    until: str


class ReplyRejected(TypedDict):
    """``codes``: the rules that were broken, one a violation. ``fresh``: the same prompt is sent once more."""

    violations: list[str]
    codes: NotRequired[list[str]]
    fresh: NotRequired[bool]


class ReplyAccepted(TypedDict):
    """What stands at the end of a conversation; ``fallbacks``: slot -> why its proposal was replaced.

    ``suggestions``: no further batch was paid for, so the policy is held against the proposals when they are planned.
    """

    proposals: list[Proposal]
    judgements: list[dict[str, Any]]
    memory: str
    block_summary: str | None
    acknowledged: str | None
    checks: list[list[str]]
    memory_checks: list[str]
    warnings: list[str]
    fallbacks: dict[str, list[str]]
    settings: NotRequired[dict[str, Scalar]]
    suggestions: NotRequired[bool]


class BatchCommitted(TypedDict):
    """``entries`` are `LogEntry` as JSON, ``memory`` is a blob, ``settings`` what Claude set for the campaign."""

    entries: list[dict[str, Any]]
    memory: str
    proposals: list[Proposal]
    block_summary: str | None
    settings: NotRequired[dict[str, Scalar]]


Shape = (
    CampaignStarted
    | RunImported
    | DriverStarted
    | Stopped
    | UserInputTaken
    | BatchPlanned
    | SlotPlanned
    | SlotStarted
    | SlotEnded
    | SlotCut
    | ExplorerAsked
    | PromptRendered
    | ReplyReceived
    | ClaudeAwaited
    | ReplyRejected
    | ReplyAccepted
    | BatchCommitted
)

SHAPES: dict[str, type] = {
    "campaign_started": CampaignStarted,
    "run_imported": RunImported,
    "driver_started": DriverStarted,
    "driver_stopped": Stopped,
    "budget_stop": Stopped,
    "user_input_taken": UserInputTaken,
    "batch_planned": BatchPlanned,
    "slot_planned": SlotPlanned,
    "slot_started": SlotStarted,
    "slot_finished": SlotEnded,
    "slot_failed": SlotEnded,
    "slot_cut": SlotCut,
    "explorer_asked": ExplorerAsked,
    "prompt_rendered": PromptRendered,
    "reply_received": ReplyReceived,
    "claude_awaited": ClaudeAwaited,
    "reply_rejected": ReplyRejected,
    "reply_accepted": ReplyAccepted,
    "batch_committed": BatchCommitted,
}


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(SHAPES[kind])


def check_shape(kind: str, data: dict[str, Any]) -> None:
    """ValidationError when ``data`` is not what a record of type ``kind`` says."""
    _adapter(kind).validate_python(data)


def why_useless(accepted: ReplyAccepted) -> str:
    """Why nothing of a conversation was accepted for any slot, or '' when something was."""
    fallbacks = accepted["fallbacks"]
    asked = sum(proposal["role"] != CONTROL_ROLE for proposal in accepted["proposals"])
    if not asked or len(fallbacks) < asked:
        return ""
    return next((sentence for sentences in fallbacks.values() for sentence in sentences), "no reason is recorded")


def codes_of(rejected: ReplyRejected) -> list[str]:
    """The rules that a rejected reply broke; early journals have them only at the head of each sentence."""
    if "codes" in rejected:
        return rejected["codes"]
    return [sentence[1:].partition("]")[0] for sentence in rejected["violations"] if sentence.startswith("[")]
