"""Contents stored under their own sha256: written once, verified at each reading."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from state.errors import RunError
from state.files import sha256, write_atomic


class BlobStore:
    """A folder of files named by the digest of what they hold; ``check`` may object to a writing, or to a loss."""

    def __init__(self, folder: Path, check: Callable[[], None] | None = None) -> None:
        self.folder, self._check = folder, check

    def put(self, content: bytes | str) -> str:
        """Store ``content`` (text as UTF-8) and return its id; storing it again costs nothing."""
        data = content.encode("utf-8") if isinstance(content, str) else content
        name = sha256(data)
        if self._check is not None:
            self._check()
        if not (path := self.folder / name).exists():
            write_atomic(path, data)
        return name

    def get(self, name: str) -> bytes:
        """The content of blob ``name``; RunError when it is missing or no longer matches its name."""
        try:
            data = (self.folder / name).read_bytes()
        except OSError as error:
            if self._check is not None:
                self._check()
            raise RunError(f"{self.folder / name}: the blob is missing; restore it from a backup") from error
        if sha256(data) != name:
            raise RunError(f"{self.folder / name}: the content no longer matches its sha256; restore it from a backup")
        return data

    def text(self, name: str) -> str:
        """The content of blob ``name`` as text."""
        return self.get(name).decode("utf-8")
