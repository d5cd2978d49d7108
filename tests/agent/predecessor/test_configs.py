"""The config of an imported node is known completely, or not known, and why."""

from __future__ import annotations

import re

import pytest

from agent.predecessor.configs import FROM_MUTATIONS, Configs, Found
from agent.predecessor.entries import parent_of, read_entries
from state.campaign import Campaign, load_campaign
from state.config import Scalar
from state.files import dump_yaml
from tests.agent.conftest import write_campaign
from tests.agent.predecessor.logs import section

LR, EPOCHS = "training.alternate_lr_ratio", "training.n_epochs"


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return load_campaign(write_campaign(tmp_path_factory.mktemp("c") / "c.yaml"))


def found(campaign: Campaign, log: str, files: dict[int, tuple[str, str]] | None = None) -> dict[int, Found]:
    configs = Configs(campaign, files or {})
    known: dict[int | None, Found] = {None: Found({}, "")}
    for entry in read_entries(log.encode(), "l.md"):
        known[entry.id] = configs.find(entry, known[parent_of(entry)])
    return {number: one for number, one in known.items() if number is not None}


CHAIN = section(1, "root") + section(2, 1, "alternate_lr_ratio: 0.1 → 0.05") + section(3, 2, "n_epochs=3, lr_ratio=0.2")


def test_mutations_from_the_defaults_down_give_the_configs(campaign: Campaign) -> None:
    log = CHAIN + section(4, 3, "[none] - robustness re-run of Node 3")
    wants: list[dict[str, Scalar]] = [{}, {LR: 0.05}, {LR: 0.2, EPOCHS: 3}, {LR: 0.2, EPOCHS: 3}]
    known = found(campaign, log)
    assert [known[number].departures for number in (1, 2, 3, 4)] == wants
    assert {one.origin for one in known.values()} == {FROM_MUTATIONS}
    assert type(known[3].departures[EPOCHS]) is int  # type: ignore[index]


@pytest.mark.parametrize(
    ("mutation", "config", "why"),
    [
        ("lr_ratio: 0.2 -> 0.3", "", "changes lr_ratio from 0.2, but its parent 2 has 0.05"),
        ("lr_ratio: 0.05 -> N/A", "", "gives no new value of lr_ratio"),
        ("recurrent: False -> True", "", "changes recurrent, which no config here has"),
        ("let us see", "", "says no change of node 2: let us see"),
        ("baseline of the block", "", "says no change of node 2: baseline of the block"),
        ("[none] — robustness re-run of Node 1", "", "repeats node 1, its parent is 2"),
        ("n_epochs: 2 -> 7", "", r"could not have made it: training.n_epochs = 7 \(allowed: one of 2, 3\)"),
        ("lr_W: 5e-4 -> 1e-3", "", r"training.learning_rate_W_start = 0.001 \(protected, 0.0005 in the campaign\)"),
        ("coeff_g_phi_norm: 0.9 -> 1.1", "", r"coeff_g_phi_norm = 1.1 \(not explorable, 0.9 in the campaign\)"),
        ("batch_size: 2 -> 0", "", "its config: training.batch_size is 0"),
        ("n_epochs: 2 -> 3", "n_epochs=2, lr_ratio=0.1", r"\(in brackets\): n_epochs=2 \(3\), lr_ratio=0.1 \(0.05\)"),
        ("n_epochs: 2 -> 3", "low_rank=20", "`Config:` line has low_rank, which no config here has"),
    ],
)
def test_a_config_that_does_not_follow_is_not_known(campaign: Campaign, mutation: str, config: str, why: str) -> None:
    lines = {"Config": config} if config else {}
    log = CHAIN.partition("## Iter 3")[0] + section(3, 2, mutation, **lines) + section(4, 3, "n_epochs: 3 -> 2")
    known = found(campaign, log)
    assert known[3].departures is None
    assert re.search(why, known[3].origin), known[3].origin
    assert known[4] == Found(None, "config not known: that of its parent is not known either")


def test_a_config_line_that_agrees_is_no_obstacle_and_seeds_and_data_are_the_campaigns(campaign: Campaign) -> None:
    agreeing = "lr_W=5E-4, joint_ratio=0.4, n_epochs=2, seed=7, n_frames=100, sim_seed=3"
    log = section(1, "root", Config=agreeing)
    assert found(campaign, log)[1].departures == {}


def yaml(campaign: Campaign, **changes: Scalar) -> str:
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    return campaign.base_config().replaced(dotted).yaml()


def test_a_file_goes_before_the_mutations_and_data_are_reset(campaign: Campaign) -> None:
    machine: dict[str, Scalar] = {"training__device": "cpu", "training__matmul": "tf32"}
    text = yaml(campaign, training__n_epochs=3, simulation__n_frames=128, training__seed=7, **machine)
    configs = Configs(campaign, {1: ("iter_001_config.yaml", text)})
    (entry,) = read_entries(section(1, "root", "who knows").encode(), "l.md")
    assert configs.find(entry, Found({}, "")) == Found({EPOCHS: 3}, "config from iter_001_config.yaml")
    assert configs.reset == {"simulation.n_frames"}


def test_a_file_of_the_next_iteration_contradicts_the_log(campaign: Campaign) -> None:
    log = section(1, "root", Config="n_epochs=2")
    known = found(campaign, log, {1: ("1.yaml", yaml(campaign, training__n_epochs=3))})
    assert known[1].departures is None
    assert "otherwise than the config from 1.yaml (in brackets): n_epochs=2 (3)" in known[1].origin


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("training: [\n", "1.yaml, line 2: not readable as YAML"),
        (dump_yaml({"training": {"n_epoch": 2}}), "1.yaml: training.n_epoch"),
        ("training: {n_epochs: 0}\n", "1.yaml: training.n_epochs is 0; input should be"),
    ],
)
def test_a_file_that_is_no_config_is_said(campaign: Campaign, text: str, why: str) -> None:
    known = found(campaign, section(1, "root"), {1: ("1.yaml", text)})
    assert known[1].departures is None
    assert why in known[1].origin


def test_a_file_of_the_predecessor_is_translated(campaign: Campaign) -> None:
    base = campaign.base_config().model_dump()
    training = {key: value for key, value in base["training"].items() if key not in ("coeff_g_phi_diff", "device")}
    tree = {
        "simulation": base["simulation"] | {"n_neuron_types": 65},
        "graph_model": base["graph_model"] | {"aggr_type": "add", "signal_model_name": "flyvis_A"},
        "training": training | {"coeff_edge_diff": 1500.0},
    }
    known = found(campaign, section(1, "root"), {1: ("1.yaml", dump_yaml(tree))})
    assert known[1].departures == {"training.coeff_g_phi_diff": 1500.0}, known[1].origin
