"""What heads take of the features of images: tensors, or rows that stay in their files.

Shapes: B batch, C channels, N images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from imlgcn.data.mapped_rows import MappedRows


@dataclass(frozen=True, eq=False)
class MappedLevel:
    """What a head takes of rows that stay in their files; a tensor of those that are asked for.

    Attributes:
        rows: ``(N, ...)``.
        tail: shape of one in the tensor: ``(C, 1, 1)``, or that of a map.
    """

    rows: MappedRows
    tail: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """``(N, C, H, W)``."""
        return (len(self.rows), *self.tail)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """Return some rows, in memory."""
        wanted = rows.numpy() if isinstance(rows, Tensor) else rows
        return torch.from_numpy(self.rows[wanted]).reshape(-1, *self.tail)


Level = Tensor | MappedLevel
Inputs = Level | tuple[Level, ...]  # one row per image
Batch = Tensor | tuple[Tensor, ...]  # some of them, in memory


def in_memory(inputs: Inputs) -> Batch:
    """Return inputs as tensors."""
    if isinstance(inputs, tuple):
        return tuple(level[:] for level in inputs)
    return inputs[:]


def level_of(values: NDArray[Any] | MappedRows, *tail: int) -> Level:
    """Return rows ``(N, ...)`` as a head takes them, each in the shape ``tail``."""
    if isinstance(values, MappedRows):
        return MappedLevel(values, tail)
    return torch.from_numpy(values).reshape(-1, *tail)
