"""A sparse matrix, row by row, for counts and graphs of many labels; in numpy alone.

Shapes: R rows, K columns, E stored entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from imlgcn.errors import InputError

MANY_LABELS = 1_000  # above it counts of pairs and graphs are sparse; below, a dense one is small
PARTS = ("starts", "columns", "values")


@dataclass(frozen=True, eq=False)
class SparseMatrix:
    """Compressed rows (CSR): row r has the entries from ``starts[r]`` up to ``starts[r + 1]``.

    Attributes:
        shape: R, K.
        starts: int64 ``(R + 1,)``, from 0 to E.
        columns: int32 ``(E,)``, ascending within a row, each at most once.
        values: ``(E,)``; every entry that is not stored is 0.

    >>> matrix = SparseMatrix.from_dense(np.array([[0, 7], [0, 0], [5, 6]]))
    >>> matrix.starts.tolist(), matrix.columns.tolist(), matrix.values.tolist()
    ([0, 1, 1, 3], [1, 0, 1], [7, 5, 6])
    """

    shape: tuple[int, int]
    starts: NDArray[np.int64]
    columns: NDArray[np.int32]
    values: NDArray[Any]

    @classmethod
    def from_dense(cls, dense: NDArray[Any]) -> Self:
        """Return a dense ``(R, K)`` as a sparse matrix of the same type of numbers."""
        rows, columns = np.nonzero(dense)
        return cls.from_entries(rows, columns, dense[rows, columns], dense.shape)

    @classmethod
    def from_entries(
        cls,
        rows: NDArray[Any],
        columns: NDArray[Any],
        values: NDArray[Any],
        shape: tuple[int, ...],
    ) -> Self:
        """Return the matrix of entries ``(E,)`` in any order, of which no two are at one place."""
        R, K = shape
        order = np.argsort(rows.astype(np.int64) * K + columns)
        starts = np.zeros(R + 1, np.int64)
        np.cumsum(np.bincount(rows, minlength=R), out=starts[1:])
        return cls((R, K), starts, columns[order].astype(np.int32), values[order])

    @property
    def rows(self) -> NDArray[np.int64]:
        """The row of each entry, ``(E,)``."""
        return np.repeat(np.arange(self.shape[0]), np.diff(self.starts))

    def dense(self) -> NDArray[Any]:
        """Return the matrix with its zeros, ``(R, K)``."""
        dense = np.zeros(self.shape, self.values.dtype)
        dense[self.rows, self.columns] = self.values
        return dense

    def row(self, index: int) -> NDArray[Any]:
        """Return one row with its zeros, ``(K,)``."""
        dense = np.zeros(self.shape[1], self.values.dtype)
        part = slice(self.starts[index], self.starts[index + 1])
        dense[self.columns[part]] = self.values[part]
        return dense

    def take_rows(self, rows: NDArray[Any]) -> Self:
        """Return the rows of these numbers, in that order; a row may occur twice."""
        begins = self.starts[:-1][rows]  # whatever is done here takes as long as the rows, not all
        lengths = self.starts[1:][rows] - begins
        starts = np.concatenate([[0], np.cumsum(lengths)])
        entries = np.arange(starts[-1]) + np.repeat(begins - starts[:-1], lengths)
        shape = (len(begins), self.shape[1])
        return type(self)(shape, starts, self.columns[entries], self.values[entries])

    def take_columns(self, columns: NDArray[Any]) -> Self:
        """Return the columns of these numbers, in that order, each at most once."""
        place = np.full(self.shape[1], -1, np.int64)
        place[columns] = np.arange(len(columns))
        kept = place[self.columns] >= 0
        shape = (self.shape[0], len(columns))
        return type(self).from_entries(
            self.rows[kept], place[self.columns[kept]], self.values[kept], shape
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return starts, columns and values by name, for a file."""
        return {part: getattr(self, part) for part in PARTS}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], shape: tuple[int, int]) -> Self:
        """Return the matrix of :meth:`to_arrays`.

        Raises:
            InputError: the arrays do not describe a matrix of that shape.
        """
        starts, columns, values = (arrays[part] for part in PARTS)
        fits = (
            starts.shape == (shape[0] + 1,)
            and starts[0] == 0
            and (np.diff(starts) >= 0).all()
            and columns.shape == values.shape == (starts[-1],)
            and (not len(columns) or (columns.min() >= 0 and columns.max() < shape[1]))
        )
        if not fits:
            raise InputError(f"a stored sparse matrix of shape {shape} is damaged; copy it again")
        return cls(shape, starts.astype(np.int64), columns.astype(np.int32), values)
