"""One attempt at a slot, from connectome to pictures, training resumed where it stood."""

from __future__ import annotations

import sys
import time
from functools import partial

import torch

from state.config import SlotConfig
from state.paths import SlotPaths
from state.records import SlotResult, TrajectoryPoint
from trainer.fit.backend import make_model
from trainer.fit.schedule import iterations_per_epoch
from trainer.fit.training import Moment, Trainer, course
from trainer.fit.turns import Turns, within
from trainer.fly.connectome import Connectome, load_connectome
from trainer.fly.simulate import Dataset, generate
from trainer.model.protocol import Model
from trainer.score.evaluate import Evaluation, evaluate
from trainer.score.metrics import Activity, activity
from trainer.slot import runtime
from trainer.slot.checkpoint import EVERY_S, Checkpoint, CheckpointFile, Owner
from trainer.slot.kept_data import keep
from trainer.slot.progress import Listener, MetricsLog, Reporter


class Attempt:
    """Runs ``config`` in the slot's folder; an interrupted training goes on from its checkpoint.

    Everything before and after training follows from the config and is made again, so the metrics are those of an
    attempt that was never interrupted. ``training`` is there from the first turn on, unless that fails; ``waited_s``
    are the seconds that others of the process took before training.
    """

    def __init__(
        self, config: SlotConfig, paths: SlotPaths, listener: Listener | None = None, checkpoint_s: float = EVERY_S
    ) -> None:
        self.config, self.paths, self.checkpoint_s = config, paths, checkpoint_s
        self.reporter = Reporter(paths.progress, listener)
        self.training: Training | None = None
        self.seconds: dict[str, float] = {}
        self.waited_s = 0.0
        self._clock = time.perf_counter()

    def turns(self, run_id: str, config_hash: str) -> Turns[SlotResult]:
        """All stages, timed: a turn up to the start of training, those of `course`, and all the rest in the last."""
        device = runtime.choose_device(self.config.training.device)
        prepared = partial(runtime.prepared, device, self.config.training.matmul)
        return (yield from within(prepared, self._turns(device, run_id, config_hash)))

    def _turns(self, device: torch.device, run_id: str, config_hash: str) -> Turns[SlotResult]:
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
        training = self.training = Training(
            self, CheckpointFile(self.paths.checkpoint, owner, run_id, self.checkpoint_s)
        )
        model = yield from training.turns(truth, data, stats, device)
        # Others of the process may have been evaluated since.
        self._lap("training", training.ended)
        # training_time_min is training alone, with that of earlier attempts.
        self.seconds["training"] += training.earlier_s - training.waited_s
        self.seconds["data"] += training.waited_s + self.waited_s
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

    def _lap(self, stage: str, ended: float | None = None) -> None:
        now = time.perf_counter() if ended is None else ended
        self.seconds[stage], self._clock = now - self._clock, now


class Training:
    """The training stage: rows of metrics.log, progress, checkpoints. Between blocks it can be saved and left.

    ``iteration`` of ``total`` are done, ``block`` of them in the last block, which has ``ended`` then.
    """

    def __init__(self, attempt: Attempt, checkpoints: CheckpointFile) -> None:
        self.config, self.reporter, self.checkpoints = attempt.config, attempt.reporter, checkpoints
        self.trajectory: list[TrajectoryPoint] = []
        self.earlier_s = self.waited_s = 0.0
        self.iteration, self.block = 0, 1
        self.total = iterations_per_epoch(self.config) * self.config.training.n_epochs
        self._log = MetricsLog(attempt.paths.metrics_log)
        self._trainer: Trainer | None = None
        self._began = self.ended = time.perf_counter()

    @property
    def over(self) -> bool:
        """Whether all iterations are done."""
        return self.iteration >= self.total

    def turns(self, truth: Connectome, data: Dataset, stats: Activity, device: torch.device) -> Turns[Model]:
        """The trained network; ``trajectory``, ``earlier_s`` (of earlier attempts) and ``waited_s`` (for others of the
        process to be ready) are then complete."""
        model = make_model(self.config.graph_model, truth, device)
        model.initialise(self.config.training)
        found = self.checkpoints.load()
        self.iteration = found.state.iteration if found else 0
        turns = course(
            model, self.config, data.train, truth, stats, self._keep, self._tell, self._after_block,
            found.state if found else None, self.reporter.undefined,
        )  # fmt: skip
        next(turns)
        ready = time.perf_counter()
        yield
        self.waited_s = time.perf_counter() - ready
        self._resume(found)
        yield from turns
        return model

    def save(self) -> None:
        """Leave a checkpoint, between two blocks."""
        if self._trainer is not None:
            spent = self.earlier_s + time.perf_counter() - self._began
            self.checkpoints.save(self._trainer.state(), self.trajectory, spent)

    def _resume(self, found: Checkpoint | None) -> None:
        if found is not None:
            self.earlier_s = found.seconds
            where = f"iteration {self.iteration} of {self.total}, from {self.checkpoints.path}"
            print(f"training goes on at {where}", file=sys.stderr)
        self.reporter.stage("training", self.total, self.iteration)
        for point in found.trajectory if found else ():
            self._keep(point)
        self._began = self.ended = time.perf_counter()

    def _keep(self, point: TrajectoryPoint) -> None:
        self.trajectory.append(point)
        self._log.append(point)
        self.reporter.point(point)

    def _tell(self, moment: Moment) -> None:
        self.reporter.advance(moment.iteration, moment.total, moment.epoch, moment.phase)

    def _after_block(self, trainer: Trainer) -> None:
        self._trainer, self.block, self.iteration = trainer, trainer.iteration - self.iteration, trainer.iteration
        if self.checkpoints.due():
            self.save()
        self.ended = time.perf_counter()
