"""From a decoded image to network input: float32 ``(3, S, S)``, the same way in training and use.

The evaluation path is Pillow and numpy only, so that prediction needs no torch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imlgcn.config import ImageSettings
from imlgcn.data.images import ImageSource, open_image

WHITE = (255, 255, 255)
RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def load_input(source: ImageSource, settings: ImageSettings) -> NDArray[np.float32]:
    """Decode ``source`` and return the network input ``(3, S, S)``."""
    return EvalTransform(settings)(open_image(source, size=settings.size))


class EvalTransform:
    """Fit an RGB image into a square and normalise it: ``(value / 255 - mean) / std``.

    ``fit="pad"`` keeps the aspect ratio and centres the image on white; ``"squash"`` ignores it.

    Shape:
        - output ``(3, S, S)``, float32, C-contiguous
    """

    def __init__(self, settings: ImageSettings) -> None:
        self.settings = settings
        mean, std = np.array(settings.mean), np.array(settings.std)
        self._scale = (1 / (255 * std)).astype(np.float32)  # (3,)
        self._offset = (-mean / std).astype(np.float32)  # (3,)

    def __call__(self, image: Image.Image) -> NDArray[np.float32]:
        """Return the network input ``(3, S, S)`` for an RGB image of any size."""
        image = self.resize(image)
        side = self.settings.size
        left, top = (side - image.width) // 2, (side - image.height) // 2
        white = np.float32(255) * self._scale + self._offset
        output = np.empty((3, side, side), np.float32)
        if image.size != (side, side):
            output[:] = white[:, None, None]
        for channel, plane in enumerate(image.split()):  # planes: numpy is slow on strided pixels
            inside = output[channel, top : top + image.height, left : left + image.width]
            np.multiply(np.asarray(plane), self._scale[channel], out=inside)
            inside += self._offset[channel]
        return output

    def resize(self, image: Image.Image) -> Image.Image:
        """Return the image as large as the square (squash) or as fits into it (pad)."""
        side = self.settings.size
        width, height = side, side
        if self.settings.fit == "pad":
            longest = max(image.size)
            width, height = (max(1, round(length * side / longest)) for length in image.size)
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
        image = self._finish.resize(image)
        square = Image.new("RGB", (side, side), WHITE)
        square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
        square = self._augment(square)
        flip, x, y, *color = torch.rand(6).tolist()
        if flip < self._flip:
            square = square.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        half = self._cutout / 2
        if half:
            edges = (x - half, y - half, x + half, y + half)
            left, top, right, bottom = (round(side * edge) for edge in edges)
            red, green, blue = (int(256 * value) for value in color)
            square.paste((red, green, blue), (left, top, right, bottom))  # clipped by Pillow
        return self._finish(square)
