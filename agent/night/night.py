"""One campaign's run directory, opened: campaign, journal, history and views, and the one way to add a record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from agent.ledger.earlier_run import earlier_noise
from agent.ledger.ledger import Ledger
from agent.night.derived import Derived
from agent.night.inbox import Inbox
from agent.night.interrupt import Interrupt
from agent.night.jobs_ahead import JobsAhead
from agent.night.user_input import HEADER
from state.added import FORMAT
from state.blobs import BlobStore
from state.campaign import EVENING_KEYS, Campaign, begun_campaign, format_of_run, load_campaign, run_started
from state.claude import EVENING_CLAUDE_KEYS
from state.config import flatten
from state.errors import RunError
from state.explorer import TITLES, Choice, Explorer, Hinter
from state.files import keep_aside, remove_half_written, sha256, write_atomic
from state.journal import Journal, Record, RecordType
from state.lock import DriverLock
from state.paths import RunPaths
from state.shapes import CampaignStarted, EarlierNoise, Shape


class Night(Ledger):
    """Holds the driver's lock while open. Everything that happens goes through `record`."""

    def __init__(self, paths: RunPaths, campaign: Campaign) -> None:
        super().__init__(campaign, BlobStore(paths.blobs, lambda: self.journal.check()))
        self.paths = paths
        self.derived = Derived(paths, self)
        self.views.tree.follows_file = True
        self.interrupt = Interrupt()
        self.inbox = Inbox(paths.requests)
        self.jobs_ahead = JobsAhead()
        self.observers: list[Callable[[Record], None]] = []
        self._lock = DriverLock(paths.lock)
        for folder in (paths.root, paths.blobs, paths.configs, paths.snapshots):
            # `nightfly tell` may be writing this file at this moment, so its temporary file is left alone.
            remove_half_written(folder, keep=paths.user_input.name)
        try:
            self.journal = Journal(paths.journal, self.fold)
        except BaseException:
            self._lock.release()
            raise

    def fold(self, record: Record) -> None:
        """Take in one record and remember what it changes in the derived files."""
        super().fold(record)
        self.derived.apply(record)

    def record(self, kind: RecordType, data: Shape, batch: int | None = None) -> Record:
        """Append to the journal; ``batch`` is the one in hand unless given."""
        record = self.journal.append(kind, self.history.planned if batch is None else batch, data)
        for observer in self.observers:
            observer(record)
        return record

    def take_requests(self) -> None:
        """Journal what other shells have asked; KeyboardInterrupt when they asked to stop at once."""
        for path, kind in self.inbox.waiting():
            self.record("user_input_taken", {"kind": kind})
            path.unlink(missing_ok=True)
        if self.history.asked == "stop-now":
            raise KeyboardInterrupt

    def close(self) -> None:
        """Release journal and lock."""
        self.journal.close()
        self._lock.release()


def open_night(
    campaign_file: Path,
    root: Path,
    dry_run: bool,
    explorer: Explorer | None = None,
    noise: EarlierNoise | None = None,
    hints: Hinter | None = None,
) -> Night:
    """Open ``root`` for the campaign in ``campaign_file``: a new run, or the continuation of its own earlier one.

    ``explorer`` explores with ``hints``, or where it is None the campaign's own does with the campaign's; with
    ``dry_run`` the mocked Claude in its place.
    ``noise``: what a new run takes over from an earlier one, see `noise_for`.
    """
    paths = RunPaths(root)
    campaign = load_campaign(campaign_file, format=format_of_run(paths.journal))
    who = Choice("rules" if dry_run else campaign.explorer, campaign.hints)
    if explorer is not None:
        who = Choice("rules" if dry_run else explorer, hints)
    _refuse_foreign(paths, campaign, campaign_file)
    night = Night(paths, _as_begun(paths, campaign))
    try:
        if night.history.campaign_blob is None:
            _begin(night, campaign_file.read_text(encoding="utf-8"), who, noise)
        _refuse_changed(night, campaign, campaign_file, who)
        night.derived.flush()
    except BaseException:
        night.close()
        raise
    return night


def _refuse_foreign(paths: RunPaths, campaign: Campaign, campaign_file: Path) -> None:
    """A directory that holds something else is never written to."""
    root = paths.root
    if root.exists() and not root.is_dir():
        raise RunError(f"{root}: is a file; give a directory for the run with --runs-dir")
    started = run_started(paths)
    if started is not None or paths.campaign.exists():
        # The copy alone is there when a driver died before its first record.
        name = started["name"] if started is not None else load_campaign(paths.campaign).name
        if name != campaign.name:
            raise RunError(f"{root}: holds a run of campaign {name}, not of {campaign.name}; choose another --runs-dir")
    elif (
        root.exists() and any(entry.name != paths.lock.name for entry in root.iterdir()) and not paths.journal.exists()
    ):
        raise RunError(f"{root}: is not empty and holds no nightfly run; choose another --runs-dir")


def restore_campaign(paths: RunPaths, tell: Callable[[str], None]) -> None:
    """Make campaign.yaml what the journal says that it is; ``tell`` hears where an edited one was put aside.

    The copy is for reading: nothing is ever taken from it, so an edit of it must not look as if it had been heard.
    """
    started = run_started(paths)
    if started is None or not paths.campaign.exists():
        return
    text, found = BlobStore(paths.blobs).get(started["campaign"]), paths.campaign.read_bytes()
    if found == text:
        return
    aside = keep_aside(paths.campaign, found)
    write_atomic(paths.campaign, text)
    tell(
        f"{paths.campaign}: was edited since the run was begun; the edited one is now {aside.name}, and the run keeps "
        "its own; what may change from evening to evening goes into a campaign file of yours: nightfly run FILE"
    )


def noise_for(paths: RunPaths, campaign: Campaign, earlier: Path) -> EarlierNoise:
    """The noise that a run takes over from ``earlier`` as it is begun; RunError when it has begun already.

    Later the figures stand in its journal and do not change.
    """
    if run_started(paths) is not None:
        raise RunError(
            f"{paths.root}: --noise-from is for a run that is begun, and this one has begun; leave the option out, or "
            "begin a new run with --new"
        )
    return earlier_noise(earlier, campaign)


def _begin(night: Night, text: str, who: Choice, noise: EarlierNoise | None) -> None:
    write_atomic(night.paths.campaign, text)
    if not night.paths.user_input.exists():
        write_atomic(night.paths.user_input, HEADER)
    started: CampaignStarted = {
        "name": night.campaign.name,
        "campaign": night.blobs.put(text),
        "identity": night.campaign.identity(),
        "dry_run": who.explorer == "rules",
        "explorer": who.explorer,
        "format": FORMAT,
    }
    if night.campaign.instruction_text:
        started["instruction"] = night.blobs.put(night.campaign.instruction_text)
    if who.hints is not None:
        started["hints"] = who.hints
    if noise is not None:
        started["noise"] = noise
    night.record("campaign_started", started, batch=0)


def _as_begun(paths: RunPaths, campaign: Campaign) -> Campaign:
    """The campaign as the run was begun with it, but for engine and budget: no later edit changes what prompts say."""
    begun = _begun(paths)
    if begun is None:
        return campaign
    today = {key: getattr(campaign.claude, key) for key in EVENING_CLAUDE_KEYS}
    evening = {key: getattr(campaign, key) for key in EVENING_KEYS}
    policy = {"max_failed_batches": campaign.policy.max_failed_batches}
    sections = {
        "claude": begun.claude.model_copy(update=today),
        "policy": begun.policy.model_copy(update=policy),
    }
    return begun.model_copy(update=evening | sections)


def _refuse_changed(night: Night, campaign: Campaign, campaign_file: Path, who: Choice) -> None:
    root, history = night.paths.root, night.history
    if history.campaign_identity != campaign.identity():
        key = changed_key(_begun(night.paths) or campaign, campaign)
        raise RunError(
            f"{campaign_file}: {key} differs from the campaign that {root} was started with; "
            "undo the change, or start a new run with --new"
        )
    if campaign.instruction_text and sha256(campaign.instruction_text.encode()) != history.instruction:
        raise RunError(
            f"{campaign_file}: {campaign.instruction} is not the instruction that {root} was started with; undo the "
            "change, or start a new run with --new"
        )
    if (begun := Choice(history.explorer, history.hints)) != who:
        was, now = (_as_told(one) for one in (begun, who))
        raise RunError(f"{root}: was started {was} and cannot go on {now}; start a new run with --new")


def _as_told(who: Choice) -> str:
    if who.explorer == "rules":
        return "as a dry run" + ("" if who.hints is None else f" with hints of {TITLES[who.hints]}")
    return f"with {who.title}"


def _begun(paths: RunPaths) -> Campaign | None:
    """The campaign of the run from its journal; None when it has not begun."""
    started = run_started(paths)
    return None if started is None else begun_campaign(started, BlobStore(paths.blobs).text(started["campaign"]))


def changed_key(old: Campaign, new: Campaign) -> str:
    """The first key in which two campaigns differ."""
    before, after = (flatten(campaign.shaping()) for campaign in (old, new))
    return next((key for key in {**before, **after} if before.get(key) != after.get(key)), "a value")
