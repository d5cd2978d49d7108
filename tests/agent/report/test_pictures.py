"""Pictures of slots: small copies within a budget, and never the reason for a page's absence."""

from __future__ import annotations

import base64
import io
import random
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from agent.briefing.batch_picture import NAME
from agent.report.limits import Limits
from agent.report.pictures import API_EDGE, Album
from agent.report.story import read_story
from state.blobs import BlobStore
from state.paths import RunPaths
from tests.agent.replay.conftest import play as play_with_pictures


def png(width: int = 40, height: int = 30) -> bytes:
    """A picture of noise."""
    noise = random.Random(0).randbytes(3 * width * height)
    packed = io.BytesIO()
    Image.frombytes("RGB", (width, height), noise).save(packed, "PNG")
    return packed.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def shown(root: Path, folder: Path, picture: bytes, budget: int) -> list[dict[str, str]]:
    """What an album shows of iteration 1 when every slot left ``picture``."""
    ledger, _ = read_story(RunPaths(root))
    ledger.blobs = BlobStore(folder)
    name = ledger.blobs.put(picture)
    for iteration in ledger.history.iterations.values():
        iteration.artifacts = {"activity.png": name, "stderr": name}
    return Album().pictures(ledger, Limits(pictures=budget))[1]


def test_a_picture_is_copied_and_linked(plain: Path, tmp_path: Path) -> None:
    (picture,) = shown(plain, tmp_path, png(), 10**6)
    assert picture["source"].startswith("data:image/webp;base64,")
    assert (picture["name"], picture["href"]) == ("activity", "slots/0001/activity.png")


def test_beyond_the_budget_a_picture_is_only_linked(plain: Path, tmp_path: Path) -> None:
    (picture,) = shown(plain, tmp_path, png(), 1)
    assert (picture["source"], picture["href"]) == ("", "slots/0001/activity.png")


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"no picture",
        png()[:60],
        png()[:8] + chunk(b"IHDR", b"short") + png()[33:],
        png()[:33] + struct.pack(">I", 10) + png()[37:],
        png()[:8] + chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)) + png()[33:],
    ],
)
def test_what_is_no_picture_costs_no_page(plain: Path, tmp_path: Path, broken: bytes) -> None:
    (picture,) = shown(plain, tmp_path, broken, 10**6)
    assert picture["source"] == ""


def test_a_lost_picture_costs_no_page(plain: Path, tmp_path: Path) -> None:
    ledger, _ = read_story(RunPaths(plain))
    ledger.history.iterations[1].artifacts = {"activity.png": "0" * 64}
    assert Album().pictures(ledger, Limits(pictures=10**6))[1][0]["source"] == ""


def test_the_page_shows_what_claude_sees_of_a_batch(tmp_path: Path) -> None:
    root = play_with_pictures(tmp_path / "run", 2)
    ledger, story = read_story(RunPaths(root))
    found = Album().of_batches(ledger, story, Limits())
    assert found.keys() == {1, 2}
    for number, source in found.items():
        sent = next(talk.images[NAME] for talk in story.talks if talk.batch == number and NAME in talk.images)
        with (
            Image.open(io.BytesIO(ledger.blobs.get(sent))) as original,
            Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as shown_here,
        ):
            # The API would make a larger one smaller, and its letters with it.
            assert max(original.size) <= API_EDGE
            assert shown_here.size == original.size
    assert Album().of_batches(ledger, story, Limits(batch_pictures=0)) == {}
