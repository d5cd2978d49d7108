"""`nightfly tell|pause|resume|stop`: what a person asks of a run from another shell."""

from __future__ import annotations

from pathlib import Path

from agent.ledger.open_run import open_run
from agent.night.inbox import RequestKind, request
from agent.night.user_input import tell as add
from state.errors import UserError

SAID = {
    "pause": "it will begin no further batch; go on with: nightfly resume {root}",
    "resume": "it goes on",
    "stop": "it will stop after the running batch; to stop at once, say it again",
}


def ask_driver(root: Path, kind: RequestKind) -> None:
    """Leave the request and say what will happen."""
    request(root, kind)
    print(f"{root}: {SAID[kind].format(root=root)}")


def tell(root: Path, text: str) -> None:
    """Add ``text`` to the instructions that wait for Claude."""
    paths = open_run(root).paths
    if not text.strip():
        raise UserError("the instruction is empty; give it as one quoted argument")
    add(paths.user_input, text)
    print(f"{root}: noted in {paths.user_input.name}; Claude reads it with the next prompt")
