"""Reads a file that a user named: all of it, or one sentence on why not."""

from __future__ import annotations

from pathlib import Path

from state.errors import UserError


def read_file(path: Path, want: str, largest: int) -> bytes:
    """The bytes of ``path``; UserError where it is no file, has more than ``largest`` bytes, or cannot be read.

    ``want``: what to give instead, such as `a log such as analysis.md`.
    """
    try:
        if not path.is_file():
            raise UserError(f"{path}: {'is no file' if path.exists() else 'not found'}; give {want}")
        if (size := path.stat().st_size) > largest:
            raise UserError(f"{path}: has {size:,} bytes, more than the {largest:,} that are read; give {want}")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UserError(f"{path}: cannot be read ({reason}); give {want}") from error
