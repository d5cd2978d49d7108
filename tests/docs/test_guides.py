"""Every command of the guides is run as it stands, in a workspace of its own.

Campaigns of the repository are there under their names, with the response surface in place of training, and Claude is
a server on loopback that answers as the mock would. The campaign that `docs/campaign.md` writes is trained for real.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from agent.briefing.context import build_context
from agent.claude.mock import answer
from agent.night.derived import read_ledger
from state.added import FORMAT
from state.campaign import begun_campaign, load_campaign
from state.files import dump_yaml, parse_yaml, read_yaml
from state.lock import is_held
from state.paths import RunPaths
from tests.agent.claude.fake_anthropic import SECRET, Server, stream

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STAND_INS = ("flyvis_62_1_gs_alternate", "quickstart", "pretrained_small")
PATIENCE_S = 300.0


def fences(guide: str) -> list[tuple[str, str | None, str]]:
    """Language, file and text of each block of a guide."""
    return [(m[1], m[2], m[3]) for m in FENCE.finditer((ROOT / "docs" / f"{guide}.md").read_text())]


class Workspace:
    """A folder with campaigns, a `nightfly` on the path, and a Claude who takes half a second for each reply."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self.server = Server(self._reply)
        (folder / "bin").mkdir(parents=True)
        wrapper = folder / "bin" / "nightfly"
        # Port 8787 may be taken where tests run side by side.
        free = 'case "${1:-}" in serve) set -- "$@" --port 0;; esac'
        wrapper.write_text(f'#!/usr/bin/env bash\n{free}\nexec "{sys.executable}" -m agent.cli "$@"\n')
        wrapper.chmod(0o755)
        shutil.copytree(ROOT / "campaigns", folder / "campaigns")
        for name in STAND_INS:
            self.stand_in(name)
        known = {k: v for k, v in os.environ.items() if k not in ("FLYVIS_ROOT_DIR", "DATAVIS_ROOT", "CI")}
        self.environment = known | {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "NIGHTFLY_CACHE": str(cache),
            "NIGHTFLY_WEBHOOK": f"{self.server.url}/hook",
            "ANTHROPIC_BASE_URL": self.server.url,
            "ANTHROPIC_API_KEY": SECRET,
            "NO_PROXY": "127.0.0.1",
        }

    def stand_in(self, name: str) -> None:
        """The campaign ``name``, but for its training; what it lets explore must be keys of the surface as well."""
        path = self.folder / "campaigns" / f"{name}.yaml"
        surrogate = read_yaml(ROOT / "campaigns" / "surrogate.yaml")
        path.write_text(dump_yaml(surrogate | {"name": name, "budget": {}}))

    def _reply(self, handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.5)
        ledger, _ = read_ledger(RunPaths(self.folder / "runs" / "my_night"))
        stream(json.dumps(answer(build_context(ledger))))(handler)

    def do(self, script: str) -> None:
        """Run a block, whole, and expect success."""
        command = ["bash", "-euo", "pipefail", "-c", script]
        if script.rstrip().endswith("&"):
            subprocess.run(command, cwd=self.folder, env=self.environment, check=True, timeout=PATIENCE_S)
            self.wait_for(lambda: RunPaths(self.folder / "runs" / "my_night").log.exists(), "the driver never began")
        elif script.startswith("nightfly serve"):
            self.serve(command)
        else:
            done = subprocess.run(
                command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=PATIENCE_S
            )
            assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        if "nightfly init" in script:
            assert load_campaign(self.folder / "campaigns" / "my_night.yaml").budget.max_dollars == 40
            self.stand_in("my_night")
        if "nightfly stop" in script:
            lock = RunPaths(self.folder / "runs" / "my_night").lock
            self.wait_for(lambda: not is_held(lock), "the driver did not stop")

    def serve(self, command: list[str]) -> None:
        """Read its first page, then end it as a person would."""
        with subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, text=True, start_new_session=True
        ) as process:
            try:
                assert process.stdout is not None
                address = process.stdout.readline().split()[0]
                opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
                assert b"my_night" in opener.open(address, timeout=20).read()
                os.killpg(process.pid, signal.SIGINT)
                process.wait(timeout=20)
            finally:
                process.kill()

    def wait_for(self, done: object, otherwise: str) -> None:
        assert callable(done)
        limit = time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < limit, otherwise
            time.sleep(0.1)


@pytest.fixture
def workspace(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Workspace]:
    made = Workspace(tmp_path / "work", request.config.cache.mkdir("connectome"))
    yield made
    lock = RunPaths(made.folder / "runs" / "my_night").lock
    if is_held(lock):
        os.kill(json.loads(lock.read_text())["pid"], signal.SIGKILL)
    made.server.http.shutdown()


def follow(guide: str, workspace: Workspace) -> int:
    """Do all that a guide says, in its order; how many blocks of commands it has."""
    count = 0
    for language, file, text in fences(guide):
        if file is not None:
            (workspace.folder / file).write_text(text)
        elif language == "sh":
            workspace.do(text)
            count += 1
    return count


def test_the_evening(workspace: Workspace) -> None:
    assert follow("evening", workspace) >= 7
    assert SECRET.encode() not in b"".join(p.read_bytes() for p in workspace.folder.rglob("runs/**/*") if p.is_file())


@pytest.mark.parametrize("guide", ["morning", "auditor"])
def test_the_day_after(workspace: Workspace, guide: str) -> None:
    workspace.stand_in("my_night")
    workspace.do("nightfly run campaigns/my_night.yaml --dry-run --batches 3")
    assert follow(guide, workspace) >= 4


def test_a_campaign_of_one_s_own(workspace: Workspace) -> None:
    assert follow("campaign", workspace) >= 1
    assert RunPaths(workspace.folder / "runs" / "first").report.exists()
    assert (workspace.folder / "try" / "result.json").exists()


def test_who_explores(workspace: Workspace) -> None:
    pytest.importorskip("optuna")
    assert follow("explorers", workspace) >= 2
    assert (workspace.folder / "bench" / "index.html").exists()


def test_every_piece_of_yaml_is_valid() -> None:
    pieces = [text for guide in ROOT.glob("docs/*.md") for kind, file, text in fences(guide.stem) if kind == "yaml"]
    assert len(pieces) >= 2
    base = read_yaml(ROOT / "campaigns" / "surrogate.yaml")
    for text in pieces:
        begun_campaign({"format": FORMAT}, dump_yaml(base | parse_yaml(text, "a guide")), "a guide")


def test_every_command_that_is_named_exists() -> None:
    """Also in running text, and in the README."""
    texts = [path.read_text() for path in [ROOT / "README.md", *ROOT.glob("docs/*.md")]]
    named = {name for text in texts for name in re.findall(r"(?:`|^)nightfly ([a-z-]+)", text, re.MULTILINE)}
    done = subprocess.run([sys.executable, "-m", "agent.cli", "--help"], capture_output=True, text=True, cwd=ROOT)
    known = set(re.findall(r"^[ │]*([a-z-]+)  ", done.stdout, re.MULTILINE))
    assert len(named) > 12
    assert named <= known


@pytest.mark.parametrize(
    "guide", ["evening", "morning", "auditor", "campaign", "cluster", "explorers", "predecessor", "architecture"]
)
def test_paths_that_are_named_exist(guide: str) -> None:
    text = (ROOT / "docs" / f"{guide}.md").read_text()
    for name in re.findall(r"`((?:docs|campaigns|benchmarks|trainer|agent|tests)/[\w./]+)`", text):
        place = ROOT / name
        assert (
            place.exists()
            or name.endswith(("first.yaml", "my_night.yaml"))
            or list(place.parent.glob(f"{place.name}.*"))
        ), name
