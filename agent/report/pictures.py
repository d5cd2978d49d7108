"""Pictures of slots for the page: small copies within a budget of bytes, links to the files for the rest."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable

from PIL import Image

from agent.briefing.batch_picture import NAME
from agent.ledger.ledger import Ledger
from agent.report.limits import Limits, by_interest
from agent.report.story import Story
from state.errors import RunError
from state.history import Iteration

WIDTH = 900
# The API makes a picture no larger than this on its long edge: what the page shows of batch.png is what Claude sees.
API_EDGE = 1568
QUALITY = 60


class Album:
    """Keeps what it has made, so that a page written again costs only its new pictures."""

    def __init__(self) -> None:
        self._made: dict[str, str] = {}

    def pictures(self, ledger: Ledger, limits: Limits) -> dict[int, list[dict[str, str]]]:
        """Iteration -> name, source (`data:` or '') and relative address of each picture."""
        left, found = limits.pictures, dict[int, list[dict[str, str]]]()
        for number in filter(limits.holds, by_interest(ledger)):
            shown = []
            for name, blob in sorted(_pictures(ledger.history.iterations[number])):
                source = self._small(ledger, blob) if left > 0 else ""
                left -= len(source)
                shown.append(
                    {"name": name.removesuffix(".png"), "source": source, "href": f"slots/{number:04d}/{name}"}
                )
            found[number] = shown
        return found

    def of_batches(self, ledger: Ledger, story: Story, limits: Limits) -> dict[int, str]:
        """Batch -> the picture that the program drew of it for Claude, as large as Claude sees it; newest first."""
        left, found = limits.batch_pictures, dict[int, str]()
        for talk in reversed(story.talks):
            blob = talk.images.get(NAME)
            if blob is None or talk.batch in found or left <= 0:
                continue
            found[talk.batch] = self._small(ledger, blob, (API_EDGE, API_EDGE))
            left -= len(found[talk.batch])
        return found

    def _small(self, ledger: Ledger, blob: str, size: tuple[int, int] = (WIDTH, 4 * WIDTH)) -> str:
        """The picture as a `data:` address; '' when its blob is missing or no picture, which the link then shows."""
        if blob not in self._made:
            try:
                self._made[blob] = _data_address(ledger.blobs.get(blob), size)
            # Pillow raises SyntaxError or ValueError for a broken PNG, depending on where it is broken.
            except (RunError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
                self._made[blob] = ""
        return self._made[blob]


def _pictures(iteration: Iteration) -> Iterable[tuple[str, str]]:
    return ((name, blob) for name, blob in iteration.artifacts.items() if name.endswith(".png"))


def _data_address(png: bytes, size: tuple[int, int]) -> str:
    with Image.open(io.BytesIO(png)) as picture:
        picture.thumbnail(size)
        packed = io.BytesIO()
        picture.convert("RGB").save(packed, "WEBP", quality=QUALITY)
    return "data:image/webp;base64," + base64.b64encode(packed.getvalue()).decode("ascii")
