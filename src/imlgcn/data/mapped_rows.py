"""Rows of features that stay in their files: mapped, and gathered when they are used.

A file that is mapped takes no memory that the system could not have back, so that there may be more
rows than memory. Letters: N images, D numbers of a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class MappedRows:
    """Rows ``(N, ...)`` of several arrays; what is taken by numbers or a slice is in memory.

    Attributes:
        parts: arrays ``(n, D)``, mapped from files.
        part, row: ``(N,)``, where each row is.
        columns: which of the D numbers belong to it.
        tail: their shape.
    """

    parts: Sequence[NDArray[Any]]
    part: NDArray[np.int32]
    row: NDArray[np.int32]
    columns: slice
    tail: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """``(N, ...)``."""
        return (len(self.row), *self.tail)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return 1 + len(self.tail)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the numbers."""
        return self.parts[0].dtype

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, rows: Rows | slice) -> NDArray[Any]:
        """Return some rows, in memory."""
        part, row = self.part[rows], self.row[rows]
        start, stop, _ = self.columns.indices(self.parts[0].shape[1])
        found = np.empty((len(row), stop - start), self.dtype)
        order = np.argsort(part, kind="stable")
        for chunk in np.split(order, np.flatnonzero(np.diff(part[order])) + 1):
            if len(chunk):
                found[chunk] = self.parts[part[chunk[0]]][row[chunk], self.columns]
        return found.reshape(-1, *self.tail)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype)

    def select(self, rows: Rows) -> MappedRows:
        """Return some rows, by their numbers, in that order; they stay where they are."""
        return replace(self, part=self.part[rows], row=self.row[rows])

    def take_columns(self, start: int, stop: int, tail: tuple[int, ...]) -> MappedRows:
        """Return the numbers from ``start`` to ``stop`` of each row, in the shape ``tail``."""
        first = self.columns.indices(self.parts[0].shape[1])[0]
        return replace(self, columns=slice(first + start, first + stop), tail=tail)


def select_rows(values: NDArray[Any] | MappedRows, rows: Rows) -> Any:
    """Return some rows: of an array a copy, of mapped ones the same where they are."""
    return values.select(rows) if isinstance(values, MappedRows) else values[rows]
