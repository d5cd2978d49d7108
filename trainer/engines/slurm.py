"""Slurm through sbatch, squeue and scancel. Knows job names and scripts, no slots."""

from __future__ import annotations

import math
from dataclasses import dataclass

from state.engine import SlurmConfig
from state.errors import UserError
from trainer.engines.scheduler import JobState, Seen, Ticket, Unreachable
from trainer.engines.shell import Answer, Shell

OVER = (
    *("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "DEADLINE"),
    *("OUT_OF_MEMORY", "REVOKED"),
)
WAITING = ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT")
# Parts of sbatch's messages for errors that trying again does not solve.
REFUSALS = (
    *("invalid", "unrecognized option", "unrecognised option", "unable to open file", "permission denied"),
    *("requested node configuration is not available", "not permitted", "more processors requested than permitted"),
)
# Slurm's limit lies above the script's own, which ends the worker first.
MARGIN_S = 300.0


@dataclass(frozen=True)
class Slurm:
    """A `trainer.engines.scheduler.Scheduler`."""

    config: SlurmConfig
    threads: int | None
    shell: Shell
    label: str = "slurm"

    def probe(self, time_limit_s: float) -> str:
        """sbatch --test-only: partition, account, gres and options as they would be given."""
        answer = self.shell.run(["sbatch", "--test-only", *self._options(time_limit_s), "--wrap=true"])
        self._refuse(answer)
        return answer.last

    def submit(self, ticket: Ticket) -> None:
        """sbatch; UserError when Slurm refuses such a job."""
        self._refuse(self.shell.run(self.command(ticket)))

    def _refuse(self, answer: Answer) -> None:
        if answer.code:
            words = answer.err.lower()
            # Slurm says "Invalid authentication credential" while munge is down: that passes, so it is tried again.
            if any(refusal in words for refusal in REFUSALS) and "credential" not in words:
                raise UserError(f"engine.slurm: sbatch refused the job ({answer.last}); change the campaign's options")
            raise Unreachable(f"sbatch: {answer.last}")

    def command(self, ticket: Ticket) -> list[str]:
        """The sbatch line of one job."""
        # In a file name of Slurm's, % begins a pattern.
        log = str(ticket.log).replace("%", "%%")
        return [
            *("sbatch", "--parsable", "--no-requeue", f"--job-name={ticket.name}", f"--output={log}"),
            f"--chdir={ticket.script.parent}",
            *self._options(ticket.time_limit_s),
            str(ticket.script),
        ]

    def _options(self, time_limit_s: float) -> list[str]:
        """What the campaign decides of every job."""
        chosen = {"--partition": self.config.partition, "--account": self.config.account, "--gres": self.config.gres}
        chosen["--cpus-per-task"] = None if self.threads is None else str(self.threads)
        named = [f"{option}={value}" for option, value in chosen.items() if value is not None]
        return [f"--time={math.ceil((time_limit_s + MARGIN_S) / 60)}", *named, *self.config.options]

    def jobs(self) -> dict[str, Seen]:
        """One squeue for everything."""
        answer = self.shell.run(["squeue", "--noheader", "--states=all", "--me", "--format=%j|%T"])
        if answer.code:
            raise Unreachable(f"squeue: {answer.last}")
        seen: dict[str, Seen] = {}
        for line in answer.out.splitlines():
            name, _, word = line.strip().rpartition("|")
            state = _state(word)
            # Of two jobs with one name, the one that is not over counts.
            if state != "over" or name not in seen:
                seen[name] = Seen(state, word)
        return seen

    def cancel(self, names: list[str]) -> None:
        """scancel by name, of this user's jobs only."""
        answer = self.shell.run(["scancel", "--quiet", "--me", f"--name={','.join(names)}"])
        if answer.code and "invalid job" not in answer.err.lower():
            raise Unreachable(f"scancel: {answer.last}")


def _state(word: str) -> JobState:
    """The state of a job in Slurm's word; an unknown one counts as running, so that the job is waited for."""
    if word in OVER:
        return "over"
    return "waiting" if word in WAITING else "running"
