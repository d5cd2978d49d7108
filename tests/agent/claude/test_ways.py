"""What each way to the models needs is told before anything is trained."""

from __future__ import annotations

import pytest

from agent.claude import ways
from agent.claude.ways import WAYS, Way
from state.claude import Via
from state.errors import UserError

VARIABLES = (
    *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"),
    *("CLOUD_ML_REGION", "ANTHROPIC_VERTEX_PROJECT_ID"),
)


@pytest.mark.parametrize(
    ("via", "given", "says"),
    [
        ("anthropic", {}, "ANTHROPIC_API_KEY is not set, nor is ANTHROPIC_AUTH_TOKEN"),
        ("anthropic", {"ANTHROPIC_API_KEY": " "}, "ANTHROPIC_API_KEY is not set"),
        ("anthropic", {"ANTHROPIC_AUTH_TOKEN": "t"}, ""),
        ("bedrock", {}, "AWS_REGION is not set, nor is AWS_DEFAULT_REGION"),
        ("bedrock", {"AWS_DEFAULT_REGION": "eu-central-1"}, ""),
        ("vertex", {"CLOUD_ML_REGION": "global"}, "ANTHROPIC_VERTEX_PROJECT_ID is not set"),
        ("vertex", {"CLOUD_ML_REGION": "global", "ANTHROPIC_VERTEX_PROJECT_ID": "p"}, ""),
    ],
)
def test_what_is_missing_is_named(via: Via, given: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(ways, "_installed", lambda module: True)
    if not says:
        WAYS[via].require()
        return
    with pytest.raises(UserError, match=says):
        WAYS[via].require()


def test_a_library_that_is_not_installed_is_named_with_its_command() -> None:
    with pytest.raises(UserError, match=r"pip install 'anthropic\[bedrock\]'"):
        Way("Bedrock", "k", library=("no_such_library", "bedrock")).require()
    Way("Bedrock", "k", library=("json.decoder", "bedrock")).require()
