"""How much of a night the places for slots stood idle, and for what they waited, from the times of the records."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.ledger.spending import elapsed_s
from state.history import History
from state.journal import Record
from state.shapes import DriverStarted

SLOWEST, CLAUDE, PAUSE, PROGRAM = "slowest_slot", "claude", "pause", "program"
# What an idle place waits for, in words, in the order in which it is told.
CAUSES = {
    SLOWEST: "the slowest slot of a batch",
    CLAUDE: "Claude",
    PAUSE: "a person's resume",
    PROGRAM: "nightfly itself",
}
OFF = "no driver"
TRAINING = "training"


@dataclass
class Waiting:
    """Place seconds of a run: ``worked`` is the time of slots, ``waited`` the idle time by cause.

    A place is room for one slot at a time, a GPU for instance; ``places`` is how many the driver has for a batch, None
    where an earlier nightfly did not journal it: then nothing is counted. A slot works from its `slot_started` to its
    result, so time in the queue of a cluster is work here. ``off_s`` are the seconds without a driver, from the last
    record of one to the first of the next; workers that went on meanwhile are not counted.
    """

    places: int | None = None
    worked: float = 0.0
    waited: dict[str, float] = field(default_factory=lambda: dict.fromkeys(CAUSES, 0.0))
    off_s: float = 0.0
    _time: str = ""
    _doing: str = PROGRAM
    _slots: int = 0

    def apply(self, record: Record, history: History) -> None:
        """Take in a record that ``history`` has already taken: the time since the last one went into what was done."""
        self._spend(elapsed_s(self._time or record.time, record.time), OFF if record.type == "driver_started" else "")
        if record.type == "driver_started":
            self.places = record.of(DriverStarted).get("slots_at_once")
        self._time, self._slots = record.time, _open_slots(history)
        self._doing = _doing(history, self._slots)

    def _spend(self, seconds: float, instead: str) -> None:
        doing = instead or self._doing
        if doing == OFF:
            self.off_s += seconds
        elif self.places is not None:
            busy = min(self._slots, self.places) if doing == TRAINING else 0
            self.worked += busy * seconds
            self.waited[SLOWEST if doing == TRAINING else doing] += (self.places - busy) * seconds

    def shares(self) -> dict[str, float]:
        """Cause -> share of the places' time with a driver at work, 0 to 1; empty while nothing can be said."""
        whole = self.worked + sum(self.waited.values())
        return {cause: seconds / whole for cause, seconds in self.waited.items()} if whole > 0 else {}


def _open_slots(history: History) -> int:
    return sum(iteration.run_id is not None for iteration in history.unfinished())


def _doing(history: History, slots: int) -> str:
    """What goes on after a record, until the next one."""
    if history.stopped is not None:
        return OFF
    if slots:
        return TRAINING
    if history.exchanges and history.exchanges[-1].reply is None:
        return CLAUDE
    return PAUSE if history.asked == "pause" and history.planned == history.committed else PROGRAM


def waiting_words(waiting: Waiting) -> str:
    """The state of ``waiting`` as a sentence without its full stop; '' while nothing can be said."""
    shares = waiting.shares()
    if not shares:
        return ""
    parts = [f"{100 * share:.0f} % for {CAUSES[cause]}" for cause, share in shares.items() if share >= 0.005]
    place = "1 place" if waiting.places == 1 else f"{waiting.places} places"
    told = f"the {place} for slots waited {100 * sum(shares.values()):.0f} % of the time that a driver was at work"
    told += f" ({', '.join(parts)})" if parts else ""
    return told + (f"; none was at work for {waiting.off_s / 3600:.1f} h" if waiting.off_s >= 360 else "")


def waiting_data(waiting: Waiting) -> dict[str, float | int | dict[str, float] | None]:
    """The same as plain data: place hours worked and waited by cause, hours without a driver."""
    hours = {cause: seconds / 3600 for cause, seconds in waiting.waited.items()}
    return {
        "places": waiting.places,
        "worked_hours": waiting.worked / 3600,
        "waited_hours": hours,
        "no_driver_hours": waiting.off_s / 3600,
    }
