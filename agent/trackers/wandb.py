"""Iterations as runs of Weights & Biases, one group a campaign. Where and as whom: W&B's own environment variables."""

from __future__ import annotations

import tempfile
from pathlib import Path

from agent.trackers.facts import PREFIX, TrackedRun
from agent.trackers.tracker import TrackerError

MENDING = "pip install 'nightfly[wandb]'"
PROJECT = "nightfly"


class WandbTracker:
    """Tells W&B; what it has been told stands in a file of the run directory, since an offline one cannot be asked."""

    def __init__(self, root: Path) -> None:
        try:
            import wandb
        except ImportError as error:
            raise TrackerError(f"tracker: wandb is not installed ({error.name}); {MENDING}") from error
        self._wandb = wandb
        self._folder = root / "wandb"
        self._told = self._folder / "told.txt"

    def known(self, run: str) -> set[str]:
        """Keys in the file; a run that was told in part has the same id when it is told anew."""
        try:
            keys = self._told.read_text(encoding="utf-8").split()
        except FileNotFoundError:
            return set()
        except (OSError, UnicodeDecodeError) as error:
            raise TrackerError(f"tracker: {self._told} cannot be read ({type(error).__name__})") from error
        return {key for key in keys if key.startswith(run)}

    def tell(self, run: TrackedRun) -> None:
        """One W&B run from init to finish."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._tell(run)
            with self._told.open("a", encoding="utf-8") as file:
                file.write(f"{run.key}\n")
        except (self._wandb.Error, OSError, ValueError, RuntimeError) as error:
            raise TrackerError(f"tracker: W&B did not take iteration {run.name} ({type(error).__name__})") from error

    def _tell(self, run: TrackedRun) -> None:
        tags = {name.removeprefix(PREFIX): text for name, text in run.tags.items()}
        opened = self._wandb.init(
            project=PROJECT,
            id=run.key,
            resume="allow",
            name=run.name,
            group=run.campaign,
            job_type=tags["role"],
            tags=[f"{name}:{tags[name]}"[:64] for name in ("role", "parent", "status", "config_id")],
            config={"nightfly": tags} | dict(run.params),
            dir=str(self._folder.parent),
            settings=self._wandb.Settings(silent=True, console="off", x_disable_stats=True, x_disable_meta=True),
        )
        for step, values in run.steps:
            opened.log(values, step=step)
        with tempfile.TemporaryDirectory() as folder:
            self._log_pictures(opened, run, Path(folder))
            opened.summary.update(run.metrics)
            opened.finish(exit_code=int(run.failed))

    def _log_pictures(self, opened: object, run: TrackedRun, folder: Path) -> None:
        shown = {}
        for name, png in run.pictures.items():
            path = folder / name
            path.write_bytes(png)
            shown[name.removesuffix(".png")] = self._wandb.Image(str(path))
        if shown:
            opened.log(shown)  # type: ignore[attr-defined]
