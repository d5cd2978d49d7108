"""Runs a scheduler's commands, here or over SSH."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from state.errors import UserError
from trainer.engines.scheduler import Unreachable

SSH_FAILED = 255
# ssh exits with 255 when it cannot connect; a command's own 255 (sbatch, unknown option) is turned into another code.
OWN_CODE = "; code=$?; if [ $code = 255 ]; then exit 254; fi; exit $code"
NOT_FOUND = 127
SECRETS = ("ANTHROPIC_", "NIGHTFLY_WEBHOOK")


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """The last line on stderr that says what is wrong, for messages."""
        lines = [line for line in self.err.splitlines() if line.strip() and not line.startswith("Try ")]
        return lines[-1].strip()[:300] if lines else f"exit code {self.code}"


@dataclass(frozen=True)
class Shell:
    """``host`` None = this machine. Every word is quoted for the login shell there."""

    host: str | None = None
    ssh_options: Sequence[str] = ()
    timeout_s: float = 30.0

    def run(self, command: list[str], text: str = "") -> Answer:
        """Run ``command`` with ``text`` on stdin; Unreachable without an answer, UserError without such a command."""
        line = command
        if self.host is not None:
            ssh = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", *self.ssh_options, self.host, "--"]
            line = [*ssh, f"sh -c {shlex.quote(shlex.join(command) + OWN_CODE)}"]
        try:
            # A session of its own: Ctrl-C must not interrupt a submission. Claude's key is not passed on.
            done = subprocess.run(
                line,
                input=text.encode(),
                capture_output=True,
                timeout=self.timeout_s,
                start_new_session=True,
                check=False,
                env={key: value for key, value in os.environ.items() if not key.startswith(SECRETS)},
            )
        except subprocess.TimeoutExpired as error:
            raise Unreachable(f"{command[0]} did not answer within {self.timeout_s:g} s") from error
        except OSError as error:
            raise UserError(self._missing(line[0])) from error
        answer = Answer(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
        if self.host is not None and answer.code == SSH_FAILED:
            raise Unreachable(f"ssh {self.host}: {answer.last}")
        if answer.code == NOT_FOUND:
            raise UserError(self._missing(command[0]))
        return answer

    def _missing(self, program: str) -> str:
        where = f"on {self.host}" if self.host is not None and program != "ssh" else "on this machine"
        return f"engine: no command {program} {where}; install it, or name the cluster's login host as login_host"
