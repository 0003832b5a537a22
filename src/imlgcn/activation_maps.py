"""Class activation maps: one map per label over the network input. No torch.

Shapes: B batch, L labels, h w map.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

MapKind = Literal["score", "winner", "attention", "occlusion"]

ADDITIVE: tuple[MapKind, ...] = ("score", "winner")
"""Kinds whose mean over the input, plus the label's bias, is the logit."""

NeighbourEffect = Literal["parts", "edges"]

MEANING: dict[MapKind, str] = {
    "score": "what each position adds to the label's score: the mean over the input, plus the "
    "label's bias, is the logit",
    "winner": "what the positions that won the maximum add to the label's score: the mean over the "
    "input, plus the label's bias, is the logit",
    "attention": "how the head's attention for the label is distributed over positions: where the "
    "head looks, not whether that is evidence for or against the label",
    "occlusion": "how far the label's score falls when one position of the feature map is replaced "
    "by the map's mean: measured position by position, so the falls do not add up to the score",
}


class Region(NamedTuple):
    """The part of the network input that shows the image, not padding; fractions of its size."""

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0


@dataclass(frozen=True, eq=False)
class ActivationMaps:
    """Logits and maps of a batch; the meaning of a map is :data:`MEANING` of ``kind``.

    Attributes:
        logits: float32 ``(B, L)``, not calibrated.
        maps: float32 ``(B, L, h, w)`` over the whole input, padding included.
        kind: what the maps are.
        regions: B, where each input shows the image.
    """

    logits: NDArray[np.float32]
    maps: NDArray[np.float32]
    kind: MapKind
    regions: tuple[Region, ...]

    def __iter__(self) -> Iterator[tuple[NDArray[np.float32], Region]]:
        """Yield each image's maps ``(L, h, w)`` and region."""
        return iter(zip(self.maps, self.regions, strict=True))


def inside(region: Region, height: int, width: int) -> NDArray[np.float64]:
    """Return the fraction of each cell ``(height, width)`` that lies in the image.

    >>> inside(Region(0.0, 0.25, 1.0, 0.75), 2, 1)
    array([[0.5],
           [0.5]])
    """
    rows = _covered(region.top, region.bottom, height)
    columns = _covered(region.left, region.right, width)
    return np.outer(rows, columns)


def _covered(start: float, end: float, cells: int) -> NDArray[np.float64]:
    """Return the fraction of each of the cells of an axis (n,) between two positions on it."""
    edges = np.clip(np.arange(cells + 1) / cells, start, end)
    return np.asarray(np.diff(edges) * cells)
