"""How an image becomes network input: what a backbone asks for, and a tagger remembers."""

from __future__ import annotations

from typing import Annotated, Literal

from imlgcn.records import Record, Within


class ImageSettings(Record):
    """How an image becomes network input; comes from the backbone and is stored in the tagger."""

    size: Annotated[int, Within(16, 4096)] = 224  # of the network input, in pixels
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    interpolation: Literal["bilinear", "bicubic", "lanczos"] = "bicubic"
    # pad keeps the aspect ratio (clip art, documents); squash is what the papers do on photographs
    fit: Literal["pad", "squash"] = "pad"
