"""Any decoded image becomes an upright 8-bit RGB one, by the same rules for files and arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imlgcn.data.colour_profiles import to_srgb
from imlgcn.errors import InputError

ORIENTATION_TAG = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright_rgb(image: Image.Image) -> Image.Image:
    """Return an image turned as its EXIF data say, 8-bit sRGB, transparency on white.

    Colours of another profile, such as Display P3 of phones, are converted.

    The result says nothing of a rotation any more; ``image`` itself stays as it is.

    Raises:
        InputError: pixels whose range is not known: floating-point, or 32 bits beyond 65535.
    """
    return _to_rgb(_turn_upright(image))


def eight_bits(values: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Return 16-bit values as the nearest of 8 bits: 65535 = 255 * 257.

    >>> eight_bits(np.array([[0, 128, 129, 65535]], np.uint16)).tolist()
    [[0, 0, 1, 255]]
    """
    small = np.empty(values.shape, np.uint8)
    for row, found in zip(small, values, strict=True):  # as a whole, they take gigabytes
        row[...] = (found.astype(np.uint32) + 128) // 257
    return small


def _turn_upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(ORIENTATION_TAG, 1)
    except Exception:  # the image is usable without its metadata
        return image
    if orientation not in UPRIGHT:
        return image
    turned = image.transpose(UPRIGHT[orientation])
    for key in [key for key in turned.info if key != "transparency"]:
        del turned.info[key]  # EXIF or XMP would have it turned again
    return turned


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return _from_16_bit(image)
    if image.mode == "F":
        raise InputError(
            "has floating-point pixels of unknown range; save it with 8 or 16 bits per channel"
        )
    profile = image.info.get("icc_profile")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image)
        return to_srgb(white, profile)
    if image.mode == "CMYK" and profile:
        image = to_srgb(image, profile)
    return to_srgb(image if image.mode == "RGB" else image.convert("RGB"), profile)


def _from_16_bit(image: Image.Image) -> Image.Image:
    values = np.asarray(image)  # (H, W)
    if values.min() < 0 or values.max() > 65535:
        raise InputError(
            "has 32-bit pixels of unknown range; save it with 8 or 16 bits per channel"
        )
    grey = eight_bits(values)
    if isinstance(transparent := image.info.get("transparency"), int):
        grey[values == transparent] = 255
    return Image.fromarray(grey).convert("RGB")
