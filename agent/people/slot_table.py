"""The slots of a batch as a table, with as many columns as the terminal has room for."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from agent.people.progress import SlotProgress
from state.metrics import METRICS, traced

UNBOUNDED = 1000  # columns
# What a narrow terminal does without, first things first; of the steps, the time that is left says enough.
DISPENSABLE = ("role", "config", "slot", "iteration", "left")


def slot_table(rows: list[SlotProgress], console: Console) -> Table:
    """The slots of a batch as a table, with as many columns as the terminal has room for."""
    dropped: tuple[str, ...] = ()
    for name in ("", *DISPENSABLE):
        dropped = (*dropped, name)
        table = _slot_table(rows, dropped)
        if console.measure(table, options=console.options.update(max_width=UNBOUNDED)).maximum <= console.width:
            break
    return table


def _slot_table(rows: list[SlotProgress], dropped: tuple[str, ...]) -> Table:
    columns = [column for column in _columns() if column not in dropped]
    table = Table(expand=False)
    for name in columns:
        table.add_column(name, justify="left" if name in ("role", "config", "state") else "right")
    for row in rows:
        cells = _cells(row)
        table.add_row(*(cells[name] for name in columns))
    return table


def _columns() -> list[str]:
    traces = [f"{METRICS[name].short} R2" for name in traced()]
    return ["slot", "iter", "role", "config", "state", "iteration", *traces, "left"]


def _cells(row: SlotProgress) -> dict[str, str]:
    doing = " ".join(filter(None, [row.state if row.state != "running" else row.stage, row.phase]))
    doing = f"{doing}\nahead of batch {row.ahead}" if row.ahead else doing
    known = {
        "slot": str(row.slot),
        "iter": str(row.iteration),
        "role": row.role,
        "config": row.config_id,
        "state": f"{doing}\n{row.undefined}" if row.undefined else doing,
        "iteration": f"{row.step:,}/{row.total:,}" if row.step is not None and row.total else "",
        "left": duration(row.eta_s) if row.state == "running" and row.eta_s is not None else "",
    }
    return known | {f"{METRICS[name].short} R2": show(row.metrics.get(name)) for name in traced()}


def show(value: float | None) -> str:
    """An R2 for people."""
    return "-" if value is None else f"{value:.3f}"


def duration(seconds: float | None) -> str:
    """Seconds as h:mm:ss or m:ss."""
    if seconds is None:
        return "unknown"
    minutes, rest = divmod(int(seconds + 0.5), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"
