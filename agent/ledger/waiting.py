"""How much of a night the places for slots stood idle, and for what they waited, from the times of the records."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.ledger.spending import elapsed_s
from state.history import History
from state.journal import Record
from state.shapes import DriverStarted, SlotEnded, SlotStarted

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
    record of one to the first of the next; workers that went on meanwhile are not counted. The result of a run ahead of
    its batch is journaled late: beyond the seconds that its worker tells of, its place was idle.
    """

    places: int | None = None
    worked: float = 0.0
    waited: dict[str, float] = field(default_factory=lambda: dict.fromkeys(CAUSES, 0.0))
    off_s: float = 0.0
    _time: str = ""
    _doing: str = PROGRAM
    _slots: int = 0
    # When each run ahead was started, and what the time has gone into since the first of them was.
    _ahead: dict[int, str] = field(default_factory=dict)
    _since: list[tuple[str, float]] = field(default_factory=list)

    def apply(self, record: Record, history: History) -> None:
        """Take in a record that ``history`` has already taken: the time since the last one went into what was done."""
        self._spend(elapsed_s(self._time or record.time, record.time), OFF if record.type == "driver_started" else "")
        if record.type == "driver_started":
            self.places = record.of(DriverStarted).get("slots_at_once")
        elif record.type == "slot_started":
            self._note_ahead(record.of(SlotStarted)["iteration"], record.time, history)
        elif record.type in ("slot_finished", "slot_failed"):
            self._give_back(record.of(SlotEnded), record.time)
        training, ahead = _open_slots(history)
        self._time, self._slots = record.time, training + ahead
        self._doing = _doing(history, training)

    def _spend(self, seconds: float, instead: str) -> None:
        doing = instead or self._doing
        if doing == OFF:
            self.off_s += seconds
        elif self.places is not None:
            busy = min(self._slots, self.places)
            self.worked += busy * seconds
            self.waited[SLOWEST if doing == TRAINING else doing] += (self.places - busy) * seconds
        if self._ahead:
            self._since.append((SLOWEST if doing == TRAINING else doing, seconds))

    def _note_ahead(self, number: int, time: str, history: History) -> None:
        if number in self._ahead or number not in history.iterations:
            self._ahead[number] = time

    def _give_back(self, ended: SlotEnded, time: str) -> None:
        """The time that went by between the end of a run ahead and its result counts as waiting."""
        started, told = self._ahead.pop(ended["iteration"], None), sum(ended["result"]["seconds"].values())
        idle = elapsed_s(started, time) - told if started is not None and told else 0.0
        for cause, seconds in reversed(self._since):
            gone = max(0.0, min(seconds, idle))
            idle -= gone
            if cause != OFF and self.places is not None:
                self.worked -= gone
                self.waited[cause] += gone
        if not self._ahead:
            self._since.clear()

    def shares(self) -> dict[str, float]:
        """Cause -> share of the places' time with a driver at work, 0 to 1; empty while nothing can be said."""
        whole = self.worked + sum(self.waited.values())
        return {cause: seconds / whole for cause, seconds in self.waited.items()} if whole > 0 else {}


def _open_slots(history: History) -> tuple[int, int]:
    """Slots that train: those of the batch in hand, and those ahead of it."""
    open_ = [sum(one.run_id is not None for one in some) for some in (history.unfinished(), history.ahead.values())]
    return open_[0], open_[1]


def _doing(history: History, training: int) -> str:
    """What goes on after a record, until the next one; ``training``: slots of the batch in hand."""
    if history.stopped is not None:
        return OFF
    if training:
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
