"""One fixed context with everything a prompt can show: a finished slot, a failed one, missing figures, user input."""

from __future__ import annotations

from prompts.context import (
    Candidate,
    ComparisonView,
    ConfigView,
    Context,
    CurveView,
    Demand,
    DemandView,
    HintView,
    ImportedView,
    MetricView,
    NodeView,
    Owed,
    PhaseView,
    ReplicateRules,
    Rule,
    RunAhead,
    Screening,
    ScreeningRun,
    SeedOffer,
    SlotView,
)
from state.config import Scalar
from state.metrics import METRICS, described
from state.records import Failure
from state.thresholds import Thresholds
from ucb.grammar import render_mutation

DEMANDS = [
    DemandView(code="no_edit", demand="Every other role has at least one edit.", mode="reject"),
    DemandView(code="predicted_time", demand="No mutation takes over 90 minutes.", mode="warn"),
]
VALUES: dict[str, Scalar] = {"training.alternate_joint_ratio": 0.4, "training.n_epochs": 2}


def batch_context() -> Context:
    """The second batch of a night of two slots, at its block's end."""
    return Context(
        kind="batch",
        campaign="golden",
        mission="Keep connectivity_R2 and raise V_rest_R2.",
        n_parallel=2,
        n_iter_block=4,
        batch=2,
        block=1,
        block_iterations=(1, 4),
        block_end=True,
        base_config="training:\n  n_epochs: 2\n",
        rules=_rules(),
        settings=[("claude.ucb_c", "0.5 to 3.0", "weight of exploring")],
        setting_values={"claude.ucb_c": 1.414},
        protected=[("dataset", "it routes each slot's data to its own place")],
        max_changes=2,
        time_limit_min=90.0,
        shorter_by="training.data_augmentation_loop or training.n_epochs",
        replication=ReplicateRules(
            baseline_runs=4,
            min_replicates=1,
            min_replicates_later=1,
            top_configs=3,
            runs_of_top=3,
            enough_runs=4,
            enough_cv_std=0.02,
        ),
        pictures=True,
        slots=[_finished(), _failed()],
        configs=[_config("C1", {}), _config("C2", {"training.n_epochs": 3})],
        nodes=[_node()],
        more_nodes=1,
        comparisons=[
            ComparisonView(
                config_id="C2",
                against="the baseline C1",
                standings={"connectivity_R2": "not distinguishable", "V_rest_R2": "ahead"},
                sentences=["connectivity_R2: not distinguishable over 3 data seeds", "V_rest_R2: ahead {{ so }}"],
            )
        ],
        goal="V_rest_R2 up; what others may lose: connectivity_R2 0.036",
        thresholds=Thresholds().model_dump(),
        demands=DEMANDS,
        metrics=[MetricView.of(row, Thresholds()) for row in described(1)],
        verdicts=["Confirmed better than C1: nothing yet.", "Error budget: 5 %."],
        runs=["| 1 | C1 | defaults | 1001/500001 | 0.946 | 0.530 | 0.882 | 76 |  |"],
        noise=["connectivity_R2: one run of any config varies by sd 0.029 (17 degrees of freedom)"],
        effects=["V_rest_R2: n_epochs: -0.0182 +/- 0.0146 per 0.5"],
        ucb_bonus=1.41,
        variance_table="| Config ID | Runs |\n|---|---|\n| C1 | 3 |",
        demand=Demand(
            baseline=False,
            min_replicates=1,
            reason="top configs with fewer than 3 runs: C2 (1)",
            owed=Owed(runs=1, candidates=[Candidate(config_id="C2", simulation_seeds=[1001, 1002])]),
        ),
        seeds=[
            SeedOffer(slot=n, simulation_seed=1005 + n, training_seed=500_005 + n, shared_simulation_seed=1005)
            for n in range(2)
        ],
        last_node=4,
        imported=_imported(),
        imported_nodes=3,
        first_iteration=3,
        memory="# Working Memory: golden\n\n{{ c.campaign }} and {% raw %} stay as they are\n",
        user_input="Look at <slot 1> & say {{ why }}.",
        budget="18 of 20 batches",
    )


def plain_context() -> Context:
    """A batch that ends no block, with nothing failed and no user input."""
    changes = {"block_end": False, "slots": [_finished()], "user_input": "", "more_nodes": 0}
    return batch_context().model_copy(update=changes)


def beside_standard_context() -> Context:
    """A batch on a loaded machine, with runs of standard training behind it and one more ahead."""
    demand = Demand(baseline=True, min_replicates=0, reason="1 of 4 baseline runs are still to be made", standard=[1])
    told = {
        "baseline_standard": 2,
        "standard": ["Standard training (S1): 1 of 2 runs finished.", "C1 against standard training: tau_R2: {{ so }}"],
        "machine_load": 3.31,
        "demand": demand,
    }
    return plain_context().model_copy(update=told)


def screening_context() -> Context:
    """A batch with a screening batch behind it and another one on offer; the campaign may cut runs."""
    joint, ratio, epochs = (
        ("training.alternate_joint_ratio", (0.4, 0.5)),
        ("training.alternate_lr_ratio", (0.1, 0.2)),
        ("training.n_epochs", (2, 3)),
    )
    chosen: list[list[tuple[str, tuple[Scalar, Scalar]]]] = [[], [ratio, epochs], [joint, epochs], [joint, ratio]]
    runs = [
        ScreeningRun(
            slot=slot,
            edits={key: new for key, (_, new) in steps},
            mutation=render_mutation(dict(steps), "screening", 1),
        )
        for slot, steps in enumerate(chosen)
    ]
    offer = Screening(
        config_id="C1", parent=1, simulation_seed=1005, keys=dict([joint, ratio, epochs]), runs=runs, left=1
    )
    told = {
        "n_parallel": 4,
        "seeds": [
            SeedOffer(slot=n, simulation_seed=1005 + n, training_seed=500_005 + n, shared_simulation_seed=1005)
            for n in range(4)
        ],
        "screened_keys": 3,
        "screening": offer,
        "screened": ["Batch 4, around C1, n_epochs 2 -> 3: tau_R2 +0.010 (95 % interval -0.010 to +0.030) {{ so }}."],
        "cut": "a hopeless run is ended",
        "demand": Demand(baseline=False, min_replicates=2, reason="2 of the top 3 not yet found"),
    }
    return plain_context().model_copy(update=told)


def start_context() -> Context:
    """The start call of the same night."""
    demand = Demand(baseline=True, min_replicates=0, reason="4 of 4 baseline runs are still to be made")
    nothing = {
        "slots": [],
        "configs": [],
        "comparisons": [],
        "more_nodes": 0,
        "nodes": [],
        "user_input": "",
        "last_node": 0,
        "batch": 0,
    }
    return batch_context().model_copy(update={"kind": "start", "demand": demand, "block_end": False, **nothing})


def _rules() -> list[Rule]:
    span = {"choices": None, "min": None, "max": None, "scale": "linear"}
    ratio = {"choices": [0.2, 0.4], "allowed": "one of 0.2, 0.4", "description": "share of the joint phase"}
    epochs = {"min": 1, "max": 3, "allowed": "1 to 3", "description": "epochs"}
    return [
        Rule(key="training.alternate_joint_ratio", default=0.4, whole=False, **(span | ratio)),
        Rule(key="training.n_epochs", default=2, whole=True, **(span | epochs)),
    ]


def _slot(number: int) -> SlotView:
    return SlotView(
        slot=number,
        iteration=3 + number,
        parent=None if number else 1,
        role="exploit",
        config_id="C2",
        parent_config_id="C1",
        changes={"training.n_epochs": (2, 3)},
        mutation="n_epochs: 2 -> 3",
        parent_rule="highest UCB",
        hypothesis="More epochs raise V_rest_R2.",
        simulation_seed=1003 + number,
        training_seed=500_003 + number,
        seed_rationale="different-data-generalization",
        status="converged",
        pattern="healthy",
        metrics=dict.fromkeys(METRICS, 0.9) | {"V_rest_R2": None},
        missing={"V_rest_R2": "the true V_rest is constant"},
        further={"raw_W_R2": 0.61, "spectral_radius": 1.7},
        curves={
            "connectivity_R2": CurveView(
                peak=0.93,
                peak_phase="joint",
                peak_iteration=2560,
                final=0.91,
                trend="stable",
                vrest_phases_in_all=-0.02,
                worst_vrest_phase=-0.01,
            ),
            "V_rest_R2": CurveView(peak=None, peak_phase="", peak_iteration=None, final=None, trend="unknown"),
        },
        phases=[
            PhaseView(epoch=0, phase="joint", moves={"connectivity_R2": (0.4, 0.93), "V_rest_R2": (None, None)}),
            PhaseView(epoch=0, phase="V_rest", moves={"connectivity_R2": (0.92, 0.91), "V_rest_R2": (None, None)}),
        ],
        minutes=95.25,
        over_time=True,
        failure=None,
        stderr="",
        values=VALUES,
    )


def _finished() -> SlotView:
    return _slot(0)


def _failed() -> SlotView:
    failure = Failure(kind="crashed", message="exit code 3: RuntimeError: {{ singular }}")
    lost = {
        "metrics": {},
        "missing": {},
        "curves": {},
        "phases": [],
        "minutes": None,
        "over_time": False,
        "status": "failed",
    }
    return _slot(1).model_copy(update=lost | {"failure": failure, "stderr": "Traceback\nRuntimeError: {{ singular }}"})


def _config(name: str, changes: dict[str, Scalar]) -> ConfigView:
    return ConfigView(
        config_id=name,
        runs=3,
        node=3,
        mean={"connectivity_R2": 0.91},
        std={"connectivity_R2": None},
        rank=None,
        robust="undecided",
        enough=bool(changes),
        simulation_seeds=[1001, 1002],
        changes=changes,
        values=VALUES | changes,
    )


def _node() -> NodeView:
    return NodeView(
        node=3,
        parent=None,
        config_id="C1",
        ucb=2.3456,
        visits=1,
        reward=0.91,
        mutation="n_epochs: 2 -> 3",
        pattern="healthy",
        minutes=76.0,
        values=VALUES,
    )


def _imported() -> list[ImportedView]:
    stated = {"conn": 0.9, "V_rest": 0.4}
    changes: dict[str, Scalar] = {"n_epochs": 3}
    known = VALUES | {"training.n_epochs": 3}
    return [
        ImportedView(node=2, parent=1, stated=stated, mutation="n_epochs: 2 -> 3", changes=changes, values=known),
        ImportedView(node=1, parent=None, stated={}, mutation="a | b {{ c }}", changes={}, values=None),
    ]


def beside_control_context() -> Context:
    """A batch whose slot 1 belongs to a control arm, and a sampler hints at a change for slot 0."""
    plain = plain_context()
    hint = HintView(
        by="a Gaussian process, seed 7",
        slot=0,
        parent=3,
        config_id="C1",
        key="training.n_epochs",
        old=2,
        new=3,
        why="the single change nearest to what it asked for",
        values=VALUES,
    )
    update = {
        "control": "TPE",
        "control_slots": [1],
        "control_runs": 1,
        "demand": plain.demand.model_copy(update={"control": [1]}),
        "hints": [hint],
    }
    return plain.model_copy(update=update)


def taken_slot_context() -> Context:
    """A batch of which slot 1 is taken: a replicate of C1 runs ahead in its place."""
    plain = plain_context()
    ahead = RunAhead(slot=1, iteration=plain.last_node + 2, config_id="C1", parent=1, simulation_seed=1002)
    left = {"ahead": [ahead], "min_replicates": max(0, plain.demand.min_replicates - 1)}
    return plain.model_copy(update={"demand": plain.demand.model_copy(update=left)})
