"""`nightfly init`: a campaign that loads, says what is here, has a budget, and never overwrites."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agent.commands import init
from agent.commands.init import PRETRAINED, VIDEOS, write_campaign
from state.campaign import load_campaign
from state.errors import ConfigError, UserError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATAVIS_ROOT", "FLYVIS_ROOT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(init, "find_gpus", list)


def test_it_is_the_full_campaign_with_its_own_name_and_budget(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "new" / "my_night.yaml"
    write_campaign(file, "07:15", 12.5)
    mine, full = load_campaign(file), load_campaign(init.MODEL)
    assert (mine.name, mine.budget.finish_by, mine.budget.max_dollars) == ("my_night", "07:15", 12.5)
    assert mine.model_copy(update={"name": full.name, "budget": full.budget}) == full
    text = file.read_text()
    assert "none found; a run asks before it takes" in text
    assert "# 13,741 neurons" in text  # the comments of the full campaign are there
    assert f"nightfly doctor {file}" in capsys.readouterr().out


def test_what_is_here_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flyvis = tmp_path / "flyvis"
    (flyvis / PRETRAINED).mkdir(parents=True)
    (flyvis / "DAVIS" / VIDEOS).mkdir(parents=True)
    monkeypatch.setattr(init, "find_gpus", lambda: ["0", "1"])
    monkeypatch.setenv("FLYVIS_ROOT_DIR", str(flyvis))
    assert init.gpu_line() == "GPUs: 2 found (0, 1); one slot on each."
    assert f"export DATAVIS_ROOT={flyvis / 'DAVIS'} to use it" in init.videos_line()
    assert init.fly_line().startswith("Fly: pretrained")
    monkeypatch.setenv("DATAVIS_ROOT", str(flyvis / "DAVIS"))
    assert init.videos_line() == f"Videos: DAVIS in {flyvis / 'DAVIS'} (DATAVIS_ROOT)."


def test_nothing_is_overwritten_and_a_bad_budget_or_name_writes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("precious")
    with pytest.raises(UserError, match="already there and is never overwritten"):
        write_campaign(file, "07:00", 1)
    assert file.read_text() == "precious"
    for name, end, says in (("a.yaml", "25:00", "is no time"), ("a b.yaml", "07:00", "name is 'a b'")):
        with pytest.raises(ConfigError, match=says):
            write_campaign(tmp_path / name, end, 1)
        assert not (tmp_path / name).exists()


def test_it_loads_neither_torch_nor_flyvis(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom agent.commands.init import write_campaign\n"
        f"write_campaign(Path({str(tmp_path / 'x.yaml')!r}), '07:00', 1)\n"
        "assert not {'torch', 'flyvis'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdin=subprocess.DEVNULL)
