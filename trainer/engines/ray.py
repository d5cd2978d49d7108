"""Ray through its Jobs API over HTTP, with the standard library. Knows job names and scripts; never imports Ray."""

from __future__ import annotations

import http.client
import json
import shlex
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

from state.engine import RayConfig
from state.errors import UserError
from trainer.engines.scheduler import JobState, Seen, Ticket, Unreachable

# Ray fails a job that has waited for its resources for a quarter of an hour.
START_TIMEOUT = "JOB_SUPERVISOR_ACTOR_START_TIMEOUT"
STATES: dict[str, JobState] = {
    "PENDING": "waiting",
    "RUNNING": "running",
    "STOPPED": "over",
    "SUCCEEDED": "over",
    "FAILED": "over",
}


@dataclass(frozen=True)
class Ray:
    """A `trainer.engines.scheduler.Scheduler`; a job's name is its submission id, which Ray takes only once."""

    config: RayConfig
    label: str = "ray"

    def probe(self, time_limit_s: float) -> str:
        """The dashboard's version and its list of jobs; what the cluster can hold is not asked."""
        status, text = self._ask("GET", "/api/version")
        if status != 200:
            self._refuse(status, text)
        try:
            version = str(json.loads(text)["ray_version"])[:40]
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise Unreachable(f"{self.config.address} answers, but not as a Ray dashboard does") from error
        return f"Ray {version} at {self.config.address}; it knows {len(self.jobs())} jobs"

    def submit(self, ticket: Ticket) -> None:
        """Post the job; one that is there already is left as it is."""
        body = {
            "entrypoint": f"exec bash {shlex.quote(str(ticket.script))}",
            "entrypoint_num_gpus": self.config.num_gpus,
            "entrypoint_num_cpus": self.config.num_cpus,
            "submission_id": ticket.name,
        }
        status, text = self._ask("POST", "/api/jobs/", body)
        if status >= 400 and "already exists" not in text:
            self._refuse(status, text)

    def jobs(self) -> dict[str, Seen]:
        """One GET for everything."""
        status, text = self._ask("GET", "/api/jobs/")
        if status != 200:
            self._refuse(status, text)
        try:
            rows = json.loads(text)
            named = [row for row in rows if isinstance(row.get("submission_id"), str)]
            return {row["submission_id"]: _seen(row) for row in named}
        except (ValueError, AttributeError, TypeError, RecursionError) as error:
            raise Unreachable(f"{self.config.address} answers with something that is no list of jobs") from error

    def cancel(self, names: list[str]) -> None:
        """Stop each; Ray sends TERM and, after a few seconds, KILL."""
        for name in names:
            status, text = self._ask("POST", f"/api/jobs/{urllib.parse.quote(name, safe='')}/stop")
            if status >= 400 and "does not exist" not in text:
                self._refuse(status, text)

    def _refuse(self, status: int, text: str) -> None:
        last = (text.strip().splitlines() or ["no message"])[-1][:300]
        if 400 <= status < 500:
            raise UserError(f"engine.ray: {self.config.address} refused ({status}: {last}); is it a Ray dashboard?")
        raise Unreachable(f"{self.config.address}: {status}: {last}")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, str]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.config.address + path, data, method=method)
        request.add_header("Content-Type", "application/json")
        # Proxies set in the environment are not used: the cluster is reached directly.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=self.config.request_timeout_s) as answer:
                return answer.status, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{self.config.address}: {error}") from error


def _seen(row: dict[str, Any]) -> Seen:
    """What Ray says of a job; an unknown state counts as running, so that the job is waited for."""
    word = str(row.get("status"))
    gave_up = word == "FAILED" and row.get("error_type") == START_TIMEOUT
    return Seen(STATES.get(word, "running"), f"{word} {row.get('message') or ''}".strip(), gave_up)
