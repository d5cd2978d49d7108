"""What one check of the doctor found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """``mend`` is empty when all is well."""

    check: str
    ok: bool
    message: str
    mend: str = ""
