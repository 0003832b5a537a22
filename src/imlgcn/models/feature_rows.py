"""Features of many images as a head of closed form takes them: in memory, or still in their files.

Shapes: N images, B of them, C channels, H W map.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from imlgcn.errors import InputError
from imlgcn.models.layers import pool
from imlgcn.models.scorer import Features


class FeatureRows(Protocol):
    """Maps ``(N, C, H, W)``: a tensor, or what gives a tensor of the rows that are asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """N, C, H, W."""
        ...

    def __getitem__(self, rows: Tensor | slice, /) -> Tensor: ...


RowFeatures = Features | FeatureRows | tuple[FeatureRows, ...]


def levels_of(features: RowFeatures) -> tuple[FeatureRows, ...]:
    """Return the maps, deepest last."""
    return features if isinstance(features, tuple) else (features,)


def rows_of(features: RowFeatures, rows: Tensor | slice) -> Features:
    """Return the features of some images, in memory."""
    if isinstance(features, tuple):
        return tuple(level[rows] for level in features)
    return features[rows]


class PooledRows:
    """Means of maps ``(B, C)``, float64 on the CPU, of the rows that are asked for."""

    def __init__(self, level: FeatureRows) -> None:
        self._level, self.channels = level, level.shape[1]

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """Return some rows.

        Raises:
            InputError: they are not finite.
        """
        found = pool(self._level[rows], "avg").cpu().double()
        if not torch.isfinite(found).all():
            raise InputError("the features to fit are not finite: the backbone has overflowed")
        return found
