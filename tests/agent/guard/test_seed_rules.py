"""The addendum's two tests of robustness, by the seeds of a batch."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.night.night import Night
from tests.agent.guard.replies import verdict


def at_slots(reply: Any, **changes: tuple[int, int, str]) -> Any:
    """Slots as re-runs: slot_2=(node, simulation seed, rationale)."""
    for slot, (node, seed, rationale) in changes.items():
        reply[slot]["proposal"] |= {
            "role": "replicate",
            "parent": node,
            "edits": [],
            "mutation": f"[none] — robustness re-run of Node {node}",
            "simulation_seed": seed,
            "seed_rationale": rationale,
        }
    return reply


SAME, NEW = "same-data-robustness", "different-data-generalization"


@pytest.mark.parametrize(
    ("slots", "refused"),
    [
        ({"slot_2": (1, 1001, SAME)}, []),
        ({"slot_2": (1, 1003, SAME)}, []),
        ({"slot_2": (5, 1005, SAME)}, []),
        ({"slot_2": (1, 77, SAME), "slot_3": (1, 77, SAME)}, []),
        ({"slot_2": (1, 77, SAME), "slot_3": (5, 77, SAME)}, []),
        ({"slot_2": (1, 77, NEW), "slot_3": (1, 77, SAME)}, []),
        ({"slot_2": (1, 77, SAME), "slot_3": (1, 77, NEW)}, []),
        ({"slot_2": (5, 1001, NEW)}, []),
        ({"slot_2": (1, 77, SAME)}, [2]),
        ({"slot_2": (1, 1001, NEW)}, [2]),
        ({"slot_2": (1, 77, NEW), "slot_3": (1, 77, NEW)}, [3]),
    ],
)
def test_the_two_tests_of_the_addendum_are_what_they_say(
    slots: dict[str, tuple[int, int, str]], refused: list[int], night: Night, good: dict[str, Any]
) -> None:
    reply = at_slots(json.loads(json.dumps(good)), **slots)
    # Which configs the replicates are of is another rule's business.
    found = [one for one in verdict(night, reply) if one[0] != "owed_replicates"]
    assert found == [("seed_mode", slot) for slot in refused]


def test_all_slots_may_share_their_data_whatever_they_run(night: Night, good: dict[str, Any]) -> None:
    reply = json.loads(json.dumps(good))
    for slot in range(4):
        reply[f"slot_{slot}"]["proposal"] |= {"simulation_seed": 4242, "seed_rationale": SAME}
    assert verdict(night, reply) == []
