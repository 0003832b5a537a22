"""From a decoded image to the network input, in training and in prediction.

The evaluation path uses Pillow and numpy only, so that prediction needs no torch. Letters: S input
size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imlgcn.activation_maps import Region
from imlgcn.data.image_input import ImageLike, as_image
from imlgcn.image_settings import ImageSettings

WHITE = (255, 255, 255)
RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def load_input(source: ImageLike, settings: ImageSettings) -> NDArray[np.uint8]:
    """Return the network input ``(S, S, 3)``, uint8, of an image in any accepted form."""
    return EvalTransform(settings)(as_image(source, size=settings.size, fit=settings.fit))


def normalize(pixels: NDArray[np.uint8], settings: ImageSettings) -> NDArray[np.float32]:
    """Return ``(value / 255 - mean) / std`` of pixels ``(..., S, S, 3)`` as ``(..., 3, S, S)``.

    `imlgcn.models.PixelInput` computes the same, bit for bit, as the first layer of a network.
    """
    scale, offset = scale_and_offset(settings)
    planes = np.ascontiguousarray(np.moveaxis(pixels, -1, -3))  # numpy is slow on strided pixels
    return planes * scale[:, None, None] + offset[:, None, None]


def scale_and_offset(settings: ImageSettings) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the factor and the offset that normalise a pixel value, per channel (3,)."""
    mean, std = np.array(settings.mean), np.array(settings.std)
    return (1 / (255 * std)).astype(np.float32), (-mean / std).astype(np.float32)


class EvalTransform:
    """Resize an RGB image to the network input of 8-bit pixels that every engine takes.

    ``fit="pad"`` keeps the aspect ratio and centres the image on white; ``"squash"`` ignores it.

    Shape:
        - output ``(S, S, 3)``, uint8, C-contiguous
    """

    def __init__(self, settings: ImageSettings) -> None:
        self.settings = settings

    def __call__(self, image: Image.Image) -> NDArray[np.uint8]:
        """Return the pixels ``(S, S, 3)`` of an RGB image of any size."""
        return np.array(self.resize_and_pad(image))  # a copy: torch needs writable memory

    def resize_and_pad(self, image: Image.Image) -> Image.Image:
        """Return the resized image, centred on white, of the input size."""
        image, size = self.resize(image), self.settings.size
        if image.size == (size, size):
            return image
        padded = Image.new("RGB", (size, size), WHITE)
        padded.paste(image, ((size - image.width) // 2, (size - image.height) // 2))
        return padded

    def region(self, size: tuple[int, int]) -> Region:
        """Return the region of the network input that an image of ``size`` (w, h) occupies."""
        width, height = self._fitted(size)
        S = self.settings.size
        left, top = (S - width) // 2, (S - height) // 2
        return Region(left / S, top / S, (left + width) / S, (top + height) / S)

    def _fitted(self, size: tuple[int, int]) -> tuple[int, int]:
        S = self.settings.size
        if self.settings.fit == "squash":
            return S, S
        longest = max(size)
        width, height = (max(1, round(length * S / longest)) for length in size)
        return width, height

    def resize(self, image: Image.Image) -> Image.Image:
        """Return the image at the input size (squash) or as large as fits into it (pad)."""
        width, height = self._fitted(image.size)
        filter_ = RESAMPLING[self.settings.interpolation]
        # a 12-megapixel image is first averaged over whole blocks: 7 times as fast, 2 levels of 255
        # apart
        return image.resize((width, height), filter_, reducing_gap=3.0)


class TrainTransform:
    """Augmented network input: resize, RandAugment, horizontal flip, cutout, normalise.

    RandAugment is Cubuk et al. (2020), https://arxiv.org/abs/1909.13719, with its usual defaults;
    cutout is that of the published ASL training: a box of one random colour, ``cutout`` times the
    image's width and height, centred anywhere. Random numbers come from torch's global generator.

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

        # rotation and translation uncover the colour of the padding; black on squashed photographs
        fill = list(WHITE) if settings.fit == "pad" else None
        self._augment = RandAugment(num_ops, magnitude, fill=fill)
        self._flip, self._cutout = flip, cutout
        self._finish = EvalTransform(settings)

    def __call__(self, image: Image.Image) -> NDArray[np.float32]:
        """Return one augmented input ``(3, S, S)`` of an RGB image of any size."""
        import torch

        S = self._finish.settings.size
        augmented = self._augment(self._finish.resize_and_pad(image))
        flip, x, y, *color = torch.rand(6).tolist()
        if flip < self._flip:
            augmented = augmented.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        half = self._cutout / 2
        if half:
            edges = (x - half, y - half, x + half, y + half)
            left, top, right, bottom = (round(S * edge) for edge in edges)
            red, green, blue = (int(256 * value) for value in color)
            augmented.paste((red, green, blue), (left, top, right, bottom))  # clipped by Pillow
        return normalize(np.asarray(augmented), self._finish.settings)
