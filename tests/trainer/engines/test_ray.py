"""Ray's Jobs API as a stand-in on loopback, for what a real Ray does only after a quarter of an hour."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from state.engine import EngineConfig
from state.paths import SlotPaths
from tests.trainer.engines.workers import build, ended, job, runs, until
from trainer.engines.contract import collect

TIMEOUT = {
    "status": "FAILED",
    "error_type": "JOB_SUPERVISOR_ACTOR_START_TIMEOUT",
    "message": "Job supervisor actor failed to start within 900 seconds.",
}


class Dashboard:
    """Gives up on the first ``refusals`` jobs in its queue and runs the others at once."""

    def __init__(self, refusals: int) -> None:
        self.rows: list[dict[str, str]] = []
        dashboard = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._send(dashboard.rows)

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"] or 0)) or b"{}")
                if "entrypoint" in body:
                    given_up = len(dashboard.rows) < refusals
                    row = {"submission_id": body["submission_id"]}
                    dashboard.rows.append(row | (TIMEOUT if given_up else {"status": "SUCCEEDED"}))
                    if not given_up:
                        subprocess.run(["bash", "-c", body["entrypoint"]], check=True)
                self._send({})

            def _send(self, value: object) -> None:
                body = json.dumps(value).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def config(self) -> EngineConfig:
        address = f"http://127.0.0.1:{self.server.server_port}"
        settings = {"address": address, "poll_interval_s": 0.1, "lost_after_s": 0.3}
        return EngineConfig.model_validate({"kind": "ray", "ray": settings})


@pytest.fixture
def dashboard() -> Iterator[Dashboard]:
    made = Dashboard(refusals=2)
    yield made
    made.server.shutdown()


def test_a_job_that_ray_gave_up_in_its_queue_is_queued_again(
    tmp_path: Path, worker: tuple[str, str], dashboard: Dashboard, caplog: pytest.LogCaptureFixture
) -> None:
    engine, one = build(dashboard.config, worker), job(tmp_path, "one", "succeed()")
    engine.submit([one])
    assert collect(ended(engine, 1)["one"]).status == "done"
    engine.close()
    names = [row["submission_id"] for row in dashboard.rows]
    assert len(set(names)) == len(names) == 3
    assert runs(one) == 1
    assert SlotPaths(one.folder).attempt("one").name.read_text().strip() == names[-1]
    assert sum("queued again" in record.message for record in caplog.records) == 2


def test_a_job_that_did_begin_is_not_queued_again(
    tmp_path: Path, worker: tuple[str, str], dashboard: Dashboard
) -> None:
    engine, one = build(dashboard.config, worker), job(tmp_path, "one", "succeed()")
    engine.submit([one])
    SlotPaths(one.folder).attempt("one").claim.mkdir()
    failure = collect(ended(engine, 1)["one"]).failure
    engine.close()
    assert failure is not None
    assert failure.kind == "lost"
    assert len(dashboard.rows) == 1


def test_a_cancelled_job_is_not_queued_again(tmp_path: Path, worker: tuple[str, str], dashboard: Dashboard) -> None:
    engine, one = build(dashboard.config, worker), job(tmp_path, "one", "succeed()")
    engine.submit([one])
    until(lambda: engine.poll() and len(dashboard.rows) == 1, "the job is handed over")
    engine.cancel("one")
    assert ended(engine, 1)["one"].cancelled
    engine.close()
