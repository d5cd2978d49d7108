"""Nights whose reports are looked at: an ordinary one, and one in which the model writes HTML, figures and nonsense."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent.llm import Completion, LLMUnavailable, Prompt, Try
from agent.mock import MockLLM
from tests.agent.conftest import play, write_campaign

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
        if "entry" in reply["slot_0"] and self.asked in (4, 5):
            reply["slot_0"]["entry"]["observation"] += " connectivity_R2 = 0.0123."
        if self.asked == 2:
            reply["slot_1"]["proposal"]["mutation"] = HOSTILE
        heading = "### Established Principles"
        reply["memory"] = reply["memory"].replace(heading, f"{heading}\n\n- {HOSTILE}principle")
        usage = {"input_tokens": 1000, "output_tokens": 100}
        return Completion(json.dumps(reply), "end_turn", usage, "req_1", f"claude-{HOSTILE}", 0.01)


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
