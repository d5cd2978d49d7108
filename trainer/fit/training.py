"""The training loop: two-stage or standard, with a row of metrics now and then."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from state.config import SlotConfig, TrainingConfig
from state.errors import NightflyError
from state.metrics import traced, undefined_line
from state.records import Phase, TrajectoryPoint
from trainer.fit.adam import Adam
from trainer.fit.backend import make_step
from trainer.fit.cuda_graph import GraphedIterations
from trainer.fit.limits import limit
from trainer.fit.schedule import BLOCK, Stage, annealing, blocks, iterations_per_epoch, rate_factors, stages
from trainer.fit.step import Step
from trainer.fit.turns import Turns, outcome_of, within
from trainer.model.protocol import Model
from trainer.score.metrics import Activity, Score, recover, recovery_scores

if TYPE_CHECKING:
    from trainer.fly.connectome import Connectome
    from trainer.fly.simulate import Recording


class TrainingDiverged(NightflyError):
    """The loss or a parameter stopped being finite."""

    def __init__(self, iteration: int) -> None:
        super().__init__(f"the loss is no longer finite at iteration {iteration}; lower the learning rates")
        self.iteration = iteration


@dataclass(frozen=True)
class Moment:
    """How far training is; what a progress display needs."""

    epoch: int
    phase: Phase
    iteration: int
    total: int


@dataclass(frozen=True)
class State:
    """What training depends on between two blocks: parameters and Adam's averages [P], generator, iterations done."""

    theta: Tensor
    mean: Tensor
    square: Tensor
    random: Tensor
    iteration: int


def set_rates(adam: Adam, model: Model, training: TrainingConfig, fast: float) -> None:
    """Learning rates of the four groups; ``fast`` scales W and g_phi."""
    rates = {
        "W": training.learning_rate_W_start * fast,
        "g_phi": training.learning_rate_start * fast,
        "f_theta": training.learning_rate_start,
        "embedding": training.learning_rate_embedding_start,
    }
    for name, rate in rates.items():
        adam.rates[model.groups[name]] = rate


def fit(
    model: Model,
    config: SlotConfig,
    data: Recording,
    truth: Connectome,
    stats: Activity,
    on_point: Callable[[TrajectoryPoint], None],
    on_moment: Callable[[Moment], None] = lambda moment: None,
    on_block: Callable[[Trainer], None] = lambda trainer: None,
    start: State | None = None,
    on_undefined: Callable[[str], None] = lambda reasons: None,
) -> None:
    """Train ``model`` in place; Adam's state is kept across phases, and across epochs but for `adam_restart`.

    Frames are drawn on the device from training.seed. Raises TrainingDiverged within BLOCK iterations of the first
    value that is not finite. ``on_block`` comes after each block and its point, where `Trainer.state` is all that the
    rest depends on; from such a ``start`` the rest is the same, bit for bit on a CPU. ``on_undefined`` hears, before
    each point, why some of its R2 are undefined, '' when all are there.
    """
    outcome_of(course(model, config, data, truth, stats, on_point, on_moment, on_block, start, on_undefined))


def course(
    model: Model,
    config: SlotConfig,
    data: Recording,
    truth: Connectome,
    stats: Activity,
    on_point: Callable[[TrajectoryPoint], None],
    on_moment: Callable[[Moment], None] = lambda moment: None,
    on_block: Callable[[Trainer], None] = lambda trainer: None,
    start: State | None = None,
    on_undefined: Callable[[str], None] = lambda reasons: None,
) -> Turns[None]:
    """`fit` in turns: one until all is ready, then two a block, in which it is begun, and waited for and looked at."""

    def turns() -> Turns[None]:
        loop = Trainer(model, config, data, stats)
        total, planned = iterations_per_epoch(config) * config.training.n_epochs, 0
        if start is not None:
            loop.restore(start)
        yield
        for stage in stages(config):
            set_rates(loop.adam, model, config.training, stage.fast)
            if stage.starts_anew and planned == loop.iteration:
                loop.adam.restart()
            for done, wanted in blocks(stage):
                planned += done
                if planned <= loop.iteration:
                    continue
                loop.begin(done)
                yield
                loop.end()
                on_moment(Moment(stage.epoch, stage.phase, loop.iteration, total))
                if wanted:
                    scores = recovery_scores(recover(model, data, stats), truth)
                    on_undefined(undefined_line({name: score.reason for name, score in scores.items()}))
                    on_point(_point(stage, loop.iteration, scores))
                on_block(loop)
                yield

    return within(torch.inference_mode, turns())


def _point(stage: Stage, iteration: int, scores: Mapping[str, Score]) -> TrajectoryPoint:
    columns = {trace.column: scores[name].r2 for name, trace in traced().items()}
    return TrajectoryPoint.model_validate(
        {"epoch": stage.epoch, "iteration": iteration, "phase": stage.phase} | columns
    )


class Trainer:
    """Optimiser, batches and the iteration counter."""

    def __init__(self, model: Model, config: SlotConfig, data: Recording, stats: Activity) -> None:
        self.model, self.training = model, config.training
        self.step = make_step(model, data, config.training, stats.std * config.training.xnorm_scale)
        self.adam = Adam(model.theta, model.gradient)
        limit(self.adam, model.groups["W"], config.training)
        self.iteration = 0
        self._per_epoch = iterations_per_epoch(config)
        self._n_frames = len(data.voltage)
        self._random = torch.Generator(device=model.theta.device).manual_seed(config.training.seed + 1)
        self._graphed: GraphedIterations | None = None
        if model.theta.device.type == "cuda" and isinstance(self.step, Step):
            self._graphed = GraphedIterations(self.step, self.adam, BLOCK)

    def run(self, n: int) -> None:
        """``n`` iterations without a look at the device, then one look."""
        self.begin(n)
        self.end()

    def begin(self, n: int) -> None:
        """``n`` iterations without a look at the device: a GPU may still be at work on them afterwards."""
        shape = (n, self.training.batch_size)
        frames = torch.randint(self._n_frames, shape, generator=self._random, device=self.model.theta.device)
        self.adam.prepare(n, rate_factors(self.training, self.iteration, n))
        self.step.set_strength(self._strength(n))
        if self._graphed is not None:
            self._graphed.begin(frames, self.iteration)
        else:
            for index, batch in enumerate(frames.unbind()):
                self.step(batch, self.iteration + index)
                self.adam.step(index)
        self.iteration += n

    def end(self) -> None:
        """Wait for what was begun, and look at it."""
        if self._graphed is not None:
            self._graphed.join()
        # ReLU and masks can turn NaN into 0, so a finite loss does not prove that the parameters are finite.
        if not math.isfinite(float(self.step.loss + self.model.theta.sum())):
            raise TrainingDiverged(self.iteration)

    def _strength(self, n: int) -> float:
        """Of the L1/L2 penalties in the next ``n`` iterations, which lie in one epoch."""
        reached = self.iteration if self.training.annealing == "epoch" else self.iteration + n
        return annealing(self.training, reached / self._per_epoch)

    def state(self) -> State:
        """Views, valid until the next block; see `State`."""
        mean, square = self.adam.state()
        return State(self.model.theta, mean, square, self._random.get_state(), self.iteration)

    def restore(self, state: State) -> None:
        """Go on, in place, where `state` was taken."""
        self.model.theta.copy_(state.theta)
        anew = self.training.adam_restart == "standard_epochs" and not self.training.alternate_training
        self.adam.restore(state.mean, state.square, state.iteration % self._per_epoch if anew else state.iteration)
        self._random.set_state(state.random)
        self.iteration = state.iteration
