"""What ended a night is journaled with its reason, and with the requests to Claude that failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.claude.protocol import LLMUnavailable, Try
from agent.night.ended import record_end
from agent.night.night import open_night
from state.errors import RunError
from state.journal import read_records
from tests.agent.conftest import write_campaign

TRIES = (Try("overloaded", 1.5),)


@pytest.mark.parametrize(
    ("error", "want"),
    [
        (KeyboardInterrupt(), {"reason": "stopped by the user"}),
        (RunError("no room"), {"reason": "no room"}),
        (LLMUnavailable("no answer", tries=TRIES), {"reason": "no answer"}),
    ],
)
def test_the_reason_and_the_tries_are_kept(error: BaseException, want: dict[str, str], tmp_path: Path) -> None:
    night = open_night(write_campaign(tmp_path / "c.yaml"), tmp_path / "run", dry_run=True)
    try:
        assert record_end(night, error) == want["reason"]
    finally:
        night.close()
    *_, last = read_records(night.paths.journal)
    assert last.type == "driver_stopped"
    assert last.data["reason"] == want["reason"]
    assert [one["outcome"] for one in last.data.get("tries", [])] == (
        ["overloaded"] if isinstance(error, LLMUnavailable) else []
    )
