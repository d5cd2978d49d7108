"""A client that holds connections shuts nobody out: slow heads, many of them, and no descriptors left."""

from __future__ import annotations

import contextlib
import resource
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.report import serve as module
from agent.report.serve import MOST, Server
from tests.agent.test_cli import ENVIRONMENT, ROOT


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(module, "HEAD_S", 1.5)
    one = Server(tmp_path, "127.0.0.1", 0)
    threading.Thread(target=one.serve_forever, daemon=True).start()
    yield one
    one.shutdown()
    one.server_close()


def listing(port: int) -> int:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}/", timeout=20) as answer:
        return int(answer.status)


def dribble(connections: list[socket.socket], over: threading.Event) -> None:
    """A byte now and then on each."""
    while not over.wait(0.2):
        for connection in connections:
            try:
                connection.sendall(b"G")
            except OSError:
                continue


def test_a_head_that_comes_byte_by_byte_is_ended(server: Server) -> None:
    connection = socket.create_connection(("127.0.0.1", server.server_port))
    connection.settimeout(10)
    began = time.monotonic()
    over = threading.Event()
    threading.Thread(target=dribble, args=([connection], over), daemon=True).start()
    with contextlib.suppress(ConnectionError):
        assert connection.recv(1) == b""
    over.set()
    assert 1 < time.monotonic() - began < 6


def test_a_crowd_of_slow_clients_shuts_nobody_out(server: Server) -> None:
    crowd = [socket.create_connection(("127.0.0.1", server.server_port)) for _ in range(MOST + 30)]
    over = threading.Event()
    threading.Thread(target=dribble, args=(crowd, over), daemon=True).start()
    try:
        assert [listing(server.server_port) for _ in range(3)] == [200] * 3
        assert threading.active_count() < MOST + 30
    finally:
        over.set()
        for connection in crowd:
            connection.close()


def test_without_descriptors_it_waits_instead_of_turning(tmp_path: Path) -> None:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))

    command = [sys.executable, "-m", "agent.cli", "serve", str(tmp_path), "--port", "0"]
    process = subprocess.Popen(command, env=ENVIRONMENT, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               text=True, preexec_fn=few)  # fmt: skip
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline().split(":")[2].split("/")[0])
        crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
        time.sleep(1)
        before = cpu_s(process.pid)
        time.sleep(2)
        assert cpu_s(process.pid) - before < 0.5
        for connection in crowd:
            connection.close()
        assert listing(port) == 200
    finally:
        process.kill()
        process.wait()


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
