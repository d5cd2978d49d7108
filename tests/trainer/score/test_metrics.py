"""Recovery of the parameters against closed forms, and every undefined case as a reason."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from state.config import GraphModelConfig
from trainer.fly.connectome import Connectome
from trainer.model.gnn import GNN
from trainer.score.metrics import Activity, Recovered, active_score, activity, recover, recovery_scores, score
from trainer.score.prediction import RolloutScore, one_step_scores, rollout, rollout_scores

GATE = 100.0  # larger than any |v - V_rest| here


def exact_model(truth: Connectome) -> GNN:
    """f_theta is the true function exactly: one pair of ReLUs per cell type, opened by a one-hot embedding.

    relu(x - M(1 - a_k)) - relu(-x - M(1 - a_k)) is x where a_k = 1 and 0 where a_k = 0, for |x| < M.
    g_phi(v) = relu(v) exactly, so the signal is relu(v)^2.
    """
    n_types = len(truth.type_names)
    sizes = GraphModelConfig(
        embedding_dim=n_types,
        input_size=1 + n_types,
        input_size_update=3 + n_types,
        hidden_dim=4,
        hidden_dim_update=2 * n_types,
        n_layers=2,
        n_layers_update=2,
    )
    model = GNN(sizes, truth, dtype=torch.float64)
    model.theta.zero_()
    model.W.copy_(torch.as_tensor(truth.weight))
    kinds = torch.as_tensor(truth.type_index).long()
    model.a.copy_(torch.nn.functional.one_hot(kinds, n_types).t())
    for perceptron in (model.g_phi, model.f_theta):
        perceptron.matrices[0][-1, -1] = 1.0
    model.g_phi.matrices[0][0, 0] = model.g_phi.matrices[1][0, 0] = 1.0
    hidden, last = model.f_theta.matrices
    first = np.unique(truth.type_index, return_index=True)[1]
    for kind in range(n_types):
        tau, rest = float(truth.tau[first[kind]]), float(truth.V_rest[first[kind]])
        for row, sign in ((2 * kind, 1.0), (2 * kind + 1, -1.0)):
            hidden[row, 0] = -sign
            hidden[row, 1 + kind] = GATE
            hidden[row, 1 + n_types] = hidden[row, 2 + n_types] = sign
            hidden[row, -1] = sign * rest - GATE
            last[0, row] = sign / tau
    return model


def in_double(data: SimpleNamespace) -> SimpleNamespace:
    return SimpleNamespace(**{key: value.double() for key, value in vars(data).items()})


def test_true_functions_score_one(
    tiny_truth: Connectome, tiny_data: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the signal replaced by the exact relu(v), the very parameters come back."""
    model, data = exact_model(tiny_truth), in_double(tiny_data)
    monkeypatch.setattr(model, "signal", lambda v: v.relu())
    found = recover(model, data, activity(data))
    np.testing.assert_allclose(found.tau, tiny_truth.tau, rtol=1e-5)
    np.testing.assert_allclose(found.V_rest, tiny_truth.V_rest, rtol=1e-5)
    np.testing.assert_allclose(found.W, tiny_truth.weight, rtol=1e-4, atol=1e-7)
    scores = recovery_scores(found, tiny_truth)
    for name in ("connectivity_R2", "tau_R2", "V_rest_R2"):
        assert scores[name].r2 == pytest.approx(1.0, abs=1e-6), name
        assert scores[name].slope == pytest.approx(1.0, rel=1e-4), name


N_KNOTS, V_MAX = 256, 4.0


def fully_exact_model(truth: Connectome) -> GNN:
    """Like `exact_model`, and g_phi(v) is sqrt(relu(v)), linear between 256 knots: the signal is relu(v) itself."""
    exact, n_types = exact_model(truth), len(truth.type_names)
    sizes = GraphModelConfig(
        embedding_dim=n_types,
        input_size=1 + n_types,
        input_size_update=3 + n_types,
        hidden_dim=N_KNOTS,
        hidden_dim_update=2 * n_types,
        n_layers=2,
        n_layers_update=2,
    )
    model = GNN(sizes, truth, dtype=torch.float64)
    model.theta.zero_()
    for group in ("W", "embedding", "f_theta"):
        model.theta[model.groups[group]] = exact.theta[exact.groups[group]]
    knots = V_MAX * (torch.arange(N_KNOTS + 1, dtype=torch.float64) / N_KNOTS) ** 2
    slopes = knots.sqrt().diff() / knots.diff()
    hidden, last = model.g_phi.matrices
    hidden[:-1, 0], hidden[:-1, -1], hidden[-1, -1] = 1.0, -knots[:-1], 1.0
    last[0, :-1] = torch.diff(slopes, prepend=torch.zeros(1, dtype=torch.float64))
    return model


def test_a_network_whose_two_perceptrons_are_the_true_functions_scores_one_everywhere(
    tiny_truth: Connectome, tiny_dataset: SimpleNamespace
) -> None:
    """No function of the code is replaced; all five R2 and r that compare with the truth are 1, with slope 1."""
    model = fully_exact_model(tiny_truth)
    data = SimpleNamespace(
        **{k: in_double(v) if isinstance(v, SimpleNamespace) else v.double() for k, v in vars(tiny_dataset).items()}
    )
    assert float(data.train.voltage.max()) < V_MAX
    stats = activity(data.train)
    scores = recovery_scores(recover(model, data.train, stats), tiny_truth)
    scores["test_R2"], _ = one_step_scores(model, data.test, 0.02)
    for name, result in scores.items():
        assert result.r2 == pytest.approx(1.0, abs=1e-4), name
        assert result.slope == pytest.approx(1.0, rel=2e-3), name
    assert rollout_scores(rollout(model, data, 0.02), data.rollout_voltage).mean == pytest.approx(1.0, abs=1e-3)


def test_weights_set_by_hand_score_one_up_to_the_common_scale(
    tiny_truth: Connectome, tiny_data: SimpleNamespace
) -> None:
    """No function replaced: g_phi^2 = relu(v)^2, whose slope over 0..h is h; all neurons probed over the same range."""
    model, data, n = exact_model(tiny_truth), in_double(tiny_data), tiny_truth.n_neurons
    stats = Activity(torch.full((n,), 0.5).double(), torch.full((n,), 0.25).double(), 0.5)
    found = recover(model, data, stats)
    scores = recovery_scores(found, tiny_truth)
    assert scores["connectivity_R2"].r2 == pytest.approx(1.0, abs=1e-6)
    assert scores["connectivity_R2"].slope == pytest.approx(1.0, rel=1e-4)  # slope of v^2 over 0..1
    np.testing.assert_allclose(found.tau, tiny_truth.tau, rtol=1e-5)


def test_a_scale_moved_from_W_into_the_functions_is_undone(
    tiny_truth: Connectome, tiny_data: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W / 8 with signals twice and f_theta four times as sensitive to messages is the same network."""
    model, data = exact_model(tiny_truth), in_double(tiny_data)
    monkeypatch.setattr(model, "signal", lambda v: 2.0 * v.relu())
    model.W.div_(8.0)
    model.f_theta.matrices[0][:-1, 1 + model.embedding_dim].mul_(4.0)
    np.testing.assert_allclose(recover(model, data, activity(data)).W, tiny_truth.weight, rtol=1e-4, atol=1e-7)


def test_a_silent_source_keeps_its_weight_unscaled(tiny_truth: Connectome) -> None:
    from trainer.score.metrics import signal_slopes

    n = tiny_truth.n_neurons
    stats = Activity(torch.full((n,), -5.0).double(), torch.ones(n).double(), 1.0)
    assert torch.equal(signal_slopes(exact_model(tiny_truth), stats), torch.ones(n, dtype=torch.float64))


def test_weights_of_silent_sources_are_left_out_of_the_active_score(
    tiny_truth: Connectome, tiny_data: SimpleNamespace
) -> None:
    stats = activity(tiny_data)
    mu = stats.mu.clone()
    mu[:7] = -10.0
    quiet = Activity(mu, stats.sigma, stats.std)
    learned = tiny_truth.weight.astype(float)
    learned[tiny_truth.source < 7] += np.linspace(-3, 3, int((tiny_truth.source < 7).sum()))
    found = Recovered(learned, tiny_truth.tau.astype(float), tiny_truth.V_rest.astype(float))
    active, silent = active_score(found, tiny_truth, quiet)
    assert silent == 7
    assert active.r2 == pytest.approx(1.0)
    everything = recovery_scores(found, tiny_truth)["connectivity_R2"].r2
    assert everything is not None
    assert everything < 0.5


def test_a_flat_f_theta_gives_reasons_not_numbers(tiny_truth: Connectome, tiny_data: SimpleNamespace) -> None:
    model, data = exact_model(tiny_truth), in_double(tiny_data)
    model.f_theta.matrices[-1].zero_()
    scores = recovery_scores(recover(model, data, activity(data)), tiny_truth)
    assert {score.r2 for score in scores.values()} == {None}
    assert all(score.reason for score in scores.values())


@settings(deadline=None)
@given(st.lists(st.integers(-100, 100), min_size=2, max_size=30, unique=True), st.floats(0.01, 100), st.floats(-9, 9))
def test_any_line_scores_one_with_its_slope(true: list[int], slope: float, offset: float) -> None:
    values = np.array(true, dtype=np.float64)
    for sign in (1.0, -1.0):
        result = score(sign * slope * values + offset, values)
        assert result.r2 == pytest.approx(1.0)
        assert result.slope == pytest.approx(sign * slope, rel=1e-6)


def test_r2_is_the_squared_correlation() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(500)
    y = 0.3 * x + rng.standard_normal(500)
    assert score(y, x).r2 == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2)


@pytest.mark.parametrize(
    ("learned", "true", "word"),
    [
        ([1.0, 2.0, 3.0], [5.0, 5.0, 5.0], "constant"),
        ([4.0, 4.0, 4.0], [1.0, 2.0, 3.0], "learned values are constant"),
        ([1.0, math.nan, 3.0], [1.0, 2.0, 3.0], "1 learned"),
        ([1.0, math.inf, 3.0], [1.0, 2.0, 3.0], "1 learned"),
        ([1.0, 2.0], [1.0, math.nan], "true"),
    ],
)
def test_undefined_scores_say_why(learned: list[float], true: list[float], word: str) -> None:
    result = score(np.array(learned), np.array(true))
    assert result.r2 is None
    assert word in result.reason


def test_activity_is_mean_and_standard_deviation(tiny_data: SimpleNamespace) -> None:
    stats, v = activity(tiny_data), tiny_data.voltage.double()
    torch.testing.assert_close(stats.mu.double(), v.mean(0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(stats.sigma.double(), v.std(0, correction=0), rtol=1e-4, atol=1e-5)
    assert stats.std == pytest.approx(float(v.std(correction=0)), rel=1e-4)


def test_predictions_of_the_true_functions_are_perfect(
    tiny_truth: Connectome, tiny_dataset: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = exact_model(tiny_truth)
    monkeypatch.setattr(model, "signal", lambda v: v.relu())
    data = SimpleNamespace(
        **{k: in_double(v) if isinstance(v, SimpleNamespace) else v.double() for k, v in vars(tiny_dataset).items()}
    )
    result, nearby = one_step_scores(model, data.test, 0.02, batch=7)
    assert nearby == pytest.approx(1.0, abs=1e-6)
    assert result.r2 == pytest.approx(1.0, abs=1e-6)
    assert result.slope == pytest.approx(1.0, rel=1e-4)
    rolled = rollout_scores(rollout(model, data, 0.02), data.rollout_voltage)
    assert rolled.mean == pytest.approx(1.0, abs=1e-4)
    assert rolled.median == pytest.approx(1.0, abs=1e-4)
    assert rolled.reason == ""


def test_rollout_scores_leave_out_constant_truth_and_report_a_blow_up() -> None:
    time = torch.linspace(0, 6, 50)
    true = torch.stack([time.sin(), time.cos(), torch.ones(50)], dim=1)
    learned = torch.stack([time.sin(), -time.cos(), time], dim=1)
    found = rollout_scores(learned, true)
    assert found.mean == pytest.approx(0.0, abs=1e-6)
    assert found.median == pytest.approx(0.0, abs=1e-6)
    assert found.neurons == 2
    learned[3, 0] = math.nan
    assert rollout_scores(learned, true) == RolloutScore(None, reason="the rollout left the finite range")
    assert rollout_scores(true, torch.ones(50, 3)).mean is None
    assert "varies" in rollout_scores(true, torch.ones(50, 3)).reason


def test_a_neuron_that_hardly_moves_cannot_blow_up_the_mean() -> None:
    """Nine perfect neurons; the tenth moves by 1e-5 and is predicted to swing by 1e6."""
    time = torch.linspace(0, 6, 200, dtype=torch.float64)
    true = torch.stack([(time + k).sin() for k in range(10)], dim=1)
    true[:, 9] = 0.5 + 1e-5 * (7 * time).cos()
    learned = true.clone()
    learned[:, 9] = 1e6 * (5 * time).sin()
    found = rollout_scores(learned, true)
    assert found.median == pytest.approx(1.0)
    assert found.mean is not None
    assert 0.8 <= found.mean <= 1.0
    assert found.neurons == 10


def test_a_trace_that_runs_away_gives_a_reason() -> None:
    true = torch.linspace(0, 1, 20)[:, None]
    learned = true.double() * 1e200
    assert "out of range" in rollout_scores(learned, true).reason
