"""Made-up logs, score files and journals of any length, for fuzzing and timing."""

from __future__ import annotations

import random
from typing import Any

from state.config import Scalar
from state.files import canonical_json
from state.journal import RECORD_TYPES, chain_hash
from state.metrics import METRICS
from state.records import Failure
from ucb.entry import SHORT_NAMES, LogEntry
from ucb.grammar import BASELINE, render_mutation
from ucb.log import render_block_heading, render_block_summary, render_entry, render_header
from ucb.score import block_of, render_scores, score_block
from ucb.trajectory import Curve
from ucb.tree import node_from_entry

N_PARALLEL, N_ITER_BLOCK = 4, 12


def own_entry(number: int) -> LogEntry:
    """Entry ``number`` of a sound log in nightfly's own format; every ninth slot failed."""
    failed = number % 9 == 0
    first_of_batch = number - (number - 1) % N_PARALLEL
    parent = None if number <= N_PARALLEL else first_of_batch - N_PARALLEL
    value, before = (5e-4 * (1 + node % 11) for node in (number, parent or 0))
    curve = Curve(peak=0.91, phase="joint", final=0.9, trend="stable")
    changes: dict[str, tuple[Scalar, Scalar]] = {"training.learning_rate_W_start": (before, value)}
    return LogEntry(
        iteration=number,
        status="failed" if failed else "converged",
        parent=parent,
        role="baseline" if parent is None else "exploit",
        simulation_seed=1000 + number,
        training_seed=2000 + number,
        seed_rationale="suggested-default",
        config={name: value if name == "lr_W" else 2 for name in SHORT_NAMES.values()} | {"w_init_mode": "zeros"},
        metrics=None if failed else dict.fromkeys(METRICS, 0.9) | {"tau_R2": None, "test_pearson": -0.25},
        trajectory=None if failed else {"conn": curve, "vrest": curve, "tau": Curve()},
        failure=Failure(kind="diverged", message="loss: not finite, epoch 1") if failed else None,
        embedding="two clusters, R7 apart",
        mutation=BASELINE if parent is None else render_mutation(changes, "exploit", parent),
        parent_rule="highest UCB=2.3",
        hypothesis="a faster W keeps conn",
        observation="conn 0.9 -> 0.9; nothing moved",
        verdict="inconclusive",
        verdict_reason="one run",
        variance_update="C1 now has 2 runs, CV(conn_R2)=1.2%, CV(V_rest_R2)=n/a",
        next_parent=first_of_batch,
    )


def own_log(entries: int) -> str:
    """A log that nightfly could have written."""
    parts = [render_header("made up")]
    for number in range(1, entries + 1):
        if number % N_ITER_BLOCK == 1:
            parts += ["\n", render_block_heading(number // N_ITER_BLOCK + 1)]
        parts += ["\n", render_entry(own_entry(number))]
        if number % N_ITER_BLOCK == 0:
            parts += ["\n", render_block_summary("nothing moved\n## Iter 3: converged")]
    return "".join(parts)


def score_file(entries: int, n_iter_block: int = N_ITER_BLOCK) -> str:
    """The score file of the last block of `own_log`, with blocks of any size."""
    nodes = [node_from_entry(own_entry(number)) for number in range(1, entries + 1)]
    return render_scores(score_block(nodes, block_of(entries, n_iter_block), 1.414))


_MUTATIONS = (
    "lr_W: {old} -> {new}",
    "L1: 1E-5 → 1E-4 (10x), learning_rate_W_start: {old} → {new}",
    "[code] phi_scale: 1.0 -> 0.1 AND lr_W: {old} -> {new}",
    "lr_W: baseline -> {new} + batch_size: 8 -> 16; seed: varied -> 11000",
    "lr_W: {old} -> {new}. Testing principle: \"L1 has no effect (at 10,000 frames)\"",
    "none (baseline)",
    "rerun of node 3 (seed=42)",
    "A RECIPE at n=200 (lr_W: {old} -> {new}, L1=1E-5)",
)  # fmt: skip
_TITLES = ("partial", "converged — NEW BEST seed=7000", "failed (n=400)", "partial (duplicate of iter 1)", "[done]")


def predecessor_log(entries: int) -> str:
    """A log in the predecessor's manner, with its decorations and a share of its contradictions."""
    rng = random.Random(7)
    rows = ["# Experiment Log: made_up (parallel)", ""]
    for number in range(1, entries + 1):
        if number % N_ITER_BLOCK == 1:
            rows += ["---", "", f"## Block {number // N_ITER_BLOCK + 1}: made up", "", "| Slot | Role |", "|---|---|"]
        old, new = (f"{rng.randint(1, 9)}E-{rng.randint(2, 4)}" for _ in range(2))
        parent = "root" if number < 5 else str(rng.randint(1, number))
        mutation = rng.choice(_MUTATIONS).format(old=old, new=new)
        conn = rng.choice(["0.489", "1.000", "nan", "N/A", "-1.027E+28", "9.5e-05"])
        rows += [
            f"## Iter {number}: {rng.choice(_TITLES)}",
            f"Node: id={number}, parent={parent}",
            f"Mode/Strategy: exploit — with a reason (n={number})",
            f"Config: seed=137, lr_W={new}, lr=1E-4, coeff_W_L1=1E-5, batch_size=8, recurrent=F, low_rank=N/A",
            f"Metrics: test_R2=0.110, test_pearson=-0.035, connectivity_R2={conn}, final_loss=4.843e+02",
            "CODE MODIFICATION: file x.py" if number % 5 == 0 else "Activity: eff_rank=84, range=[-10.2, 10.2]",
            f"Mutation: {mutation}",
            "Parent rule: highest UCB (node 3, UCB=2.309)",
            "Observation: R² 0.85→0.90; try more",
            f"Next: parent={rng.randint(1, number + 1)} (highest UCB=2.3), try lr_W={old}",
            "",
        ]
    return "\n".join(rows)


def newest_log(entries: int) -> str:
    """A log whose entries hold four runs of one config each, in the manner of the newest instructions."""
    rows = ["# Analysis: made up\n", "- **Robust**: all 4 slots connectivity_R2 > 0.9\n"]
    for number in range(1, entries + 1):
        slots = "".join(
            f"Slot {slot}: conn_R2=0.9{slot}{number % 10}, tau_R2=0.97,\n        rollout=0.9{slot}, sim_seed={number}\n"
            for slot in range(4)
        )
        rows.append(
            f"## Iter {number}: {('Robust', 'FRAGILE [why]', 'DISQUALIFIED')[number % 3]}\n"
            f"Node: id={number}, parent={number - 1 or 'root'}\nConfig (same for all slots): lr_W={number}e-4, DAL=20\n"
            f"{slots}Seed stats: mean_conn_R2=0.92, std=0.01, CV=1.2%; mean_tau=0.97\nStability: Robust\n"
            f"Mutation: [lr_W]: {number - 1}e-4 → {number}e-4\nVerdict: best so far\n"
            f"| conn_R2 | 0.{number} |\nChange: DAL: 10 -> 20k\n"
            f"Variance update: C1 now has 2 runs, CV(conn_R2)=1.0%\n\n"
        )
    return "".join(rows)


def journal(records: int) -> bytes:
    """A sound hash chain of ``records`` records."""
    lines, previous = [], None
    for number in range(records):
        kind = RECORD_TYPES[number % len(RECORD_TYPES)]
        data = {"slot": number % 4, "metrics": {"connectivity_R2": 0.1 * number, "tau_R2": None}, "text": "é → 1"}
        line, previous = record_line(number, kind, data, previous)
        lines.append(line)
    return b"".join(lines)


def record_line(number: int, kind: str, data: Any, previous: str | None) -> tuple[bytes, str]:
    """One journal line and its hash."""
    fields = {"seq": number, "time": "2026-01-01T00:00:00Z", "type": kind, "batch": 1, "data": data, "prev": previous}
    digest = chain_hash(fields)
    return (canonical_json(fields | {"hash": digest}) + "\n").encode(), digest
