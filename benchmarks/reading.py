"""Time of every reader at 1, 10 and 100 times the size of a log, as ratios to linear; and of lines made to stall a
regular expression.

    python -m benchmarks.reading
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.fuzz import LIMIT_S, read_any_log, read_journal, read_own_log, read_score_file
from benchmarks.samples import journal, own_log, predecessor_log, score_file

FACTORS = (1, 10, 100)

# Text that a pattern with two ways to match the same characters would take very long over.
STALLERS = {
    "one word": "a",
    "spaces": " ",
    "equals": "=",
    "key value": "a=",
    "commas": ",",
    "parentheses": "(",
    "arrows": "-> ",
    "chained arrows": "a: 1 -> ",
    "digits": "1",
    "quotes": '"',
    "backslashes": '"\\',
    "stars": "*",
    "hashes": "#",
}


def best_time(work: Callable[[], None], repeats: int) -> float:
    """Processor seconds of the fastest of ``repeats`` runs: others may use the machine meanwhile."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def scaling(entries: int, folder: Path) -> dict[str, dict[str, float]]:
    """Reader -> milliseconds at each factor, and time over size relative to the smallest (1 = linear)."""
    works: dict[str, Callable[[int], Callable[[], None]]] = {
        "log grammar": lambda n: _bind(read_own_log, own_log(n).encode(), folder),
        "audit, predecessor's manner": lambda n: _bind(read_any_log, _even(predecessor_log(n).encode()), folder),
        "audit, nightfly's log": lambda n: _bind(read_any_log, _even(own_log(n).encode()), folder),
        "journal": lambda n: _bind(read_journal, _even(journal(n)), folder),
        "score file": lambda n: _bind(read_score_file, score_file(n, n).encode(), folder),
    }
    table = {}
    for name, make in works.items():
        times = [best_time(make(entries * factor), 5 if factor < 100 else 2) for factor in FACTORS]
        row = {f"ms_{factor}x": seconds * 1e3 for factor, seconds in zip(FACTORS, times, strict=True)}
        ratios = {f"ratio_{f}x": t / times[0] / f for f, t in zip(FACTORS[1:], times[1:], strict=True)}
        table[name] = row | ratios
    return table


def stallers(size: int, folder: Path) -> dict[str, float]:
    """Label and text -> time at ``size`` over time at a tenth of it, divided by ten (1 = linear), worst reader each."""
    return {name: max(_growth(text, size, folder, label) for label in LABELS) for name, text in STALLERS.items()}


LABELS = ("Mutation: ", "Config: ", "Metrics: ", "Node: ", "Next: ", "## Iter 2: ", "## Block ", "")


def _growth(text: str, size: int, folder: Path, label: str) -> float:
    def log(length: int) -> bytes:
        row = label + text * (length // len(text))
        return f"# Experiment Log: x\n\n## Iter 1: failed\nNode: id=1, parent=root\n{row}\n".encode()

    small, large = (best_time(_bind(read_any_log, _even(log(length)), folder), 3) for length in (size // 10, size))
    return large / small / 10


def _bind(reader: Callable[[bytes, Path], None], data: bytes, folder: Path) -> Callable[[], None]:
    return lambda: reader(data, folder)


def _even(data: bytes) -> bytes:
    """Of an odd size the fuzzer's readers mend hashes and make up a score file, which is not what is timed."""
    return data if len(data) % 2 == 0 else data + b" "


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time of the readers over the size of what they read.")
    parser.add_argument("--entries", type=int, default=48, help="entries of the smallest log")
    parser.add_argument("--line", type=int, default=20_000, help="length of the longest line made to stall")
    parser.add_argument("--json", action="store_true", help="print only the JSON line")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        table = scaling(options.entries, Path(name))
        lines = stallers(options.line, Path(name))
    if not options.json:
        for reader, row in table.items():
            print(reader, " ".join(f"{key}={value:.3g}" for key, value in row.items()))
        print("lines, time over size:", " ".join(f"{key}={value:.2g}" for key, value in lines.items()))
    print(json.dumps({"entries": options.entries, "limit_s": LIMIT_S, "readers": table, "lines": lines}))


if __name__ == "__main__":
    main()
