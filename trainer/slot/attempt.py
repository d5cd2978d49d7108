"""One attempt at a slot, from connectome to pictures, training resumed where it stood."""

from __future__ import annotations

import sys
import time

import torch

from state.config import SlotConfig
from state.paths import SlotPaths
from state.records import SlotResult, TrajectoryPoint
from trainer.fit.backend import make_model
from trainer.fit.schedule import BLOCK, iterations_per_epoch
from trainer.fit.training import Moment, Trainer, fit
from trainer.fly.connectome import Connectome, load_connectome
from trainer.fly.simulate import Dataset, generate
from trainer.model.protocol import Model
from trainer.score.evaluate import Evaluation, evaluate
from trainer.score.metrics import Activity, activity
from trainer.slot import runtime
from trainer.slot.checkpoint import EVERY_S, Checkpoint, CheckpointFile, Owner
from trainer.slot.kept_data import keep
from trainer.slot.progress import Listener, MetricsLog, Reporter
from trainer.slot.termination import Termination


class Attempt:
    """Runs ``config`` in the slot's folder; an interrupted training goes on from its checkpoint.

    Everything before and after training follows from the config and is made again, so the metrics are those of an
    attempt that was never interrupted.
    """

    def __init__(
        self, config: SlotConfig, paths: SlotPaths, listener: Listener | None = None, checkpoint_s: float = EVERY_S
    ) -> None:
        self.config, self.paths, self.checkpoint_s = config, paths, checkpoint_s
        self.reporter = Reporter(paths.progress, listener)
        self.seconds: dict[str, float] = {}
        self._clock = time.perf_counter()

    def run(self, run_id: str, config_hash: str) -> SlotResult:
        """All stages, timed."""
        device = runtime.choose_device(self.config.training.device)
        with runtime.prepared(device, self.config.training.matmul):
            return self._run(device, run_id, config_hash)

    def _run(self, device: torch.device, run_id: str, config_hash: str) -> SlotResult:
        self.reporter.stage("connectome")
        simulation = self.config.simulation
        truth = load_connectome(self.config.connectome, simulation.extent, simulation.delta_t)
        self._lap("connectome")
        data = self._simulate(truth, device)
        stats = activity(data.train)
        if simulation.keep_data:
            keep(data, self.paths, self.config.dataset)
        self._lap("data")
        owner = Owner.of(config_hash, truth, data.stimulus)
        training = _Training(self, CheckpointFile(self.paths.checkpoint, owner, run_id, self.checkpoint_s))
        model = training.run(truth, data, stats, device)
        self._lap("training")
        # training_time_min is training alone, with that of earlier attempts.
        self.seconds["training"] += training.earlier_s
        self.reporter.stage("evaluation")
        result = evaluate(model, data, truth, stats, self.config)
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
            trajectory=training.trajectory,
            seconds=self.seconds,
            device=runtime.device_name(device),
            truth=truth.truth,
            stimulus=data.stimulus,
            peak_memory_mb=runtime.peak_memory_mb(device),
        )

    def _simulate(self, truth: Connectome, device: torch.device) -> Dataset:
        self.reporter.stage("simulation")
        return generate(self.config, truth, device, lambda stage, done, total: self.reporter.advance(done, total))

    def _draw(self, truth: Connectome, model: Model, data: Dataset, result: Evaluation) -> None:
        # Imported here: drawing is the last thing a slot does, and its import takes most of a second.
        from trainer.score.pictures import draw_activity
        from trainer.score.recovery_picture import draw_embedding

        if result.traces is not None:
            delta_t = self.config.simulation.delta_t
            draw_activity(self.paths.activity, truth, data.rollout_voltage, result.traces, delta_t)
        draw_embedding(self.paths.embedding, truth, model.a.t().double().cpu().numpy(), result)

    def _lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage], self._clock = now - self._clock, now


class _Training:
    """The training stage: rows of metrics.log, progress, checkpoints, and the end on SIGTERM."""

    def __init__(self, attempt: Attempt, checkpoints: CheckpointFile) -> None:
        self.config, self.reporter, self.checkpoints = attempt.config, attempt.reporter, checkpoints
        self.trajectory: list[TrajectoryPoint] = []
        self.earlier_s = 0.0
        self._log = MetricsLog(attempt.paths.metrics_log)
        self._termination = Termination()
        self._began = self._block_began = time.perf_counter()
        self._block_first = 0

    def run(self, truth: Connectome, data: Dataset, stats: Activity, device: torch.device) -> Model:
        """The trained network; ``trajectory`` and ``earlier_s`` (seconds of earlier attempts) are then complete."""
        model = make_model(self.config.graph_model, truth, device)
        model.initialise(self.config.training)
        found = self.checkpoints.load()
        self._resume(found)
        state = found.state if found else None
        with self._termination.watched():
            fit(
                model, self.config, data.train, truth, stats, self._keep, self._tell, self._after_block, state,
                self.reporter.undefined,
            )  # fmt: skip
        return model

    def _resume(self, found: Checkpoint | None) -> None:
        first, total = 0, iterations_per_epoch(self.config) * self.config.training.n_epochs
        if found is not None:
            first, self.earlier_s = found.state.iteration, found.seconds
            print(f"training goes on at iteration {first} of {total}, from {self.checkpoints.path}", file=sys.stderr)
        self.reporter.stage("training", total, first)
        for point in found.trajectory if found else ():
            self._keep(point)
        self._block_first = first
        self._began = self._block_began = time.perf_counter()

    def _keep(self, point: TrajectoryPoint) -> None:
        self.trajectory.append(point)
        self._log.append(point)
        self.reporter.point(point)

    def _tell(self, moment: Moment) -> None:
        self.reporter.advance(moment.iteration, moment.total, moment.epoch, moment.phase)

    def _after_block(self, trainer: Trainer) -> None:
        now, done = time.perf_counter(), trainer.iteration - self._block_first
        if self._termination.wanted or self.checkpoints.due():
            self.checkpoints.save(trainer.state(), self.trajectory, self.earlier_s + now - self._began)
        if self._termination.wanted:
            self._termination.end()
        self._termination.expect((now - self._block_began) * BLOCK / done)
        self._block_began, self._block_first = time.perf_counter(), trainer.iteration
