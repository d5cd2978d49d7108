"""Blobs: stored once under their digest, and noticed when they no longer match it."""

from __future__ import annotations

from pathlib import Path

import pytest

from state.blobs import BlobStore
from state.errors import RunError


def test_content_comes_back_and_is_stored_once(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path / "blobs")
    name = blobs.put("héllo")
    assert blobs.put("héllo") == name
    assert blobs.text(name) == "héllo"
    assert len(list((tmp_path / "blobs").iterdir())) == 1


def test_a_flipped_or_missing_blob_is_named(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    name = blobs.put(b"abc")
    (tmp_path / name).write_bytes(b"abd")
    with pytest.raises(RunError, match=name):
        blobs.get(name)
    (tmp_path / name).unlink()
    with pytest.raises(RunError, match=name):
        blobs.get(name)
