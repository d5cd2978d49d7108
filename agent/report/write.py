"""`nightfly report`: writes the page of a run."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from urllib.parse import quote

from agent.ledger.gains import gain_data
from agent.ledger.standing import verdict_data
from agent.report.learned import lessons
from agent.report.page import render_page
from agent.report.story import read_story
from state.errors import NightflyError, RunError
from state.files import write_atomic
from state.paths import RunPaths


def write_report(root: Path, out: Path | None = None) -> Path:
    """Write the page of the run in ``root`` (default: RUN/report/index.html) and return its path.

    Equal journals give equal pages. RunError for what is no run, a damaged journal and a lost campaign; a lost prompt,
    reply, memory or picture is told on the page.
    """
    paths = RunPaths(root)
    ledger, story = read_story(paths)
    out = out or paths.report
    if out.is_dir():
        raise RunError(f"{out}: is a directory; give --out a file name such as report.html")
    base = quote(os.path.relpath(root.resolve(), out.resolve().parent).replace(os.sep, "/")) + "/"
    write_atomic(out, render_page(ledger, story, base))
    return out


def lines_json(root: Path) -> str:
    """The five lines of a run as one JSON object, with the figures behind the first: trials and error budget."""
    ledger, story = read_story(RunPaths(root))
    lines = [{"about": one.about, "text": one.text, "by_model": one.by_model} for one in lessons(ledger, story)]
    found = gain_data(ledger)
    control = {} if found is None else {"control": found}
    return json.dumps({"run": str(root), "lines": lines, "verdict": verdict_data(ledger.views)} | control)


def main() -> None:
    """`python -m agent.report.write RUN`, as a driver calls it."""
    try:
        write_report(Path(sys.argv[1]))
    except (NightflyError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
