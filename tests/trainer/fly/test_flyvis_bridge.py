"""Against flyvis itself: sizes, side effects, a stable synthetic truth, and the same voltages as its network."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import torch

from state.config import ConnectomeConfig
from trainer.fly import truth
from trainer.fly.connectome import Connectome, load_connectome
from trainer.fly.flyvis_bridge import build_wiring, flyvis_module
from trainer.fly.simulate import Simulator
from trainer.fly.wiring import Wiring

CONNECTOME = {"type": "ConnectomeFromAvgFilters", "file": "fib25-fib19_v2.2.json", "extent": 5, "n_syn_fill": 1}
MODEL = Path(__file__).resolve().parents[4] / "shared" / "flyvis_model"


@pytest.fixture(scope="module")
def wiring() -> Wiring:
    return build_wiring(1)


def test_sizes_and_order(wiring: Wiring) -> None:
    assert (wiring.n_neurons, len(wiring.source), len(wiring.input_index)) == (443, 8174, 56)
    assert len(wiring.type_names) == 65
    key = wiring.target.astype(np.int64) * wiring.n_neurons + wiring.source
    assert (np.diff(key) > 0).all()
    assert set(wiring.sign) == {-1.0, 1.0}
    assert [wiring.type_names[kind] for kind in np.unique(wiring.type_index[wiring.input_index])] == [
        f"R{n}" for n in range(1, 9)
    ]


def state_of_the_process() -> tuple[object, ...]:
    """All that flyvis is known to change when it is imported."""
    handlers, clock = list(logging.root.handlers), logging.Formatter.converter
    return dict(os.environ), torch.get_default_device(), handlers, clock, dict(mpl.rcParams)


def test_the_process_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYVIS_ROOT_DIR", str(tmp_path / "mine"))
    before = state_of_the_process()
    with flyvis_module():
        assert os.environ["FLYVIS_ROOT_DIR"] != str(tmp_path / "mine")
    after = state_of_the_process()
    assert after == before
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("seed", range(20))
def test_the_synthetic_truth_is_stable_and_alive(wiring: Wiring, seed: int) -> None:
    """On movies that the synthesis has not seen, and with the process noise of a real run."""
    weight, tau, v_rest = truth.synthesise(wiring, seed, 0.02)
    connectome = Connectome(
        wiring.source, wiring.target, wiring.type_index, wiring.type_names, wiring.u, wiring.v,
        wiring.input_index, wiring.input_column, weight.astype(np.float32), tau.astype(np.float32),
        v_rest.astype(np.float32), 1, "test",
    )  # fmt: skip
    from trainer.fly.photographs import Photographs

    movies = Photographs.load(1, test=False).movies(4, 400, np.random.default_rng(seed + 100))
    simulator = Simulator(connectome, 0.02, torch.device("cpu"))
    noisy = simulator.run(movies, 100, 0.05, torch.Generator().manual_seed(seed)).voltage
    assert float(noisy.abs().max()) < 15
    clean = simulator.run(movies, 100, 0.0, None).voltage
    dead = (clean.view(300, 4, -1).std(dim=0).mean(dim=0) < 0.005) | (clean.max(dim=0).values <= 0)
    assert float(dead.float().mean()) < 0.05


@pytest.mark.skipif(not MODEL.exists(), reason="the pretrained model is not beside the project")
def test_pretrained_parameters_give_flyvis_own_voltages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As trained by flyvis's authors."""
    ours = _same_voltages(MODEL / "flow" / "0000" / "000" / "best_chkpt", tmp_path, monkeypatch)
    assert (np.unique(ours.tau) <= 0.0201).sum() >= 1
    assert 0.15 < ours.V_rest.std() < 0.17


def test_the_simulator_computes_what_flyvis_own_network_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With parameters that flyvis draws, so that this holds wherever flyvis is installed, at each of its releases."""
    with flyvis_module() as flyvis:
        torch.manual_seed(1)
        network = flyvis.Network(connectome=CONNECTOME)
        for name, parameter in network.named_parameters():
            if name.endswith(("bias", "time_const")):
                parameter.data.mul_(0.5 + torch.rand(parameter.shape))
        torch.save({"network": network.state_dict()}, tmp_path / "drawn")
    ours = _same_voltages(tmp_path / "drawn", tmp_path, monkeypatch)
    assert len(np.unique(ours.tau)) > 60, "each type has a time constant of its own"
    assert len(np.unique(ours.V_rest)) > 60


def _same_voltages(checkpoint: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Connectome:
    """Same parameters, same light, no noise: our Euler steps against those of flyvis's network at extent 5."""
    place = folder / "root" / "results" / "flow" / "0000" / "000"
    place.mkdir(parents=True)
    (place / "best_chkpt").symlink_to(checkpoint)
    monkeypatch.setenv("FLYVIS_ROOT_DIR", str(folder / "root"))
    monkeypatch.setenv("NIGHTFLY_CACHE", str(folder / "cache"))
    ours = load_connectome(ConnectomeConfig(source="pretrained"), 5, 0.02)
    light = np.random.default_rng(0).random((30, 1, int(ours.input_column.max()) + 1)).astype(np.float32)
    theirs = _flyvis_voltages(light[:, 0], checkpoint)
    simulator = Simulator(ours, 0.02, torch.device("cpu"))
    v, mine = torch.as_tensor(theirs[0])[:, None], []
    for step in range(1, 30):
        columns = torch.as_tensor(light[step])[:, simulator.columns].t()
        v = v + 0.02 * simulator.derivative(v, columns)
        mine.append(v[:, 0].numpy())
    assert theirs.std() > 0.05
    assert np.stack(mine) == pytest.approx(theirs[1:], abs=2e-4)
    return ours


def _flyvis_voltages(light: np.ndarray, checkpoint: Path) -> np.ndarray:
    """[T, N] voltages of flyvis's own network, each from the light of its own step."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["network"]
    with flyvis_module() as flyvis, torch.no_grad():
        network = flyvis.Network(connectome=CONNECTOME)
        network.load_state_dict(state)
        network.stimulus.zero(1, len(light))
        network.stimulus.add_input(torch.as_tensor(light)[None, :, None])
        voltages = network(network.stimulus(), dt=0.02).numpy()[0]
    return np.asarray(voltages)
