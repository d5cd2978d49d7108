"""The arrows between the folders, and what importing the command line may load."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = {
    "state": {"state"},
    "ucb": {"ucb", "state"},
    "prompts": {"prompts", "ucb", "state"},
    "trainer": {"trainer", "state"},
    "agent": {"agent", "prompts", "trainer", "ucb", "state"},
}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("folder", sorted(ALLOWED))
def test_a_folder_imports_only_what_its_layer_may(folder: str) -> None:
    files = list((ROOT / folder).rglob("*.py"))
    assert len(files) > 2
    for path in files:
        ours = imports(path) & set(ALLOWED)
        assert ours <= ALLOWED[folder], f"{path.relative_to(ROOT)} imports {sorted(ours - ALLOWED[folder])}"


def test_flyvis_is_imported_in_one_module_only() -> None:
    users = {
        str(path.relative_to(ROOT))
        for folder in ALLOWED
        for path in (ROOT / folder).rglob("*.py")
        if imports(path) & {"flyvis", "datamate"}
    }
    assert users == {"trainer/fly/flyvis_bridge.py"}


def test_the_driver_loads_nothing_that_a_user_would_wait_for() -> None:
    code = (
        "import sys, agent.cli\n"
        "from agent.commands import doctor, run, status, train\n"
        "heavy = 'torch', 'flyvis', 'torch_geometric', 'sklearn', 'scipy.stats'\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_help_loads_no_heavy_module() -> None:
    code = "import sys, agent.cli\nprint([n for n in ('pydantic', 'numpy', 'yaml', 'rich.live') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_templates_scripts_and_styles_fit_the_width_of_the_code() -> None:
    """But for the templates of the first release, of which no byte may change."""
    files = [path for kind in ("j2", "js", "css") for folder in ALLOWED for path in (ROOT / folder).rglob(f"*.{kind}")]
    mine = [path for path in files if path.parent.name != "first_release"]
    assert len(mine) > 15
    long = [(str(p.relative_to(ROOT)), n) for p in mine for n, line in enumerate(p.open(), 1) if len(line) > 121]
    assert long == []
