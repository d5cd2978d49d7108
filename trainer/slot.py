"""One slot: `python -m trainer.slot DIR` trains what DIR/config.yaml says and leaves result.json there, last and whole.

Knows no campaign and no other slot. Ends with 0 when done, 3 when failed; SIGTERM ends it at once without a result.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import torch

from state.config import SlotConfig
from state.errors import ConfigError, NightflyError
from state.files import canonical_json, read_yaml, write_atomic
from state.paths import SlotPaths
from state.records import Failure, FailureKind, SlotResult, TrajectoryPoint
from state.schema import validate
from trainer import runtime
from trainer.connectome import Connectome, load_connectome
from trainer.evaluate import Evaluation, evaluate
from trainer.fit import Moment, TrainingDiverged, fit, iterations_per_epoch
from trainer.gnn import GNN
from trainer.metrics import Activity, activity
from trainer.progress import Listener, MetricsLog, Reporter
from trainer.simulate import Dataset, SimulationDiverged, generate


class Rejected(NightflyError):
    """The folder does not hold the job that was planned."""


def train_slot(
    config: SlotConfig, folder: Path, run_id: str, config_hash: str, progress: Listener | None = None
) -> SlotResult:
    """Run one slot and write metrics.log, progress.json, the pictures and, last, result.json into ``folder``.

    Never raises for what goes wrong with the slot: the result then has status failed and a typed failure. Files of an
    earlier attempt are removed first.
    """
    paths = SlotPaths(folder)
    remove_stale(paths)
    return _guarded(paths, run_id, config_hash, lambda: _Attempt(config, paths, progress).run(run_id, config_hash))


def run_folder(folder: Path) -> SlotResult:
    """Run the job laid down in ``folder``; a config edited since it was planned is refused."""
    paths = SlotPaths(folder)
    remove_stale(paths)
    try:
        job = json.loads(paths.job.read_text(encoding="utf-8"))
        run_id, config_hash = str(job["run_id"]), str(job["config_hash"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{paths.job}: not a readable job ({type(error).__name__}); the driver writes it"
        return _finish(paths, _failed("", "", "rejected", reason))

    def attempt() -> SlotResult:
        config = validate(SlotConfig, read_yaml(paths.config), str(paths.config))
        if config.hash() != config_hash:
            raise Rejected(f"{paths.config}: changed since it was planned (its hash does not match job.json)")
        return _Attempt(config, paths, None).run(run_id, config_hash)

    return _guarded(paths, run_id, config_hash, attempt)


def remove_stale(paths: SlotPaths) -> None:
    """Remove what an earlier attempt left, so that nothing old can be read as new."""
    for path in (paths.result, paths.metrics_log, paths.progress, *paths.pictures):
        path.unlink(missing_ok=True)


class _Attempt:
    """The stages of one slot in order, timed."""

    def __init__(self, config: SlotConfig, paths: SlotPaths, listener: Listener | None) -> None:
        self.config, self.paths = config, paths
        self.reporter = Reporter(paths.progress, listener)
        self.seconds: dict[str, float] = {}
        self._clock = time.perf_counter()

    def run(self, run_id: str, config_hash: str) -> SlotResult:
        """Connectome, data, training, evaluation, pictures."""
        device = runtime.choose_device(self.config.training.device)
        with runtime.prepared(device):
            return self._run(device, run_id, config_hash)

    def _run(self, device: torch.device, run_id: str, config_hash: str) -> SlotResult:
        self.reporter.stage("connectome")
        simulation = self.config.simulation
        truth = load_connectome(self.config.connectome, simulation.extent, simulation.delta_t)
        self._lap("connectome")
        data = self._simulate(truth, device)
        stats = activity(data.train)
        self._lap("data")
        model, trajectory = self._train(truth, data, stats, device)
        self._lap("training")
        self.reporter.stage("evaluation")
        result = evaluate(model, data, truth, stats, self.config.simulation.delta_t)
        self._lap("evaluation")
        self._draw(truth, model, data, result)
        self._lap("pictures")
        result.set("training_time_min", self.seconds["training"] / 60)
        self.reporter.stage("done")
        return SlotResult(
            run_id=run_id,
            config_hash=config_hash,
            status="done",
            metrics=result.metrics,
            missing=result.missing,
            extra=result.extra,
            trajectory=trajectory,
            seconds=self.seconds,
            device=runtime.device_name(device),
            truth=truth.truth,
            stimulus=data.stimulus,
            peak_memory_mb=runtime.peak_memory_mb(device),
        )

    def _simulate(self, truth: Connectome, device: torch.device) -> Dataset:
        self.reporter.stage("simulation")
        return generate(self.config, truth, device, lambda stage, done, total: self.reporter.advance(done, total))

    def _train(
        self, truth: Connectome, data: Dataset, stats: Activity, device: torch.device
    ) -> tuple[GNN, list[TrajectoryPoint]]:
        log, trajectory = MetricsLog(self.paths.metrics_log), list[TrajectoryPoint]()

        def keep(point: TrajectoryPoint) -> None:
            trajectory.append(point)
            log.append(point)
            self.reporter.point(point)

        self.reporter.stage("training", iterations_per_epoch(self.config) * self.config.training.n_epochs)
        model = GNN(self.config.graph_model, truth, device)
        model.initialise(self.config.training)
        fit(model, self.config, data.train, truth, stats, keep, self._tell)
        return model, trajectory

    def _tell(self, moment: Moment) -> None:
        self.reporter.advance(moment.iteration, moment.total, moment.epoch, moment.phase)

    def _draw(self, truth: Connectome, model: GNN, data: Dataset, result: Evaluation) -> None:
        # Imported here: drawing is the last thing a slot does, and its import takes most of a second.
        from trainer.pictures import draw_activity, draw_embedding

        if result.traces is not None:
            delta_t = self.config.simulation.delta_t
            draw_activity(self.paths.activity, truth, data.rollout_voltage, result.traces, delta_t)
        draw_embedding(self.paths.embedding, truth, model.a.t().double().cpu().numpy(), result)

    def _lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage], self._clock = now - self._clock, now


def _guarded(paths: SlotPaths, run_id: str, config_hash: str, attempt: Callable[[], SlotResult]) -> SlotResult:
    try:
        result = attempt()
    except NightflyError as error:
        result = _failed(run_id, config_hash, _kind(error), str(error))
    except Exception as error:  # noqa: BLE001 - the worker's boundary: whatever happened must reach result.json
        traceback.print_exc()
        kind: FailureKind = "out_of_memory" if runtime.is_out_of_memory(error) else "crashed"
        result = _failed(run_id, config_hash, kind, f"{type(error).__name__}: {error}")
    return _finish(paths, result)


def _kind(error: NightflyError) -> FailureKind:
    if isinstance(error, Rejected):
        return "rejected"
    if isinstance(error, TrainingDiverged | SimulationDiverged):
        return "diverged"
    return "invalid_config" if isinstance(error, ConfigError) else "crashed"


def _failed(run_id: str, config_hash: str, kind: FailureKind, message: str) -> SlotResult:
    line = " ".join(message.split())[:500]
    print(f"{kind}: {line}", file=sys.stderr)
    failure = Failure(kind=kind, message=line)
    return SlotResult(run_id=run_id, config_hash=config_hash, status="failed", failure=failure)


def _finish(paths: SlotPaths, result: SlotResult) -> SlotResult:
    write_atomic(paths.result, canonical_json(result.model_dump()) + "\n")
    return result


def main(arguments: list[str]) -> int:
    """The worker's command line: one argument, the slot's folder."""
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print("usage: python -m trainer.slot DIR, where DIR holds config.yaml and job.json", file=sys.stderr)
        return 2
    return 0 if run_folder(Path(arguments[0])).status == "done" else 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
