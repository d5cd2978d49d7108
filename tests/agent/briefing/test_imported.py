"""A prompt shows what was imported, possible parents first, and no more of a long log than fits."""

from __future__ import annotations

from pathlib import Path

from agent.briefing.context import build_context
from agent.briefing.imported import LONGEST_MUTATION, SHOWN_IMPORTED
from agent.ledger.open_run import open_run
from agent.predecessor.command import open_imported
from prompts.context import Context
from prompts.render import render_system
from tests.agent.conftest import write_campaign
from tests.agent.predecessor.logs import section


def context_of(log: str, folder: Path) -> Context:
    (folder / "l.md").write_text(log)
    root, _ = open_imported(folder / "l.md", write_campaign(folder / "c.yaml"), None, None, folder / "runs", True)
    return build_context(open_run(root).ledger())


def test_possible_parents_come_first_then_what_the_log_praises(tmp_path: Path) -> None:
    log = section(1, "root", Metrics="connectivity_R2=0.8")
    log += section(2, 1, "who knows | " + "x" * 200, Metrics="connectivity_R2=0.99")
    log += section(3, 1, "n_epochs: 2 -> 3", Metrics="connectivity_R2=0.9, V_rest_R2=0.4")
    context = context_of(log, tmp_path)
    assert [view.node for view in context.imported] == [3, 1, 2]
    first, _, last = context.imported
    assert (first.changes, first.stated, first.parent) == ({"n_epochs": 3}, {"conn": 0.9, "V_rest": 0.4}, 1)
    assert last.values is None
    assert len(last.mutation) == LONGEST_MUTATION
    assert (context.imported_nodes, context.first_iteration, context.last_node) == (3, 5, 0)
    text = render_system(context)
    assert "| 3 | 1 | n_epochs=3 | conn=0.9000, V_rest=0.4000 | n_epochs: 2 -> 3 |" in text
    assert "| 2 | 1 | not known | conn=0.9900 | who knows / xxx" in text
    assert "are not shown" not in text


def test_a_long_log_is_cut(tmp_path: Path) -> None:
    log = "".join(section(number, "root") for number in range(1, SHOWN_IMPORTED + 8))
    context = context_of(log, tmp_path)
    assert len(context.imported) == SHOWN_IMPORTED
    assert "7 more are not shown." in render_system(context)
