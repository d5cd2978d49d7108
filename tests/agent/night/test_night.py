"""The campaign of a run is the journal's: an edited copy in the run directory is never believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.replay.whole_run import replay_run
from state.errors import RunError
from tests.agent.conftest import play, write_campaign
from tests.agent.test_cli import here

EDIT = "\ntraining: {learning_rate_W_start: 0.5}\n"


@pytest.mark.parametrize("by", ["directory", "file"])
def test_an_edited_copy_is_put_aside_with_a_sentence_and_changes_nothing(by: str, tmp_path: Path) -> None:
    file, runs = write_campaign(tmp_path / "c.yaml"), tmp_path / "runs"
    root = runs / "surrogate"
    assert here("run", file, "--dry-run", "--runs-dir", runs, "--batches", 2)[0] == 0
    began = (root / "campaign.yaml").read_bytes()
    (root / "campaign.yaml").write_bytes(began + EDIT.encode())
    how = (root,) if by == "directory" else (file, "--dry-run", "--runs-dir", runs)
    code, _, err = here("run", *how, "--batches", 3)
    assert code == 0, err
    assert "campaign.yaml: was edited since the run was begun; the edited one is now campaign.yaml.changed-" in err
    assert (root / "campaign.yaml").read_bytes() == began
    assert next(root.glob("campaign.yaml.changed-*")).read_bytes() == began + EDIT.encode()
    play(file, tmp_path / "whole", 3)
    assert (root / "analysis.md").read_bytes() == (tmp_path / "whole" / "analysis.md").read_bytes()
    assert "learning_rate_W_start: 0.5" not in "".join(path.read_text() for path in (root / "configs").iterdir())
    assert replay_run(root).passed


def test_a_driver_that_is_opened_on_an_edited_copy_takes_nothing_from_it(tmp_path: Path) -> None:
    file, root = write_campaign(tmp_path / "c.yaml"), tmp_path / "r"
    play(file, root, 1)
    copy = root / "campaign.yaml"
    copy.write_text(copy.read_text() + EDIT)
    night = play(file, root, 2)
    base = night.campaign.base_config().training.learning_rate_W_start
    assert base != 0.5
    rates = {night.views.config(it).training.learning_rate_W_start for it in night.history.iterations.values()}
    assert rates == {base}


def test_a_copy_that_is_gone_or_unreadable_is_written_anew(tmp_path: Path) -> None:
    file, root = write_campaign(tmp_path / "c.yaml"), tmp_path / "r"
    play(file, root, 1)
    copy = root / "campaign.yaml"
    began = copy.read_bytes()
    copy.unlink()
    assert play(file, root, 2).history.committed == 2
    assert copy.read_bytes() == began
    copy.write_bytes(b"\xff: [")
    assert here("run", root, "--batches", 3)[0] == 0
    assert copy.read_bytes() == began


def test_another_campaign_is_refused_by_the_name_in_the_journal(tmp_path: Path) -> None:
    root = tmp_path / "r"
    play(write_campaign(tmp_path / "c.yaml"), root, 1)
    other = write_campaign(tmp_path / "other.yaml", name="other")
    (root / "campaign.yaml").write_bytes(other.read_bytes())
    with pytest.raises(RunError, match="holds a run of campaign surrogate, not of other"):
        play(other, root, 2)
