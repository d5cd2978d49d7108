"""tests/ has the rooms of the program: a file has its test at the same place, or stands in this table."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("state", "ucb", "prompts", "trainer", "agent")

# A test, and the files of the program that it covers besides the one whose name it bears.
ALSO = {
    "tests/benchmarks/test_null_nights.py": "state/surrogate",
    "tests/state/test_campaign.py": "state/claude state/evening state/explorable state/policy state/search",
    "tests/state/test_history.py": "state/records",
    "tests/state/test_legacy.py": "state/legacy_faults state/legacy_keys state/legacy_special",
    "tests/ucb/test_log.py": "ucb/lines",
    "tests/ucb/test_noise.py": "ucb/cells",
    "tests/ucb/test_confirm.py": "ucb/estimates",
    "tests/ucb/test_trajectory.py": "state/thresholds",
    "tests/prompts/test_render.py": "prompts/context",
    # With the schedulers that `make test-engines` starts.
    "tests/trainer/engines/test_contract.py": "trainer/engines/slurm",
    "tests/trainer/engines/test_queued.py": (
        "trainer/engines/exchange trainer/engines/lsf trainer/engines/scheduler trainer/engines/script "
        "trainer/engines/shell trainer/engines/watched"
    ),
    "tests/trainer/engines/test_stack.py": "trainer/engines/processes",
    "tests/trainer/fit/test_step.py": "trainer/fit/pyg_step",
    "tests/trainer/model/test_gnn.py": "trainer/model/protocol",
    "tests/trainer/model/test_pyg.py": "trainer/fit/backend",
    "tests/trainer/slot/test_trial.py": "trainer/slot/remembered",
    "tests/trainer/fly/test_davis.py": "trainer/fly/stimulus",
    "tests/trainer/slot/test_knobs.py": "trainer/slot/probe",
    "tests/trainer/slot/test_worker.py": "trainer/slot/attempt trainer/slot/outcome",
    "tests/agent/test_cli.py": (
        "state/errors agent/cli/arguments agent/cli/ends agent/cli/evening agent/cli/morning agent/cli/night "
        "agent/cli/others agent/cli/record agent/cli/requests agent/commands/provenance agent/commands/run "
        "agent/people/progress"
    ),
    "tests/agent/audit/test_audit.py": (
        "agent/audit/entry agent/audit/findings agent/audit/ids agent/audit/metrics "
        "agent/audit/scores agent/audit/trees agent/audit/values"
    ),
    "tests/agent/audit/test_page.py": "agent/audit/drawing",
    "tests/agent/audit/test_read.py": "agent/audit/labels",
    "tests/agent/audit/test_rules.py": "agent/audit/reward",
    "tests/agent/audit/test_stability.py": "agent/audit/classes agent/audit/slots",
    "tests/agent/audit/test_command.py": "agent/audit/files agent/audit/report",
    "tests/agent/bench/test_command.py": ("agent/bench/layout agent/bench/measure agent/bench/nights"),
    "tests/agent/briefing/test_context.py": (
        "agent/briefing/comparisons agent/briefing/config_view agent/briefing/facts agent/briefing/slot_view"
    ),
    "tests/agent/claude/test_client.py": "agent/claude/protocol agent/claude/provider",
    "tests/agent/claude/test_mock.py": (
        "agent/claude/mock_changes agent/claude/mock_entries agent/claude/mock_moves agent/claude/mock_roles"
    ),
    "tests/agent/ledger/test_gains.py": "agent/ledger/control",
    "tests/agent/night/test_explorers.py": "state/control agent/briefing/control agent/explorers/beside",
    "tests/agent/explorers/test_sampler.py": "state/explorer agent/briefing/results agent/explorers/choose",
    "tests/agent/commands/test_doctor.py": "agent/commands/doctor_checks agent/commands/checked",
    "tests/agent/commands/test_tell.py": "agent/night/inbox agent/night/user_input",
    "tests/agent/guard/test_claims.py": "agent/guard/checks",
    "tests/agent/guard/test_guard.py": "agent/guard/proposal_rules agent/guard/text_rules agent/guard/ruling",
    "tests/agent/guard/test_table.py": "agent/guard/rule",
    "tests/agent/ledger/test_budget.py": "agent/ledger/spending",
    "tests/agent/ledger/test_open_run.py": "state/shapes",
    "tests/agent/ledger/test_screening.py": "agent/claude/mock_screening",
    "tests/agent/ledger/test_views.py": "agent/ledger/ledger agent/ledger/tree",
    "tests/agent/night/test_ahead.py": "agent/ledger/run_ahead agent/night/owed_run",
    "tests/agent/night/test_cut.py": "agent/ledger/cutting",
    "tests/agent/night/test_faults.py": "state/paths",
    "tests/agent/night/test_loop.py": (
        "agent/night/commit agent/night/harvest agent/night/plan trainer/engines/inline"
    ),
    "tests/agent/night/test_real_ahead.py": "agent/night/jobs_ahead",
    "tests/agent/predecessor/test_configs.py": "agent/predecessor/keys",
    "tests/agent/predecessor/test_imported.py": "agent/predecessor/file_names",
    "tests/agent/replay/test_again.py": "agent/replay/command",
    "tests/agent/replay/test_whole_run.py": (
        "agent/claude/prices agent/ledger/evidence agent/replay/compare agent/replay/files agent/replay/records"
    ),
    "tests/agent/report/test_limits.py": "agent/report/brief",
    "tests/agent/report/test_page.py": "agent/report/data agent/report/story agent/report/tables",
    "tests/agent/report/test_serve.py": "agent/report/shelf",
    "tests/agent/trackers/test_mlflow.py": "agent/trackers/facts agent/trackers/tracker",
}


def test_every_file_has_its_test_or_a_row() -> None:
    rows = Counter(name for names in ALSO.values() for name in names.split())
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT).with_suffix("")
            own = (ROOT / "tests" / name.parent / f"test_{name.name}.py").exists()
            if not path.stem.startswith("__"):
                assert own + rows.pop(str(name), 0) == 1, f"{name}: give it a test of its own, or one row of this table"
    assert not rows, f"no such files: {sorted(rows)}"


def test_every_test_of_the_table_exists() -> None:
    assert [name for name in ALSO if not (ROOT / name).is_file()] == []
