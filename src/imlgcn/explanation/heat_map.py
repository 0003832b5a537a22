"""A label's activation map as colours over the image: numpy and Pillow only, for pages and reports.

Shapes: h w map, H W image.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imlgcn.activation_maps import MapKind, Region

# Seventeen steps of viridis (van der Walt & Smith, CC0): even in lightness, so that strength can be
# read in print and by colour-blind readers.
VIRIDIS = np.array(
    [
        *((68, 1, 84), (72, 24, 106), (71, 45, 123), (66, 64, 134), (59, 82, 139), (51, 99, 141)),
        *((44, 114, 142), (38, 130, 142), (33, 145, 140), (31, 160, 136), (40, 174, 128)),
        *((63, 188, 115), (94, 201, 98), (132, 212, 75), (173, 220, 48), (216, 226, 25)),
        (253, 231, 37),
    ],
    np.float64,
)
HALF = 0.5  # of the strongest position: the level of the outline
FAINT_FALL = 0.5  # heads with maps by occlusion score an absent label about 0, a present one 1
OPAQUE = 0.72  # at the strongest position: the image stays visible
INK = (23, 32, 42)


def strength(activation_map: NDArray[np.float32], kind: MapKind = "score") -> NDArray[np.float32]:
    """Return what is drawn of a map ``(h, w)``, from 0 to 1.

    Scores: evidence for the label, 1 at the strongest position. Attention: what a position has
    above uniform attention. Occlusion: falls, which would be scores if positions added up. A map
    whose maximum is below 1 (one logit, or twice uniform attention) or, of falls, below half the
    score of a present label, is drawn weaker, so that weak evidence does not look strong.

    >>> strength(np.array([[-1.0, 2.0, 4.0]], np.float32))
    array([[0. , 0.5, 1. ]], dtype=float32)
    >>> strength(np.array([[0.25, 0.25, 0.5, 0.0]], np.float32), "attention")
    array([[0., 0., 1., 0.]], dtype=float32)
    """
    summed = kind in ("attention", "occlusion")  # values of a position, not of the whole map
    values = activation_map * activation_map.size if summed else activation_map
    if kind == "attention":
        values = values - 1
    faint = FAINT_FALL if kind == "occlusion" else 1.0
    result: NDArray[np.float32] = np.clip(values / max(faint, float(values.max())), 0, 1)
    return result


def heat(
    activation_map: NDArray[np.float32],
    size: tuple[int, int],
    region: Region = Region(),  # noqa: B008 - a constant
    kind: MapKind = "score",
) -> NDArray[np.float32]:
    """Return the strength of a map ``(h, w)`` at each pixel of an image, 0 to 1 ``(H, W)``.

    ``size`` is (width, height) of the image, ``region`` where the map shows it:
    the padding is cut away.
    """
    height, width = activation_map.shape
    box = (region.left * width, region.top * height, region.right * width, region.bottom * height)
    drawn = Image.fromarray(np.ascontiguousarray(strength(activation_map, kind)))
    grown = drawn.resize(size, Image.Resampling.BICUBIC, box=box)
    result: NDArray[np.float32] = np.clip(np.asarray(grown), 0, 1)
    return result


def colours(strengths: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return viridis with an opacity that grows with the strength, ``(H, W)`` to ``(H, W, 4)``."""
    position = np.clip(strengths, 0, 1) * (len(VIRIDIS) - 1)
    steps = np.arange(len(VIRIDIS))
    channels = [np.interp(position, steps, VIRIDIS[:, channel]) for channel in range(3)]
    opacity = 255 * OPAQUE * np.clip(strengths / HALF, 0, 1)
    return np.stack([*channels, opacity], axis=-1).round().astype(np.uint8)


def overlay(
    image: Image.Image,
    activation_map: NDArray[np.float32],
    region: Region = Region(),  # noqa: B008 - a constant
    kind: MapKind = "score",
) -> Image.Image:
    """Return the image under a label's activation map ``(h, w)``, outlined at half its strength.

    The image is shown in pale grey, so that all colour is the map's.

    >>> overlay(Image.new("RGB", (40, 30), "white"), np.eye(3, dtype=np.float32)).size
    (40, 30)
    """
    strengths = heat(activation_map, image.size, region, kind)
    pixels = tint(image, strengths)
    pixels[outline(strengths >= HALF)] = INK
    return Image.fromarray(pixels)


def overlay_png(
    activation_map: NDArray[np.float32],
    size: tuple[int, int],
    region: Region = Region(),  # noqa: B008 - a constant
    kind: MapKind = "score",
) -> bytes:
    """Return the map alone as a transparent PNG of the image's ``size``, to lay over the image."""
    file = BytesIO()
    strengths = heat(activation_map, size, region, kind)
    Image.fromarray(colours(strengths)).save(file, "PNG", compress_level=3)
    return file.getvalue()


def tint(image: Image.Image, strengths: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the image in grey, coloured by the strengths ``(H, W)``: pixels ``(H, W, 3)``.

    The grey goes from a half to white, so that the colours can be told apart on all of it; they
    are multiplied with it, so that lines and shades can be seen through the strongest.
    """
    grey = 0.5 + 0.5 / 255 * np.asarray(image.convert("L"), np.float32)[..., None]
    layer = colours(strengths).astype(np.float32) / 255  # (H, W, 4)
    opacity = layer[..., 3:] / OPAQUE
    pixels = 255 * grey * (1 - opacity + opacity * layer[..., :3])
    return np.asarray(pixels.round().astype(np.uint8))


def outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the rim of a mask ``(H, W)``, a line about 1/150 of the image wide."""
    wide = max(1, round(max(mask.shape) / 150))
    inner = mask.copy()
    for axis in (0, 1):
        for step in (-wide, wide):
            inner &= _shifted(mask, step, axis)
    return mask & ~inner


def _shifted(mask: NDArray[np.bool_], step: int, axis: int) -> NDArray[np.bool_]:
    """Return the mask shifted along an axis; the edge is repeated."""
    length = mask.shape[axis]
    return mask.take(np.clip(np.arange(length) + step, 0, length - 1), axis)
