"""The ways to Anthropic's models, `claude.via`: what each needs in the environment. Loads no SDK."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec

from state.claude import Via
from state.errors import UserError


@dataclass(frozen=True)
class Way:
    """One way: its name, where its key stands, and what else must be there.

    ``keys``: one of these variables, or none where the platform's own login serves; ``needs``: each of these groups, of
    which one variable is enough; ``library``: what must be installed, and as which extra.
    """

    name: str
    key: str
    keys: tuple[str, ...] = ()
    needs: tuple[tuple[str, ...], ...] = ()
    library: tuple[str, str] | None = None

    def require(self) -> None:
        """UserError when something is missing that no request could do without."""
        if self.library is not None and not _installed(self.library[0]):
            extra = f"pip install 'anthropic[{self.library[1]}]'"
            raise UserError(f"claude.via {self.library[1]} needs a library that is not installed; {extra}")
        for names in (self.keys, *self.needs):
            if names and not any(os.environ.get(name, "").strip() for name in names):
                what = "your key" if names is self.keys else f"what {self.name} needs"
                nor = "".join(f", nor is {name}" for name in names[1:])
                raise UserError(
                    f"{names[0]} is not set{nor}; export {what} under that name, or add --dry-run for the mocked Claude"
                )


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


WAYS: dict[Via, Way] = {
    "anthropic": Way("Anthropic", "ANTHROPIC_API_KEY", ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")),
    "bedrock": Way(
        "Bedrock", "the AWS login", needs=(("AWS_REGION", "AWS_DEFAULT_REGION"),), library=("botocore", "bedrock")
    ),
    "vertex": Way(
        "Vertex",
        "the Google login",
        needs=(("CLOUD_ML_REGION",), ("ANTHROPIC_VERTEX_PROJECT_ID",)),
        library=("google.auth", "vertex"),
    ),
}
