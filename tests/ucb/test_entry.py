"""An entry is made of facts and a judgement, and nothing else fits in it."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from state.config import SlotConfig
from state.files import canonical_json
from state.metrics import METRICS
from state.records import TrajectoryPoint
from tests.ucb.strategies import failed_result, judgement, planned, result
from ucb.entry import SHORT_NAMES, LogEntry, config_line, entry_from
from ucb.log import render_entry

FLAT = SlotConfig().flat()


def make(outcome=None, **kwargs) -> LogEntry:  # type: ignore[no-untyped-def]
    kwargs = {"config": FLAT, "explored": ["training.coeff_W_L1"], "variance_update": "C2 now has 1 run"} | kwargs
    return entry_from(planned(), outcome or result(), judgement(), next_parent=5, **kwargs)


def test_facts_come_from_the_plan_and_the_result() -> None:
    points = [
        TrajectoryPoint(epoch=0, iteration=10, connectivity_r2=0.9, vrest_r2=0.1, tau_r2=None, phase="joint"),
        TrajectoryPoint(epoch=0, iteration=20, connectivity_r2=0.8, vrest_r2=0.2, tau_r2=None, phase="V_rest"),
    ]
    entry = make(result(0.85, tau_R2=None).model_copy(update={"trajectory": points}))
    assert (entry.iteration, entry.parent, entry.next_parent, entry.status) == (5, 2, 5, "converged")
    assert entry.changes == {"alternate_joint_ratio": (0.4, 0.3)}
    assert entry.metrics is not None
    assert entry.metrics["tau_R2"] is None
    assert entry.trajectory is not None
    assert (entry.trajectory["conn"].peak, entry.trajectory["conn"].phase, entry.trajectory["conn"].trend) == (
        0.9,
        "joint",
        "decaying",
    )
    assert entry.trajectory["tau"].peak is None
    assert entry.config == config_line(FLAT, ["training.coeff_W_L1"])
    assert entry.config["coeff_W_L1"] == 3.3e-5


def test_a_failed_slot_has_a_reason_and_no_metrics() -> None:
    entry = make(failed_result("out of\nmemory"))
    assert (entry.status, entry.metrics, entry.trajectory) == ("failed", None, None)
    assert "Failure: timed_out: out of memory" in render_entry(entry).split("\n")


def test_the_config_line_begins_with_the_addendums_seven() -> None:
    assert list(config_line(FLAT, ["training.coeff_W_L1", "training.n_epochs"])) == [
        *SHORT_NAMES.values(),
        "coeff_W_L1",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metrics": None}, "either metrics"),
        ({"trajectory": None}, "either metrics"),
        ({"metrics": dict.fromkeys(list(METRICS)[1:], 0.5)}, "exactly the metrics"),
        ({"failure": {"kind": "crashed", "message": "x"}}, "either metrics"),
        ({"config": {"lr_W": 1}}, "in the config"),
        ({"mood": "good"}, "mood"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        LogEntry.model_validate(make().model_dump() | change)


def test_an_entry_survives_the_journal_and_renders_the_same() -> None:
    entry = make(explored=["training.regul_annealing_rate", "training.coeff_W_L1"])
    back = LogEntry.model_validate(json.loads(canonical_json(entry.model_dump())))
    assert back == entry
    assert render_entry(back) == render_entry(entry)
