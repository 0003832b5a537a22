"""From a decoded image to the network's square of pixels, the same way in training and use.

The evaluation path is Pillow and numpy only, so that prediction needs no torch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imlgcn.activation_maps import Region
from imlgcn.config import ImageSettings
from imlgcn.data.images import ImageSource, open_image

WHITE = (255, 255, 255)
RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def load_input(source: ImageSource, settings: ImageSettings) -> NDArray[np.uint8]:
    """Decode ``source`` and return the network's square of pixels ``(S, S, 3)``."""
    return EvalTransform(settings)(open_image(source, size=settings.size, fit=settings.fit))


def normalize(pixels: NDArray[np.uint8], settings: ImageSettings) -> NDArray[np.float32]:
    """Return ``(value / 255 - mean) / std`` of pixels ``(..., S, S, 3)`` as ``(..., 3, S, S)``.

    `imlgcn.models.PixelInput` does the same, to the bit, as the first step of a network.
    """
    scale, offset = scale_and_offset(settings)
    planes = np.ascontiguousarray(np.moveaxis(pixels, -1, -3))  # numpy is slow on strided pixels
    return planes * scale[:, None, None] + offset[:, None, None]


def scale_and_offset(settings: ImageSettings) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what a pixel value is multiplied with and what is then added, per channel (3,)."""
    mean, std = np.array(settings.mean), np.array(settings.std)
    return (1 / (255 * std)).astype(np.float32), (-mean / std).astype(np.float32)


class EvalTransform:
    """Fit an RGB image into a square of 8-bit pixels: what every engine is given.

    ``fit="pad"`` keeps the aspect ratio and centres the image on white; ``"squash"`` ignores it.

    Shape:
        - output ``(S, S, 3)``, uint8, C-contiguous
    """

    def __init__(self, settings: ImageSettings) -> None:
        self.settings = settings

    def __call__(self, image: Image.Image) -> NDArray[np.uint8]:
        """Return the pixels ``(S, S, 3)`` of an RGB image of any size."""
        return np.array(self.square(image))  # a copy: torch wants to be able to write

    def square(self, image: Image.Image) -> Image.Image:
        """Return the resized image, centred on a white square."""
        image, side = self.resize(image), self.settings.size
        if image.size == (side, side):
            return image
        square = Image.new("RGB", (side, side), WHITE)
        square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
        return square

    def region(self, size: tuple[int, int]) -> Region:
        """Return where in the square an image of ``size`` (width, height) lies."""
        width, height = self._fitted(size)
        side = self.settings.size
        left, top = (side - width) // 2, (side - height) // 2
        return Region(left / side, top / side, (left + width) / side, (top + height) / side)

    def _fitted(self, size: tuple[int, int]) -> tuple[int, int]:
        side = self.settings.size
        if self.settings.fit == "squash":
            return side, side
        longest = max(size)
        width, height = (max(1, round(length * side / longest)) for length in size)
        return width, height

    def resize(self, image: Image.Image) -> Image.Image:
        """Return the image as large as the square (squash) or as fits into it (pad)."""
        width, height = self._fitted(image.size)
        filter_ = RESAMPLING[self.settings.interpolation]
        # a 12-megapixel image is first averaged over whole blocks: 7 times as fast, 2 levels apart
        return image.resize((width, height), filter_, reducing_gap=3.0)


class TrainTransform:
    """Augmented network input: resize, RandAugment, horizontal flip, one cut-out box, normalise.

    RandAugment is Cubuk et al. (2020), https://arxiv.org/abs/1909.13719, with its usual defaults;
    the box is that of the published ASL training: its sides are ``cutout`` times the image's,
    centred anywhere, of one random colour. All chance comes from torch's global generator.

    Shape:
        - output ``(3, S, S)``, float32, C-contiguous
    """

    def __init__(
        self,
        settings: ImageSettings,
        *,
        num_ops: int = 2,
        magnitude: int = 9,
        flip: float = 0.5,
        cutout: float = 0.5,
    ) -> None:
        from torchvision.transforms import RandAugment

        # what turning and shifting uncover looks like the padding; black on squashed photographs
        fill = list(WHITE) if settings.fit == "pad" else None
        self._augment = RandAugment(num_ops, magnitude, fill=fill)
        self._flip, self._cutout = flip, cutout
        self._finish = EvalTransform(settings)

    def __call__(self, image: Image.Image) -> NDArray[np.float32]:
        """Return one random variant ``(3, S, S)`` of an RGB image of any size."""
        import torch

        side = self._finish.settings.size
        square = self._augment(self._finish.square(image))
        flip, x, y, *color = torch.rand(6).tolist()
        if flip < self._flip:
            square = square.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        half = self._cutout / 2
        if half:
            edges = (x - half, y - half, x + half, y + half)
            left, top, right, bottom = (round(side * edge) for edge in edges)
            red, green, blue = (int(256 * value) for value in color)
            square.paste((red, green, blue), (left, top, right, bottom))  # clipped by Pillow
        return normalize(np.asarray(square), self._finish.settings)
