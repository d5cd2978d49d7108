"""Batch size, block size and limits as a log shows them."""

from __future__ import annotations

import pytest

from agent.audit.audit import audit
from tests.agent.audit.logs import SOUND


def chain(n: int, parent: str = "before", heading: dict[int, str] | None = None) -> bytes:
    rows = ["# Experiment Log: made up"]
    for i in range(1, n + 1):
        rows.append((heading or {}).get(i, ""))
        before = "root" if i == 1 or parent == "root" else str(i - 1)
        rows += [f"## Iter {i}: partial", f"Node: id={i}, parent={before}", "Metrics: connectivity_R2=0.5", ""]
    return "\n".join(rows).encode()


def test_a_chain_is_sequential_and_a_star_is_not() -> None:
    assert audit(chain(9)).assumed.n_parallel == 1
    assert audit(chain(9, "root")).assumed.n_parallel == 4


def test_pairs_are_told_from_batches_of_four() -> None:
    rows = ["# Experiment Log: made up"]
    for i in range(1, 17):
        parent = "root" if i < 3 else str(i - 2 - (i + 1) % 2)
        rows += [f"## Iter {i}: partial", f"Node: id={i}, parent={parent}", "Metrics: connectivity_R2=0.5", ""]
    assumed = audit("\n".join(rows).encode()).assumed
    assert assumed.n_parallel == 2
    assert "batches of 4" in assumed.why["n_parallel"]


@pytest.mark.parametrize("block", [6, 12, 16])
def test_the_block_size_from_headings(block: int) -> None:
    headings = {k * block + 1: f"## Block {k + 1}: more" for k in range(3)}
    assumed = audit(chain(2 * block + 3, heading=headings)).assumed
    assert (assumed.n_iter_block, assumed.why["n_iter_block"]) == (block, "from the log's block headings")


def test_the_block_size_from_summaries_and_by_default() -> None:
    headings = {9: "## Block 1 Summary", 17: "### Block 2 Summary (Iterations 9-16)"}
    assert audit(chain(17, heading=headings)).assumed.n_iter_block == 8
    assert audit(chain(17)).assumed.n_iter_block == 12


def test_what_is_given_wins_and_is_said() -> None:
    assumed = audit(SOUND.encode(), given={"n_parallel": (3, "as given"), "n_iter_block": (6, "as given")}).assumed
    assert (assumed.n_parallel, assumed.n_iter_block) == (3, 6)
    assert assumed.why["n_parallel"] == "as given"


def test_limits_that_fit_the_statuses() -> None:
    text = SOUND.replace("connectivity_R2=0.700", "connectivity_R2=0.850").replace("R2=0.300", "R2=0.150")
    limits = audit(text.encode()).assumed.limits
    assert (limits.converged, limits.failed) == (0.9, 0.1)


def test_a_rounded_value_at_a_limit_may_be_either() -> None:
    text = SOUND.replace("connectivity_R2=0.700", "connectivity_R2=0.800")
    for status in ("partial", "converged"):
        assert not audit(text.replace("Iter 5: partial", f"Iter 5: {status}").encode()).findings
