"""Every path of a run, in one class; nothing else joins strings into paths."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# Files that matter only while something runs; archives and audits leave them out.
PASSING_NAMES = ("driver.lock", "progress.json", "checkpoint.pt", "heartbeat.json", "reply.reserved", "leave")


def is_passing(path: Path) -> bool:
    """Whether ``path`` is a lock, a progress file, a checkpoint or a temporary file."""
    return path.name in PASSING_NAMES or path.suffix in (".tmp", ".lock")


@dataclass(frozen=True)
class RunPaths:
    """The run directory of one campaign; slot folders are numbered by iteration."""

    root: Path

    @property
    def campaign(self) -> Path:
        """Frozen copy of the campaign as the user wrote it."""
        return self.root / "campaign.yaml"

    @property
    def journal(self) -> Path:
        """The journal, from which everything else follows."""
        return self.root / "journal.jsonl"

    @property
    def lock(self) -> Path:
        """Held by the one driver that may write."""
        return self.root / "driver.lock"

    @property
    def blobs(self) -> Path:
        """Contents named by their sha256."""
        return self.root / "blobs"

    @property
    def log(self) -> Path:
        """The entries, in the user's format."""
        return self.root / "analysis.md"

    @property
    def memory(self) -> Path:
        """The model's working memory, with the program's variance table."""
        return self.root / "memory.md"

    @property
    def scores(self) -> Path:
        """UCB scores of the current block."""
        return self.root / "ucb_scores.txt"

    @property
    def winner(self) -> Path:
        """The config to go on with, as of the last block end."""
        return self.root / "winner.yaml"

    @property
    def user_input(self) -> Path:
        """The human's file; the program only reads it and marks what was taken."""
        return self.root / "user_input.md"

    @property
    def requests(self) -> Path:
        """What other shells ask of the driver: pause, resume, stop."""
        return self.root / "requests"

    @property
    def heartbeat(self) -> Path:
        """The driver's last sign of life, for the watchdog."""
        return self.root / "heartbeat.json"

    @property
    def reserve(self) -> Path:
        """Room for the reply that is out; holds one that could not be journaled."""
        return self.root / "reply.reserved"

    @property
    def tree_picture(self) -> Path:
        """The exploration tree, drawn after each batch."""
        return self.root / "tree.png"

    @property
    def report(self) -> Path:
        """The report of the night, one HTML page."""
        return self.root / "report" / "index.html"

    @property
    def configs(self) -> Path:
        """The four slot configs of the batch in hand."""
        return self.root / "configs"

    @property
    def slots(self) -> Path:
        """One folder an iteration."""
        return self.root / "slots"

    @property
    def snapshots(self) -> Path:
        """Memory, scores, winner and instruction (the system prompt) at each block end."""
        return self.root / "snapshots"

    def config(self, name: str, slot: int) -> Path:
        """`configs/<name>_00.yaml`, the file that the addendum names."""
        return self.configs / f"{name}_{slot:02d}.yaml"

    def slot(self, iteration: int) -> SlotPaths:
        """The folder of one iteration."""
        return SlotPaths(self.slots / f"{iteration:04d}")

    def snapshot(self, kind: str, block: int) -> Path:
        """What ``kind`` was at the end of ``block``."""
        return self.snapshots / f"block_{block:03d}_{kind}"


@dataclass(frozen=True)
class SlotPaths:
    """The files of one slot; the worker writes them, the driver reads them."""

    root: Path

    @property
    def config(self) -> Path:
        """What the worker trains."""
        return self.root / "config.yaml"

    @property
    def job(self) -> Path:
        """Run id and config hash that the result must quote."""
        return self.root / "job.json"

    @property
    def result(self) -> Path:
        """Written last and atomically."""
        return self.root / "result.json"

    @property
    def metrics_log(self) -> Path:
        """R2 trajectory with the addendum's columns."""
        return self.root / "metrics.log"

    @property
    def progress(self) -> Path:
        """How far the slot is; for people watching, never for decisions."""
        return self.root / "progress.json"

    @property
    def checkpoint(self) -> Path:
        """Where a pre-empted training goes on; gone once there is a result."""
        return self.root / "checkpoint.pt"

    @property
    def leave(self) -> Path:
        """Laid down by the driver to end this slot where other slots share its process."""
        return self.root / "leave"

    def recording(self, dataset: str) -> Path:
        """What was simulated, if `simulation.keep_data` wants it kept: in a place named as the config's `dataset`."""
        return self.root / "data" / dataset / "recording.npz"

    @property
    def activity(self) -> Path:
        """Picture of the simulated voltages."""
        return self.root / "activity.png"

    @property
    def embedding(self) -> Path:
        """Picture of the learned embedding."""
        return self.root / "embedding.png"

    @property
    def lock(self) -> Path:
        """Held while `nightfly train` works in the folder; slots of a night are under the night's own lock."""
        return self.root / "driver.lock"

    @property
    def stderr(self) -> Path:
        """The worker's stdout and stderr."""
        return self.root / "stderr.log"

    @property
    def pictures(self) -> tuple[Path, ...]:
        """What is shown to people and to the model."""
        return self.activity, self.embedding

    def attempt(self, run_id: str) -> AttemptPaths:
        """What one attempt leaves beside the worker's files when a scheduler runs it."""
        return AttemptPaths(self.root / f"job-{run_id}")


@dataclass(frozen=True)
class AttemptPaths:
    """The files of one job of a scheduler; a new attempt gets a folder of its own."""

    root: Path

    @property
    def name(self) -> Path:
        """The job's name at the scheduler; no such file, no job to look for."""
        return self.root / "name"

    @property
    def script(self) -> Path:
        """What the scheduler runs."""
        return self.root / "run.sh"

    @property
    def claim(self) -> Path:
        """A directory that only one copy of the job can make; also made to keep a job from ever starting."""
        return self.root / "claim"

    @property
    def exit(self) -> Path:
        """Exit code and seconds, written by the script when the worker is over."""
        return self.root / "exit"

    @property
    def scheduler_log(self) -> Path:
        """The scheduler's own output about the job."""
        return self.root / "scheduler.log"
