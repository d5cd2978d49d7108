"""Slurm through sbatch, squeue and scancel. Knows job names and scripts, no slots."""

from __future__ import annotations

import math
from dataclasses import dataclass

from state.engine import SlurmConfig
from state.errors import UserError
from trainer.engines.scheduler import Phase, Seen, Ticket, Unreachable
from trainer.engines.shell import Shell

OVER = (
    *("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "DEADLINE"),
    *("OUT_OF_MEMORY", "REVOKED"),
)
WAITING = ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT")
# What asking again cannot mend, in the words of sbatch.
REFUSALS = (
    *("invalid", "unrecognized option", "unrecognised option", "unable to open file", "permission denied"),
    *("requested node configuration is not available", "not permitted", "more processors requested than permitted"),
)
# The script's own limit comes first, with time for its KILL.
MARGIN_S = 300.0


@dataclass(frozen=True)
class Slurm:
    """A `trainer.engines.scheduler.Scheduler`."""

    config: SlurmConfig
    threads: int | None
    shell: Shell
    label: str = "slurm"

    def submit(self, ticket: Ticket) -> None:
        """sbatch; UserError when Slurm refuses such a job."""
        answer = self.shell.run(self.command(ticket))
        if answer.code:
            words = answer.err.lower()
            # "Invalid authentication credential" is said while munge is down, and passes.
            if any(refusal in words for refusal in REFUSALS) and "credential" not in words:
                raise UserError(f"engine.slurm: sbatch refused the job ({answer.last}); change the campaign's options")
            raise Unreachable(f"sbatch: {answer.last}")

    def command(self, ticket: Ticket) -> list[str]:
        """The sbatch line of one job."""
        minutes = math.ceil((ticket.time_limit_s + MARGIN_S) / 60)
        # In a file name of Slurm's, % begins a pattern.
        log = str(ticket.log).replace("%", "%%")
        chosen = {"--partition": self.config.partition, "--account": self.config.account, "--gres": self.config.gres}
        chosen["--cpus-per-task"] = None if self.threads is None else str(self.threads)
        return [
            *("sbatch", "--parsable", "--no-requeue", f"--job-name={ticket.name}", f"--output={log}"),
            *(f"--time={minutes}", f"--chdir={ticket.script.parent}"),
            *(f"{option}={value}" for option, value in chosen.items() if value is not None),
            *self.config.options,
            str(ticket.script),
        ]

    def jobs(self) -> dict[str, Seen]:
        """One squeue for everything."""
        answer = self.shell.run(["squeue", "--noheader", "--states=all", "--me", "--format=%j|%T"])
        if answer.code:
            raise Unreachable(f"squeue: {answer.last}")
        seen: dict[str, Seen] = {}
        for line in answer.out.splitlines():
            name, _, word = line.strip().rpartition("|")
            phase = _phase(word)
            # Two jobs of one name: the one that lives counts.
            if phase != "over" or name not in seen:
                seen[name] = Seen(phase, word)
        return seen

    def cancel(self, names: list[str]) -> None:
        """scancel by name, of this user's jobs only."""
        answer = self.shell.run(["scancel", "--quiet", "--me", f"--name={','.join(names)}"])
        if answer.code and "invalid job" not in answer.err.lower():
            raise Unreachable(f"scancel: {answer.last}")


def _phase(word: str) -> Phase:
    """A state that is not known counts as running: nothing is lost by waiting."""
    if word in OVER:
        return "over"
    return "waiting" if word in WAITING else "running"
