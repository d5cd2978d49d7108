"""The blobs of a run as an auditor sees them: read and verified, never written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from state.blobs import BlobStore
from state.errors import RunError
from state.files import sha256
from state.paths import is_passing

KEPT = 256


class Evidence(BlobStore):
    """A blob store whose `put` only names what it would have stored, and remembers the text for comparisons."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._made: dict[str, bytes] = {}
        self._read: dict[str, bytes] = {}
        self._verified: set[str] = set()

    def put(self, content: bytes | str) -> str:
        """The id that ``content`` has; nothing is written."""
        data = content.encode("utf-8") if isinstance(content, str) else content
        name = sha256(data)
        _keep(self._made, name, data)
        return name

    def get(self, name: str) -> bytes:
        """A stored blob, verified when first read; RunError as in `BlobStore.get`."""
        if name not in self._read:
            _keep(self._read, name, super().get(name))
            self._verified.add(name)
        return self._read[name]

    def made(self, name: str) -> str | None:
        """The text that a recent `put` named, None when it is no longer kept or no text."""
        try:
            return self._made[name].decode("utf-8") if name in self._made else None
        except UnicodeDecodeError:
            return None

    def fault(self, name: str) -> str | None:
        """What is wrong with blob ``name``, or None."""
        try:
            self.get(name)
        except RunError as error:
            return str(error)
        return None

    def unread_faults(self) -> Iterator[str]:
        """What is wrong with stored blobs that no record so far has led to."""
        names = {path.name for path in self.folder.iterdir() if not is_passing(path)} if self.folder.is_dir() else set()
        yield from filter(None, map(self.fault, sorted(names - self._verified)))


def _keep(store: dict[str, bytes], name: str, data: bytes) -> None:
    """Keep at most KEPT contents: the oldest one is dropped, and read again when it is needed."""
    if len(store) >= KEPT:
        del store[next(iter(store))]
    store[name] = data
