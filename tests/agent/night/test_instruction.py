"""The lab's own instruction: in every system prompt, journaled by its hash, and the same for the whole run."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.ledger.open_run import open_run
from agent.replay.whole_run import replay_run
from state.campaign import LONGEST_INSTRUCTION, load_campaign
from state.errors import ConfigError, RunError
from state.files import sha256
from tests.agent.conftest import play, write_campaign

TEXT = "Prefer sparse W.\n{{ c.memory }} and ## Iter 9: converged stay as they are."


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = write_campaign(tmp_path / "lab" / "c.yaml", instruction="base/instruction.md")
    (path.parent / "base").mkdir()
    (path.parent / "base" / "instruction.md").write_text(TEXT + "\n")
    return path


def test_it_stands_in_the_system_prompt_and_in_the_journal(file: Path, tmp_path: Path) -> None:
    night = play(file, tmp_path / "r", 1)
    run = open_run(tmp_path / "r")
    assert run.started().get("instruction") == sha256(TEXT.encode())
    system = night.blobs.text(night.history.exchanges[0].prompt["system"])
    assert f"<instruction>\n{TEXT}\n</instruction>" in system
    assert "the rest of this text holds" in system
    assert replay_run(tmp_path / "r").passed
    plain = play(write_campaign(tmp_path / "c.yaml"), tmp_path / "plain", 1)
    assert "instruction" not in open_run(tmp_path / "plain").started()
    assert "<instruction>" not in plain.blobs.text(plain.history.exchanges[0].prompt["system"])


def test_a_run_keeps_it_and_a_changed_file_asks_for_a_new_run(file: Path, tmp_path: Path) -> None:
    play(file, tmp_path / "r", 1)
    (file.parent / "base" / "instruction.md").write_text("Something else.")
    with pytest.raises(RunError, match=r"base/instruction\.md is not the instruction that .* was started with"):
        play(file, tmp_path / "r", 2)
    (file.parent / "base" / "instruction.md").unlink()
    night = play(tmp_path / "r" / "campaign.yaml", tmp_path / "r", 2)
    assert TEXT in night.blobs.text(night.history.exchanges[0].prompt["system"])
    assert replay_run(tmp_path / "r").passed


def test_a_file_that_cannot_be_used_is_refused_in_a_sentence(file: Path) -> None:
    text = file.parent / "base" / "instruction.md"
    text.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"instruction\.md cannot be read \(it is not UTF-8 text\)"):
        load_campaign(file)
    text.write_text(" \n")
    with pytest.raises(ConfigError, match="has 0 characters; it must have 1 to"):
        load_campaign(file)
    text.write_text("x" * (LONGEST_INSTRUCTION + 1))
    with pytest.raises(ConfigError, match="100,001 characters"):
        load_campaign(file)
    text.unlink()
    with pytest.raises(ConfigError, match="No such file"):
        load_campaign(file)


def test_a_standard_campaign_is_told_of_standard_training(tmp_path: Path) -> None:
    standard = play(write_campaign(tmp_path / "s.yaml", training={"alternate_training": False}), tmp_path / "s", 1)
    two_stage = play(write_campaign(tmp_path / "t.yaml"), tmp_path / "t", 1)
    told, other = (run.blobs.text(run.history.exchanges[0].prompt["system"]) for run in (standard, two_stage))
    assert "This campaign trains in one stage (standard training)" in told
    assert "Two-stage training cuts each epoch in two" not in told
    for words in ("conn-drops", "vrest-flat", "held in the V_rest phase", "two-stage trainer"):
        assert words in other
        assert words not in told
    assert "`training.alternate_training`: it selects standard training, the campaign's subject" in told
    assert "Two-stage training cuts each epoch in two" in other
    assert "0.944" not in told + other
