"""`nightfly audit`: reads the files, audits, prints. Knows no check."""

from __future__ import annotations

import json
import math
from pathlib import Path

from agent.audit.assume import Given
from agent.audit.audit import audit
from agent.audit.report import to_json, to_text
from state.campaign import load_campaign
from state.errors import UserError
from state.paths import RunPaths

LARGEST = 256 * 2**20


def audit_file(
    log: Path,
    ucb_scores: Path | None = None,
    as_json: bool = False,
    n_parallel: int | None = None,
    n_iter_block: int | None = None,
    ucb_c: float | None = None,
) -> int:
    """Audit ``log`` and print the result: 0 without errors in it, else 1.

    UserError when a file cannot be read or holds no entry (log) or no score (score file). The JSON object is
    described at `agent.audit.report.to_json`.
    """
    if ucb_c is not None and not math.isfinite(ucb_c):
        raise UserError(f"--ucb-c: found {ucb_c}, expected a finite number")
    scores = None if ucb_scores is None else _read(ucb_scores, "a file such as ucb_scores.txt")
    options = {"n_parallel": n_parallel, "n_iter_block": n_iter_block, "ucb_c": ucb_c}
    given = _beside(log) | {name: (value, "as given") for name, value in options.items() if value is not None}
    result = audit(_read(log, "a log such as analysis.md"), scores, given)
    if not result.entries:
        raise UserError(
            f"{log}: holds no `## Iter N: status` section in {result.lines} lines; give a log such as analysis.md"
        )
    if result.score_file is not None and not result.score_file.stored:
        raise UserError(f"{ucb_scores}: holds no `Node N: UCB=...` line; give a file such as ucb_scores.txt")
    names = str(log), None if ucb_scores is None else str(ucb_scores)
    print(json.dumps(to_json(result, *names)) if as_json else to_text(result, *names))
    return 1 if result.failed else 0


def _beside(log: Path) -> dict[str, Given]:
    """The settings of the campaign whose run directory the log lies in; empty where there is none."""
    path = RunPaths(log.parent).campaign
    if not path.is_file():
        return {}
    try:
        claude = load_campaign(path).claude
    except UserError:
        return {}
    values = {"n_parallel": claude.n_parallel, "n_iter_block": claude.n_iter_block, "ucb_c": claude.ucb_c}
    return {name: (value, "from the campaign.yaml beside the log") for name, value in values.items()}


def _read(path: Path, want: str) -> bytes:
    try:
        if not path.is_file():
            raise UserError(f"{path}: {'is no file' if path.exists() else 'not found'}; give {want}")
        if (size := path.stat().st_size) > LARGEST:
            raise UserError(f"{path}: has {size} bytes, more than the {LARGEST} an audit reads; give {want}")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UserError(f"{path}: cannot be read ({reason}); give {want}") from error
