"""The night that the tests of the prompt's facts look at."""

from __future__ import annotations

import pytest

from agent.night.night import Night
from tests.agent.conftest import play, write_campaign


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """Five batches of a surrogate night, whole."""
    root = tmp_path_factory.mktemp("briefing")
    return play(write_campaign(root / "c.yaml"), root / "run", 5)
