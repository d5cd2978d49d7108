"""The example notebook is run as it stands, on the tables of a surrogate night."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from agent.commands.table import write_tables
from tests.agent.conftest import play, write_campaign

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "notebook.ipynb"
CELLS = json.loads(NOTEBOOK.read_text())["cells"]


def test_the_notebook_runs_and_draws_two_plots(tmp_path: Path) -> None:
    play(write_campaign(tmp_path / "campaign.yaml"), tmp_path / "run", 5)
    write_tables(tmp_path / "run", tmp_path / "runs.csv", tmp_path / "trajectories.csv")
    code = "\n".join("".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code")
    code += "\nprint([len(plt.figure(n).axes[0].lines) for n in plt.get_fignums()])"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=tmp_path,
        env=os.environ | {"MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    dots, curves = json.loads(done.stdout)
    assert dots >= 2
    assert curves >= 8


def test_it_is_kept_without_results_of_anybody_s_machine() -> None:
    code = [cell for cell in CELLS if cell["cell_type"] == "code"]
    assert [cell for cell in code if cell["outputs"] or cell["execution_count"] is not None] == []
    assert "/home/" not in NOTEBOOK.read_text()
