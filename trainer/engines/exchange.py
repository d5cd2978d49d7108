"""One exchange with a scheduler: cancel, submit, list, in that order, until a question goes unanswered."""

from __future__ import annotations

from dataclasses import dataclass, field

from trainer.engines.scheduler import Scheduler, Seen, Ticket, Unreachable


@dataclass
class Exchange:
    """What to ask, and what came of it. ``seen`` is None without an answer, ``trouble`` then says why."""

    submit: list[Ticket] = field(default_factory=list)
    look_first: bool = False
    cancel: list[str] = field(default_factory=list)
    handed: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    seen: dict[str, Seen] | None = None
    trouble: str = ""


def exchange(scheduler: Scheduler, one: Exchange) -> Exchange:
    """Cancel, submit, list; stops at the first question without an answer."""
    try:
        # An unanswered submission may have succeeded: it is repeated only when the scheduler does not list the job.
        known = scheduler.jobs() if one.look_first else {}
        if one.cancel:
            scheduler.cancel(one.cancel)
        for ticket in one.submit:
            if ticket.name not in known:
                one.asked.add(ticket.name)
                scheduler.submit(ticket)
            one.handed.add(ticket.name)
        one.seen = scheduler.jobs()
    except Unreachable as error:
        one.trouble = str(error)
    return one
