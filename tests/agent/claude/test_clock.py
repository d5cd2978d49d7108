"""When a service says that it will answer again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agent.claude.clock import moment_after, named_wait_s

NOW = datetime(2026, 3, 1, 2, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("words", "headers", "seconds"),
    [
        ("", {"retry-after": "7200"}, 7200),
        ("", {"retry-after": "0.5"}, 0.5),
        ("", {"retry-after": "Sun, 01 Mar 2026 03:00:00 GMT"}, 3600),
        ("", {"anthropic-ratelimit-tokens-reset": "2026-03-01T02:10:00Z"}, 600),
        (
            "",
            {"anthropic-ratelimit-tokens-reset": "2026-03-01T02:10:00Z", "anthropic-ratelimit-tokens-remaining": "90"},
            None,
        ),
        ("You will regain access on 2026-03-01 at 00:00 UTC", {}, None),
        ("usage limit reached, resets at 2026-03-01T05:30:00Z.", {}, 12_600),
        ("usage limit reached, resets at 2026-03-01 05:30 UTC", {}, 12_600),
        ("usage limit reached, resets at 2026-03-01T05:30:00+02:00", {}, 5400),
        ("overloaded, try again in about 2 hours", {}, 7200),
        ("Please try again in 20s.", {}, 20),
        ("the reset was at 2026-02-01T05:30:00Z", {}, None),
        ("come back at 2031-01-01T00:00:00Z", {}, None),
        ("Overloaded", {"retry-after": "soon"}, None),
        ("", {"retry-after": "-5"}, None),
        ("", {"retry-after": "nan"}, None),
        ("9" * 5000, {}, None),
    ],
)
def test_a_time_is_read_wherever_it_stands(words: str, headers: dict[str, str], seconds: float | None) -> None:
    assert named_wait_s(words, headers, NOW) == seconds


def test_the_moment_is_written_for_the_journal() -> None:
    assert moment_after(5400, NOW) == "2026-03-01T03:30:00+00:00"
