"""The tags of an image, and what they show of themselves in a notebook."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from imlgcn.data.images import open_image
from imlgcn.errors import InputError
from imlgcn.numbers import plural

THUMBNAIL = 168  # pixels of the longer side


class Tag(NamedTuple):
    """One label of one image: its calibrated probability and threshold, both 0 to 1."""

    label: str
    probability: float
    threshold: float


class Tags(list[Tag]):
    """The tags of one image, most probable first: a list that shows itself in a notebook.

    Attributes:
        image: its path; empty for an image without one.
    """

    def __init__(self, tags: Iterable[Tag] = (), image: str = "") -> None:
        super().__init__(tags)
        self.image = image

    def _repr_html_(self) -> str:
        """Return a bar for each tag beside the image, where its file is there."""
        from imlgcn.notebook import Bar, bars, card, note, picture, sides

        name = Path(self.image).name or "image"
        rows = [Bar(*tag) for tag in self]
        shown = bars(rows) if rows else note("no label reaches its threshold")
        small = _thumbnail(self.image)
        beside = [] if small is None else [picture(small, name, small.width)]
        line = f"{plural(len(self), 'tag')}; the lines are thresholds"
        return card(name, line if rows else "no tag", sides(*beside, shown))


def _thumbnail(path: str) -> Image.Image | None:
    """Return a small copy of an image file; None where it cannot be read."""
    if not path or not Path(path).is_file():
        return None
    try:
        image = open_image(Path(path), size=THUMBNAIL, fit="pad")
    except InputError:
        return None
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    return image
