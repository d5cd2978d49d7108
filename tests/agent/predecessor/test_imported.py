"""What is kept of an import follows from the files and the campaign alone; numbers go on behind it by whole blocks."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.predecessor.file_names import node_of
from agent.predecessor.imported import Sources, imported_data
from state.campaign import Campaign, load_campaign
from state.errors import UserError
from state.files import sha256
from state.shapes import RunImported, check_shape
from tests.agent.conftest import write_campaign
from tests.agent.predecessor.logs import section


def put(content: bytes | str) -> str:
    return sha256(content if isinstance(content, bytes) else content.encode())


def imported(campaign: Campaign, log: str, **sources: object) -> RunImported:
    return imported_data(Sources("l.md", log.encode(), **sources), campaign, put)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return load_campaign(write_campaign(tmp_path_factory.mktemp("c") / "c.yaml"))


def test_a_node_is_what_its_entry_says_and_figures_that_are_none_are_left_out(campaign: Campaign) -> None:
    log = section(1, "root", Metrics="connectivity_R2=0.91, V_rest_R2=nan, final_loss=3, kino_R2=0.2")
    log += section(2, 1, "lr_ratio: 0.1 ->\x07 0.05" + " x" * 400).replace("converged", "what?")
    data = imported(campaign, log, memory="m\n")
    check_shape("run_imported", dict(data))
    first, second = data["nodes"]
    assert first["metrics"] == {"connectivity_R2": 0.91}
    assert (first["id"], first["parent"], first["status"], first["departures"]) == (1, None, "converged", {})
    assert (second["parent"], second["status"]) == (1, "failed"), "no status and no figure"
    assert len(second["mutation"]) <= 300
    assert second["mutation"].isprintable()
    assert data["memory"] == put("m\n")
    assert data["start_memory"] not in (None, data["memory"])


@pytest.mark.parametrize(
    ("highest", "block", "parallel", "first"),
    [(1, 4, 4, 5), (4, 4, 4, 5), (5, 4, 4, 9), (100, 12, 4, 109), (7, 6, 4, 9), (9, 1, 1, 10)],
)
def test_own_iterations_begin_with_a_whole_block(
    tmp_path: Path, highest: int, block: int, parallel: int, first: int
) -> None:
    changes = {"search": {"n_iter_block": block, "n_parallel": parallel}, "policy": {"replicates": "warn"}}
    campaign = load_campaign(write_campaign(tmp_path / "c.yaml", **changes))
    assert imported(campaign, section(highest, "root"))["first_iteration"] == first


def test_only_files_of_known_iterations_are_kept(campaign: Campaign) -> None:
    text = campaign.base_config().yaml()
    files = {"iter_001_config.yaml": text, "iter_099_config.yaml": "a: ["}
    assert imported(campaign, section(1, "root"), configs=files)["configs"] == {"iter_001_config.yaml": put(text)}
    with pytest.raises(UserError, match=r"no file is named after an iteration of l.md"):
        imported(campaign, section(1, "root"), configs={"iter_099_config.yaml": text})
    with pytest.raises(UserError, match=r"--configs: 1.yaml and iter_001.yaml are both of iteration 1; keep one"):
        imported(campaign, section(1, "root"), configs={"iter_001.yaml": text, "1.yaml": text})


@pytest.mark.parametrize(
    ("name", "node"),
    [
        ("iter_012_config.yaml", 12),
        ("Iter12.yml", 12),
        ("12.yaml", 12),
        ("0012/config.yaml", 12),
        ("iter_012_slot_01.yaml", 12),
        ("flyvis_62_1_gs_00.yaml", None),
        ("62_1_gs_00.yaml", None),
        ("iter_x.yaml", None),
        ("12.txt", None),
        ("iteration.yaml", None),
    ],
)
def test_a_config_is_named_after_its_iteration(name: str, node: int | None) -> None:
    assert node_of(name) == node
