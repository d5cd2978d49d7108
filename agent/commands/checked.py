"""What a check of the doctor found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Checked:
    """What one check found. ``mend`` is empty when all is well."""

    check: str
    ok: bool
    message: str
    mend: str = ""
