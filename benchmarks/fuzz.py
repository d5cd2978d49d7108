"""Mutated logs, score files and journals against every reader: nothing but a sentence may come out.

    python -m benchmarks.fuzz --n 1000000

Each case follows from its number alone, so that `--first K --n 1` repeats case K.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from agent.audit.audit import audit
from agent.audit.page import render_audit
from agent.audit.report import to_json, to_text
from benchmarks.samples import journal, newest_log, own_log, predecessor_log, record_line, score_file
from state.errors import JournalError
from state.journal import read_records
from ucb.entry import LogEntry
from ucb.grammar import LogError
from ucb.log import parse_log, render_entry, render_header
from ucb.score import parse_scores

LIMIT_S = 10.0  # of processor time, so that a busy machine finds nothing

TOKENS = [
    b"\n", b"\r\n", b"\x00", b"\xff\xfe", b"\xed\xa0\x80", "\u2028".encode(), "→".encode(), b" -> ", b"->->->",
    b"((((", b"))))", b"=", b"==", b": ", b", ", b'"', b"\\", b"\\ud800", b"{", b"[" * 5000, b"nan", b"NaN", b"null",
    b"-Infinity", b"1e999", b"-1.027E+28", b"9" * 25, b"9" * 400, b"-0", b"0x10", "٣".encode(), b"root", b"true",
    b"Node: id=", b"Next: parent=", b"Config: ", b"Metrics: ", b"Mutation: ", b"## Iter ", b"## Iter 2: failed\n",
    b"## Block ", b"=== UCB Scores (", b"parent=", b"connectivity_R2=", b"a" * 300, b" " * 300, b"lr_W: 1 -> ", b"> ",
    b"---\n", b"1E-3",
]  # fmt: skip


def mutate(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """``data`` after one to five byte flips, deletions, duplications, line swaps, truncations, splices, insertions."""
    for _ in range(rng.randint(1, 5)):
        data = rng.choice(_OPERATIONS)(rng, data, other)
    return data


def _span(rng: random.Random, data: bytes) -> tuple[int, int]:
    start = rng.randint(0, len(data))
    return start, min(len(data), start + rng.choice((1, 2, 5, 20, 100, 1000)))


def _flip(rng: random.Random, data: bytes, _: bytes) -> bytes:
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def _delete(rng: random.Random, data: bytes, _: bytes) -> bytes:
    start, end = _span(rng, data)
    return data[:start] + data[end:]


def _duplicate(rng: random.Random, data: bytes, _: bytes) -> bytes:
    start, end = _span(rng, data)
    return data[:end] + data[start:end] * rng.choice((1, 1, 2, 10)) + data[end:]


def _swap_lines(rng: random.Random, data: bytes, _: bytes) -> bytes:
    rows = data.split(b"\n")
    a, b = rng.randrange(len(rows)), rng.randrange(len(rows))
    rows[a], rows[b] = rows[b], rows[a]
    return b"\n".join(rows)


def _truncate(rng: random.Random, data: bytes, _: bytes) -> bytes:
    return data[: rng.randint(0, len(data))]


def _splice(rng: random.Random, data: bytes, other: bytes) -> bytes:
    start, end = _span(rng, other)
    at = rng.randint(0, len(data))
    return data[:at] + other[start:end] + data[at:]


def _insert(rng: random.Random, data: bytes, _: bytes) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.choice(TOKENS) + data[at:]


_OPERATIONS = (_flip, _delete, _duplicate, _swap_lines, _truncate, _splice, _insert, _insert)


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="surrogateescape" if len(data) % 8 == 0 else "replace")


def read_own_log(data: bytes, _: Path) -> None:
    """What parses must come back equal when written and read again, but for the decimals that the writing rounds."""
    try:
        entries = parse_log(_text(data))
    except LogError:
        return
    written = _written(entries)
    again = parse_log(written)
    if _written(again) != written or list(map(_without_curves, again)) != list(map(_without_curves, entries)):
        raise AssertionError("an entry changed when it was written and read again")


def _written(entries: list[LogEntry]) -> str:
    return render_header("again") + "".join(render_entry(entry) for entry in entries)


def _without_curves(entry: LogEntry) -> LogEntry:
    """The log rounds the figures of a trajectory, and nothing else."""
    return entry.model_copy(update={"trajectory": None})


def read_score_file(data: bytes, _: Path) -> None:
    """The strict reader; the auditor's own is met in `read_any_log`."""
    try:
        parse_scores(_text(data))
    except LogError:
        return


def read_journal(data: bytes, folder: Path) -> None:
    """From a file, as it is read in earnest; half of the cases get sound hashes again, so that more is looked at."""
    path = folder / "journal.jsonl"
    path.write_bytes(_mended(data) if len(data) % 2 else data)
    try:
        for _ in read_records(path):
            pass
    except JournalError:
        return


def read_any_log(data: bytes, _: Path) -> None:
    """An audit, printed both ways, some as a page; half of the cases have a score file, cut from the same bytes."""
    scores = data[: len(data) // 2] if len(data) % 2 else None
    result = audit(data, scores)
    json.dumps(to_json(result, "log", None), allow_nan=False).encode()
    to_text(result, "log", None).encode()
    if len(data) % 16 == 0:
        render_audit(result, data, "log", None).encode()


def _mended(data: bytes) -> bytes:
    """``data`` with a chain of hashes over those lines that are JSON objects."""
    lines, previous = [], None
    for number, line in enumerate(data.split(b"\n")[:-1]):
        try:
            fields = json.loads(line)
            kind, content = fields["type"], fields["data"]
            line, previous = record_line(number, kind, content, previous)
        except (ValueError, TypeError, KeyError, RecursionError):
            line += b"\n"
        lines.append(line)
    return b"".join(lines)


Reader = Callable[[bytes, Path], None]


def targets() -> list[tuple[str, Reader, list[bytes]]]:
    """Name, reader and the texts that its cases start from."""
    own, other, scores = own_log(2).encode(), predecessor_log(4).encode(), score_file(3).encode()
    return [
        ("log grammar", read_own_log, [own, own_log(1).encode(), other]),
        (
            "audit",
            read_any_log,
            [other, own, predecessor_log(2).encode(), newest_log(3).encode(), scores + b"\n" + other],
        ),
        ("journal", read_journal, [journal(3), journal(1)]),
        ("score file", read_score_file, [scores, other]),
    ]


@dataclass
class Tally:
    """What happened: cases by reader, the slowest case, and every crash as (case, reader, traceback)."""

    cases: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    slowest: dict[str, tuple[float, int, int]] = field(default_factory=dict)
    crashes: list[tuple[int, str, str]] = field(default_factory=list)


def _hang(_: int, __: FrameType | None) -> None:
    raise TimeoutError(f"a case took longer than {LIMIT_S:g} s")


def run(first: int, n: int, folder: Path, seconds: float | None = None) -> Tally:
    """Cases ``first`` to ``first + n - 1``, or as many as fit into ``seconds``."""
    tally, chosen = Tally(), targets()
    previous = signal.signal(signal.SIGPROF, _hang)
    begin = time.perf_counter()
    try:
        for case in range(first, first + n):
            if seconds is not None and time.perf_counter() - begin > seconds:
                break
            name, reader, texts = chosen[case % len(chosen)]
            rng = random.Random(case)
            data = mutate(rng, rng.choice(texts), rng.choice(texts))
            _one(tally, case, name, lambda reader=reader, data=data: reader(data, folder), len(data))  # type: ignore[misc]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)
    return tally


def _one(tally: Tally, case: int, name: str, read: Callable[[], None], size: int) -> None:
    signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
    start = time.perf_counter()
    try:
        read()
    except Exception:  # noqa: BLE001 - whatever comes out is what is looked for
        tally.crashes.append((case, name, traceback.format_exc(limit=-4)))
    took = time.perf_counter() - start
    tally.cases[name] = tally.cases.get(name, 0) + 1
    tally.seconds[name] = tally.seconds.get(name, 0.0) + took
    tally.slowest[name] = max(tally.slowest.get(name, (0.0, 0, 0)), (took, case, size))


def main() -> None:
    """Run the cases and print counts, rates, the slowest case of each reader, and what crashed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--n", type=int, default=100_000, help="number of cases")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--step", type=int, default=50_000, help="cases between two lines of progress")
    options = parser.parse_args()
    total = Tally()
    with tempfile.TemporaryDirectory() as folder:
        for start in range(options.first, options.first + options.n, options.step):
            part = run(start, min(options.step, options.first + options.n - start), Path(folder))
            for name, count in part.cases.items():
                total.cases[name] = total.cases.get(name, 0) + count
                total.seconds[name] = total.seconds.get(name, 0.0) + part.seconds[name]
                total.slowest[name] = max(total.slowest.get(name, (0.0, 0, 0)), part.slowest[name])
            total.crashes += part.crashes
            for case, name, trace in part.crashes:
                print(f"\ncase {case}, {name}\n{trace}", flush=True)
            print(f"{sum(total.cases.values())} cases, {len(total.crashes)} crashes", flush=True)
    for name, count in total.cases.items():
        took, case, size = total.slowest[name]
        rate = count / total.seconds[name]
        print(f"{name}: {count} cases, {rate:.0f} a second; slowest {took * 1e3:.1f} ms (case {case}, {size} bytes)")
    raise SystemExit(1 if total.crashes else 0)


if __name__ == "__main__":
    main()
