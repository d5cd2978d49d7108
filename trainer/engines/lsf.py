"""LSF through bsub, bjobs and bkill. Experimental: written from the manual, tried against stand-ins only."""

from __future__ import annotations

import math
from dataclasses import dataclass

from state.engine import LsfConfig
from state.errors import UserError
from trainer.engines.scheduler import JobState, Seen, Ticket, Unreachable
from trainer.engines.shell import Shell
from trainer.engines.slurm import MARGIN_S

STATES: dict[str, JobState] = {"PEND": "waiting", "PSUSP": "waiting", "WAIT": "waiting", "DONE": "over", "EXIT": "over"}
NOTHING = ("no job found", "no unfinished job found", "no matching job found", "is not found")
REFUSALS = ("bad ", "no such queue", "invalid", "illegal", "not permitted", "permission denied", "unknown option")


@dataclass(frozen=True)
class Lsf:
    """A `trainer.engines.scheduler.Scheduler`."""

    config: LsfConfig
    threads: int | None
    shell: Shell
    label: str = "lsf"

    def probe(self, time_limit_s: float) -> str:
        """bqueues for the queue, bjobs for the rest; LSF has no trial submission."""
        answer = self.shell.run(["bqueues", *([self.config.queue] if self.config.queue else [])])
        if answer.code:
            if any(refusal in answer.err.lower() for refusal in REFUSALS):
                raise UserError(f"engine.lsf: {answer.last}; change queue")
            raise Unreachable(f"bqueues: {answer.last}")
        return f"bqueues answers; {len(self.jobs())} jobs of this user"

    def submit(self, ticket: Ticket) -> None:
        """The script goes to bsub on its stdin; UserError when LSF refuses such a job."""
        answer = self.shell.run(self.command(ticket), ticket.script.read_text(encoding="utf-8"))
        if answer.code:
            if any(refusal in answer.err.lower() for refusal in REFUSALS):
                raise UserError(f"engine.lsf: bsub refused the job ({answer.last}); change the campaign's options")
            raise Unreachable(f"bsub: {answer.last}")

    def command(self, ticket: Ticket) -> list[str]:
        """The bsub line of one job; -W is in minutes."""
        minutes = math.ceil((ticket.time_limit_s + MARGIN_S) / 60)
        log = str(ticket.log).replace("%", "%%")
        chosen = {"-q": self.config.queue, "-P": self.config.project, "-gpu": self.config.gpu}
        chosen["-n"] = None if self.threads is None else str(self.threads)
        words = [word for option, value in chosen.items() if value is not None for word in (option, value)]
        return ["bsub", "-J", ticket.name, "-o", log, "-W", str(minutes), *words, *self.config.options]

    def jobs(self) -> dict[str, Seen]:
        """One bjobs for everything."""
        answer = self.shell.run(["bjobs", "-a", "-noheader", "-o", "job_name stat delimiter='|'"])
        if answer.code and not any(phrase in answer.err.lower() for phrase in NOTHING):
            raise Unreachable(f"bjobs: {answer.last}")
        seen: dict[str, Seen] = {}
        for line in answer.out.splitlines():
            name, _, word = line.strip().rpartition("|")
            # UNKWN and ZOMBI mean that the host does not answer: the job may still run.
            state = STATES.get(word, "running")
            if state != "over" or name not in seen:
                seen[name] = Seen(state, word)
        return seen

    def cancel(self, names: list[str]) -> None:
        """bkill by name; 0 = every job of that name."""
        for name in names:
            answer = self.shell.run(["bkill", "-J", name, "0"])
            if answer.code and not any(phrase in answer.err.lower() for phrase in (*NOTHING, "already finished")):
                raise Unreachable(f"bkill: {answer.last}")
