"""The small picture by which near duplicates of an image are found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imlgcn.data.images import open_image

THUMBNAIL = (17, 16)  # width, height: 16 x 16 differences between neighbours
SHAPE = (THUMBNAIL[1], THUMBNAIL[0], 3)
DECODE_SIZE = 46  # a JPEG is decoded at 64 pixels or more, enough for the thumbnail


def thumbnail_of(source: Path | bytes) -> NDArray[np.uint8]:
    """Return the thumbnail (16, 17, 3) of an image file or its content.

    Raises:
        ImageError: it cannot be decoded.
    """
    image = open_image(source, size=DECODE_SIZE)
    # the triangle filter makes the most similar thumbnails of two sizes of one image
    return np.asarray(image.resize(THUMBNAIL, Image.Resampling.BILINEAR))
