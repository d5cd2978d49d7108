"""Synthetic true parameters on flyvis's own wiring, signs and counts: seeded, stable, and recoverable.

What is real: who connects to whom, the signs, and the relative synapse counts within each pair of cell types. What is
made up, per seed: strengths (one per pair of types: the inverse of its mean count, times a gain of the target type, and
excitation balanced against inhibition by a factor of at most MOST_BALANCE), V_rest and tau (one per type). The gains
and V_rest are found by iteration: every type is to hover around a level drawn for it, between LEVELS, so that most
neurons are active most of the time, with a clean response of about SPREAD, so that no input is drowned by another.
Balance keeps messages near zero, where tau and V_rest are read off the trained f_theta. tau: 80 % of the types as fast
as one time step of 0.02 s (in the pretrained network 51 of 65 types are), the others log-uniform over SLOW_TAU.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from state.errors import NightflyError
from trainer.fly.wiring import Wiring, columns

Floats = NDArray[np.float64]

VERSION = 1
LEVELS = (0.1, 0.3)
SPREAD = 0.15
MOST_BALANCE = 3.0
SLOW_SHARE = 0.2
FAST_TAU = 0.02
SLOW_TAU = (0.03, 0.1)
ROUNDS = 40
DEAD_STD = 0.005
MAX_DEAD = 0.05
_STEPS, _WARM_UP, _MOVIES = 200, 50, 4
_BLOWN_UP = 50.0


class SynthesisFailed(NightflyError):
    """No stable parameters were found; another connectome.seed will do."""


def synthesise(wiring: Wiring, seed: int, delta_t: float) -> tuple[Floats, Floats, Floats]:
    """W [E], tau [N] in s and V_rest [N] drawn from ``seed``; the same for every simulation seed.

    Raises SynthesisFailed if after all rounds more than MAX_DEAD of the neurons are dead (never active, or a clean
    standard deviation below DEAD_STD) or activity is unbounded.
    """
    rng = np.random.default_rng(seed)
    n_types = len(wiring.type_names)
    tau = np.full(n_types, max(FAST_TAU, delta_t))
    slow = rng.permutation(n_types)[: round(SLOW_SHARE * n_types)]
    tau[slow] = np.exp(rng.uniform(np.log(SLOW_TAU[0]), np.log(SLOW_TAU[1]), n_types))[slow]
    search = _Search(wiring, tau[wiring.type_index], rng.uniform(LEVELS[0], LEVELS[1], n_types), delta_t)
    for _ in range(ROUNDS):
        search.improve()
    if search.best is None or search.best.dead > MAX_DEAD:
        found = "unbounded activity" if search.best is None else f"{search.best.dead:.0%} dead neurons"
        raise SynthesisFailed(f"connectome.seed {seed}: {found} at extent {wiring.extent}; choose another seed")
    best = search.best
    return search.weights(best.gain), tau[wiring.type_index], best.v_rest[wiring.type_index]


@dataclass(frozen=True)
class _Found:
    cost: float
    dead: float
    gain: Floats
    v_rest: Floats


@dataclass
class _Search:
    """Damped fixed-point iteration over gain and V_rest of each type; the best round so far is kept."""

    wiring: Wiring
    tau: Floats
    level: Floats
    delta_t: float
    best: _Found | None = None
    rate: float = 0.4
    _gain: Floats = field(init=False)
    _v_rest: Floats | None = None

    def __post_init__(self) -> None:
        wiring, n = self.wiring, len(self.level)
        mean_count = _mean_by(wiring.pair, wiring.count, n * n)[wiring.pair]
        self._base = wiring.count / mean_count * wiring.sign
        self._base *= self._balance()
        row = np.sqrt(self._received(self._base**2))
        row_of_type = self._by_type(row)
        # The gain at which the weights onto a neuron have norm 1.
        self._unit = np.divide(1.0, row_of_type, out=np.zeros(n), where=row_of_type > 0)
        self._gain = 0.4 * self._unit
        self._movie = calibration_movie(wiring.extent)[:, wiring.input_column]

    def weights(self, gain: Floats) -> Floats:
        """W [E] for a gain per target type."""
        return self._base * gain[self.wiring.type_index[self.wiring.target]]

    def _balance(self) -> Floats:
        """[E] factor by which the mean excitation and inhibition of a type at its sources' levels come to cancel."""
        wiring = self.wiring
        drive = np.abs(self._base) * self.level[wiring.type_index[wiring.source]]
        up, down = (self._by_type(self._received(drive * (wiring.sign == sign))) for sign in (1, -1))
        both = (up > 0) & (down > 0)
        ratio = np.sqrt(np.divide(down, up, out=np.ones_like(up), where=both))
        ratio = np.clip(np.where(both, ratio, 1.0), 1 / MOST_BALANCE, MOST_BALANCE)
        factor = ratio[wiring.type_index[wiring.target]]
        return np.where(wiring.sign > 0, factor, 1 / factor)

    def improve(self) -> None:
        """One round: simulate, compare each type with its level and SPREAD, move gain and V_rest towards them."""
        matrix = self._matrix(self._gain)
        if self._v_rest is None:
            self._v_rest = self._rest_for_levels(matrix)
        trace = _simulate(
            matrix, self.tau, self._v_rest[self.wiring.type_index], self._movie, self.wiring, self.delta_t
        )
        if trace is None:
            self._gain, self._v_rest, self.rate = 0.7 * self._gain, None, 0.8 * self.rate
            return
        std, mean = trace.std(axis=0).mean(axis=1), trace.mean(axis=(0, 2))
        dead = float(((std < DEAD_STD) | (trace.max(axis=(0, 2)) <= 0)).mean())
        spread, level = np.sqrt(self._by_type(std**2)), self._by_type(mean)
        self._remember(spread, level, dead, float(np.abs(trace).max()))
        self._move(spread, level, np.maximum(trace, 0).mean(axis=(0, 2)), matrix)

    def _remember(self, spread: Floats, level: Floats, dead: float, highest: float) -> None:
        assert self._v_rest is not None
        cost = float(np.abs(np.log(np.maximum(spread, 1e-4) / SPREAD)).mean() + 2 * np.abs(level - self.level).mean())
        cost += 5 * dead + 50 * max(0.0, dead - 0.5 * MAX_DEAD) + max(0.0, highest / 4 - 1)
        if self.best is None or cost < self.best.cost:
            self.best = _Found(cost, dead, self._gain.copy(), self._v_rest.copy())

    def _move(self, spread: Floats, level: Floats, output: Floats, matrix: csr_array) -> None:
        assert self._v_rest is not None
        factor = np.clip((SPREAD / np.maximum(spread, 1e-3)) ** self.rate, 0.7, 1.4)
        self._gain = np.clip(self._gain * factor, 0.02 * self._unit, 4 * self._unit)
        # V_rest makes up at once for what a new gain adds to the mean input; the rest is corrected with damping.
        shift = self._by_type((self._matrix(self._gain) - matrix) @ output)
        self._v_rest = self._v_rest - shift + self.rate * (self.level - level)

    def _rest_for_levels(self, matrix: csr_array) -> Floats:
        """V_rest at which every type rests at its level if all neurons are active."""
        wiring = self.wiring
        stimulus = np.zeros(wiring.n_neurons)
        stimulus[wiring.input_index] = self._movie.mean()
        return self.level - self._by_type(matrix @ self.level[wiring.type_index] + stimulus)

    def _matrix(self, gain: Floats) -> csr_array:
        n = self.wiring.n_neurons
        return csr_array((self.weights(gain), (self.wiring.target, self.wiring.source)), shape=(n, n))

    def _received(self, on_edges: Floats) -> Floats:
        """[N] sum over the edges onto each neuron."""
        return _sums(self.wiring.target, on_edges, self.wiring.n_neurons)

    def _by_type(self, values: Floats) -> Floats:
        return _mean_by(self.wiring.type_index, values, len(self.level))


def _sums(group: NDArray[np.integer], values: Floats, n: int) -> Floats:
    sums: Floats = np.bincount(group, values, n).astype(np.float64)
    return sums


def _mean_by(group: NDArray[np.integer], values: Floats, n: int) -> Floats:
    return _sums(group, values, n) / np.maximum(np.bincount(group, minlength=n), 1)


def calibration_movie(extent: int) -> Floats:
    """[T, C, M] light in 0..1 on the C hexals: M movies of drifting plane waves with cuts, always the same."""
    rng = np.random.default_rng(20_260)
    u, v = columns(extent).astype(np.float64).T
    place = np.stack([u + v / 2, v * np.sqrt(3) / 2], axis=1)
    frames = np.empty((_STEPS, len(u), _MOVIES))
    for movie in range(_MOVIES):
        start = 0
        while start < _STEPS:
            length = min(int(rng.integers(40, 80)), _STEPS - start)
            frames[start : start + length, :, movie] = _scene(place, length, rng)
            start += length
    return frames


def _scene(place: Floats, length: int, rng: np.random.Generator, waves: int = 12) -> Floats:
    """[length, C]: a mixture of plane waves that drift with a few hertz."""
    k = rng.normal(0, 1, (waves, 2)) * rng.choice([0.15, 0.4, 1.0], waves)[:, None]
    size = rng.exponential(1, waves) / (1 + np.linalg.norm(k, axis=1))
    time = np.arange(length)[:, None, None] * 0.02
    light = (size * np.cos(place @ k.T + rng.normal(0, 4, waves) * time + rng.uniform(0, 2 * np.pi, waves))).sum(-1)
    scene: Floats = np.clip(rng.uniform(0.3, 0.7) + 0.18 * light / np.sqrt((size**2).sum() / 2), 0, 1)
    return scene


def _simulate(
    matrix: csr_array, tau: Floats, v_rest: Floats, light: Floats, wiring: Wiring, delta_t: float
) -> Floats | None:
    """[T, N, M] noise-free voltages after the warm-up, or None if they blow up."""
    steps, _, movies = light.shape
    v = np.repeat(v_rest[:, None], movies, axis=1)
    trace, rate = np.empty((steps - _WARM_UP, len(tau), movies)), (delta_t / tau)[:, None]
    for step in range(steps):
        if step >= _WARM_UP:
            trace[step - _WARM_UP] = v
        drive = matrix @ np.maximum(v, 0) + v_rest[:, None]
        drive[wiring.input_index] += light[step]
        v = v + rate * (drive - v)
        if not np.abs(v).max() < _BLOWN_UP:
            return None
    return trace
