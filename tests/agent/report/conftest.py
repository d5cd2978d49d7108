"""Nights whose reports are looked at: an ordinary one, and one in which the model writes HTML, figures and nonsense."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.claude.mock import MockLLM
from agent.claude.protocol import Completion, LLMUnavailable, Prompt, Try
from agent.report.write import write_report
from state.files import write_atomic
from state.journal import Journal, Record, RecordType, read_records
from state.paths import RunPaths, SlotPaths
from tests.agent.conftest import play, write_campaign
from tests.agent.report.browser import Page, find_browser
from trainer.engines.contract import Job
from trainer.engines.inline import InlineEngine

HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked=1'><!-- <b>bold</b> &amp; "


class Shouting:
    """The mock, but its texts hold HTML; reply 2 breaks a rule, 4 and 5 claim a wrong figure, the eighth is none."""

    def __init__(self) -> None:
        self.asked = 0

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Completion:
        """The mock's reply with the texts replaced."""
        self.asked += 1
        if self.asked == 8:
            raise LLMUnavailable("Claude cannot be reached", fatal=False, tries=(Try("overloaded_error", 1.0),))
        reply = json.loads(MockLLM().complete(prompt, schema).text)
        for slot in (slot for key, slot in reply.items() if key.startswith("slot_")):
            slot["proposal"] |= {"hypothesis": HOSTILE + "hypothesis", "parent_rule": HOSTILE + "rule"}
            if "entry" in slot:
                slot["entry"] |= {"observation": HOSTILE + "observation", "verdict_reason": HOSTILE}
                slot["entry"] |= {"embedding": HOSTILE + "embedding"}
        if reply.get("block_summary"):
            reply["block_summary"] = HOSTILE + "summary"
        if "entry" in reply["slot_0"] and self.asked in (4, 5):
            reply["slot_0"]["entry"]["observation"] += " connectivity_R2 = 0.0123."
        if self.asked == 2:
            reply["slot_1"]["proposal"]["mutation"] = HOSTILE
        heading = "### Established Principles"
        reply["memory"] = reply["memory"].replace(heading, f"{heading}\n\n- {HOSTILE}principle")
        usage = {"input_tokens": 1000, "output_tokens": 100}
        return Completion(json.dumps(reply), "end_turn", usage, "req_1", f"claude-{HOSTILE}", 0.01)


class MoodyEngine(InlineEngine):
    """Slots that run out of memory or time, measure nothing, leave metrics undefined, or fit worse than the mean."""

    def submit(self, jobs: list[Job]) -> list[Job]:
        """Compute the results, and spoil most of them."""
        for job in super().submit(jobs):
            path = SlotPaths(job.folder).result
            write_atomic(path, json.dumps(spoiled(json.loads(path.read_text()), int(job.run_id.split(".")[1]))) + "\n")
        return jobs


def spoiled(result: dict[str, Any], number: int) -> dict[str, Any]:
    """The result of iteration ``number``, changed by its mood: one of six."""
    if result["status"] == "failed":
        return result
    mood = number % 6
    for n, point in enumerate(result["trajectory"]):
        point |= {"phase": "standard", "vrest_r2": None} if n % 2 else {"phase": "standard"}
    if mood in (1, 2):
        failure = {"kind": ("out_of_memory", "timed_out")[mood - 1], "message": HOSTILE}
        return result | {"status": "failed", "failure": failure, "metrics": {}, "trajectory": [], "missing": {}}
    if mood == 3:
        result["metrics"] |= {"V_rest_R2": None}
        result["missing"] = {"V_rest_R2": HOSTILE}
    if mood == 4:
        result["metrics"] |= {"connectivity_R2": -3.25, "V_rest_R2": -0.5}
    return result | ({"trajectory": []} if mood == 5 else {})


def again(root: Path, change: Callable[[Record], list[tuple[RecordType, dict[str, Any]]]]) -> None:
    """Write the journal of ``root`` anew, each record as ``change`` has it, in an unbroken chain."""
    paths = RunPaths(root)
    records = list(read_records(paths.journal))
    paths.journal.unlink()
    times = iter([record.time for record in records for _ in change(record)])
    with Journal(paths.journal, lambda record: None, lambda: next(times)) as journal:
        for record in records:
            for kind, data in change(record):
                journal.append(kind, record.batch, data)


def _started_twice(record: Record) -> list[tuple[RecordType, dict[str, Any]]]:
    """Every third slot was started, lost with its driver, and started anew."""
    twice = record.type == "slot_started" and record.data["iteration"] % 3 == 0
    return [(record.type, record.data)] * (2 if twice else 1)


@pytest.fixture(scope="session")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of five batches of six slots, one stage, a choice of words, a `MoodyEngine`; not to be written to."""
    root = tmp_path_factory.mktemp("odd")
    words = {"training.w_init_mode": {"choices": ["zeros", "randn_scaled"]}}
    file = write_campaign(
        root / "campaign.yaml",
        search={"n_parallel": 6, "n_iter_block": 6},
        training={"alternate_training": False},
        explorable=words,
    )
    play(file, root / "runs" / "surrogate", 5, engine=MoodyEngine())
    again(root / "runs" / "surrogate", _started_twice)
    return root / "runs" / "surrogate"


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of five ordinary batches; not to be written to."""
    root = tmp_path_factory.mktemp("plain")
    play(write_campaign(root / "campaign.yaml"), root / "runs" / "surrogate", 5)
    return root / "runs" / "surrogate"


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of six batches with a `Shouting` model; not to be written to."""
    root = tmp_path_factory.mktemp("hostile")
    play(write_campaign(root / "campaign.yaml"), root / "runs" / "surrogate", 6, Shouting())
    return root / "runs" / "surrogate"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="the Python package playwright is not installed")
    with playwright.sync_playwright() as play:
        # Inside a container the sandbox's system calls are often forbidden, and root may not use it at all.
        started = play.chromium.launch(
            executable_path=find_browser(play.chromium.executable_path), args=["--no-sandbox"]
        )
        yield started
        started.close()


@pytest.fixture(scope="module")
def address(hostile: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"file://{write_report(hostile, tmp_path_factory.mktemp('browser') / 'report.html')}"


@pytest.fixture
def opened(browser: Any, address: str) -> Iterator[Page]:
    page = Page(browser, address, viewport={"width": 1300, "height": 900})
    yield page
    assert page.complaints == []
    assert page.page.evaluate("window.hacked") is None
    page.page.context.close()


@pytest.fixture(scope="module")
def odd_address(odd: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"file://{write_report(odd, tmp_path_factory.mktemp('browser') / 'odd.html')}"
