"""The activation maps of the gallery, of the label that an image is shown for.

Letters: K images, S input size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imlgcn.activation_maps import MEANING, ActivationMaps, Region
from imlgcn.data.image_input import as_image
from imlgcn.data.transforms import WHITE, EvalTransform
from imlgcn.errors import InputError
from imlgcn.explanation.heat_map import overlay
from imlgcn.explanation.words import where_strong
from imlgcn.image_settings import ImageSettings

if TYPE_CHECKING:
    from imlgcn.tagger import Tagger

BATCH = 8  # images at once: enough for speed, little memory at 576 pixels


class Picture(NamedTuple):
    """The network input (S, S, 3) of an image, and the region that shows the image."""

    pixels: NDArray[np.uint8]
    region: Region


class Overlaid(NamedTuple):
    """K pictures with their maps, where each map is strong, and the meaning of a map."""

    pictures: list[Image.Image]
    positions: list[str]
    meaning: str


Draw = Callable[[Sequence[Picture], Sequence[int]], Overlaid | None]


def read_picture(path: Path, settings: ImageSettings) -> Picture:
    """Open an image file.

    Raises:
        ImageError: it cannot be read.
    """
    image = as_image(path, size=settings.size, fit=settings.fit)
    transform = EvalTransform(settings)
    return Picture(transform(image), transform.region(image.size))


def map_drawer(tagger: Tagger) -> Draw:
    """Return the function that lays activation maps over pictures; it returns None without maps."""

    def draw(pictures: Sequence[Picture], labels: Sequence[int]) -> Overlaid | None:
        drawn: list[Image.Image] = []
        positions: list[str] = []
        meaning = ""
        for start in range(0, len(pictures), BATCH):
            batch = slice(start, start + BATCH)
            try:
                found: ActivationMaps = tagger.maps(
                    np.stack([each.pixels for each in pictures[batch]])
                )
            except InputError:  # a head without maps, or missing weights
                return None
            meaning = MEANING[found.kind]
            for picture, label, maps in zip(
                pictures[batch], labels[batch], found.maps, strict=True
            ):
                drawn.append(_lay_over(picture, maps[label], found))
                positions.append(where_strong(maps[label], picture.region, found.kind))
        return Overlaid(drawn, positions, meaning)

    return draw


def _lay_over(
    picture: Picture, activation_map: NDArray[np.float32], found: ActivationMaps
) -> Image.Image:
    """Draw the map over the image only, not over the padding."""
    side = len(picture.pixels)
    left, top, right, bottom = (round(side * edge) for edge in picture.region)
    inner = Image.fromarray(picture.pixels[top:bottom, left:right])
    square = Image.new("RGB", (side, side), WHITE)
    square.paste(overlay(inner, activation_map, picture.region, found.kind), (left, top))
    return square
