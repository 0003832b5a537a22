"""Counts of label pairs that need no ``L x L`` numbers: compressed rows of what occurs.

Of 10,000 labels most pairs never occur together; as a matrix their counts would be 800 MB. Up to
:data:`DENSE` labels counts are plain arrays, above :class:`SparseCounts`; the functions here read
both. Letters: L labels, K pairs that occur, n chosen labels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from imlgcn.config import InputError

DENSE = 1_000  # labels up to which counts are a plain array: 8 MB
STARTS, COLUMNS, VALUES = ".starts", ".columns", ".values"  # of stored arrays

CountArray = NDArray[np.int64]


class Entries(NamedTuple):
    """The counts above 0, ordered by row and column; each ``(K,)``."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: CountArray


class SparseCounts:
    """Counts ``(L, L)`` of which only those above 0 are kept, row by row.

    ``np.asarray`` makes the whole matrix of it.

    Args:
        starts: int64 ``(L + 1,)``, where each row begins in the other two, and their length.
        columns, values: ``(K,)``; the columns of a row rise.

    Raises:
        InputError: arrays that are no such counts.
    """

    def __init__(
        self, starts: NDArray[np.integer], columns: NDArray[np.integer], values: NDArray[np.integer]
    ) -> None:
        L = len(starts) - 1
        whole = len(columns) == len(values) == (starts[-1] if L >= 0 else -1)
        if not whole or starts[0] or (np.diff(starts) < 0).any():
            raise InputError("the counts of label pairs are damaged: rows do not fit their entries")
        if len(columns) and not (0 <= columns.min() and columns.max() < L and values.min() >= 0):
            raise InputError(f"the counts of label pairs are damaged: not of {L} labels")
        self.starts = starts.astype(np.int64)
        self.columns = columns.astype(np.int32)
        self.values = values.astype(np.int32 if _fits(values) else np.int64)

    @classmethod
    def of(cls, counts: CountArray | SparseCounts) -> SparseCounts:
        """Return counts as sparse ones.

        >>> SparseCounts.of(np.array([[4, 0], [0, 2]])).values.tolist()
        [4, 2]
        """
        if isinstance(counts, SparseCounts):
            return counts
        rows, columns = np.nonzero(counts)
        return cls.from_entries(rows, columns, counts[rows, columns], len(counts))

    @classmethod
    def from_entries(
        cls,
        rows: NDArray[np.integer],
        columns: NDArray[np.integer],
        values: NDArray[np.integer],
        num_labels: int,
    ) -> SparseCounts:
        """Return counts of entries ``(K,)`` in any order, each pair once."""
        order = np.lexsort((columns, rows))
        starts = np.searchsorted(rows[order], np.arange(num_labels + 1))
        return cls(starts, columns[order], values[order])

    @property
    def shape(self) -> tuple[int, int]:
        """``(L, L)``."""
        return (len(self.starts) - 1,) * 2

    @property
    def rows(self) -> NDArray[np.int64]:
        """The row of each entry ``(K,)``."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __array__(self, dtype: DTypeLike = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the whole matrix, int64 unless another ``dtype`` is wanted."""
        rows, columns, values = self.entries()
        whole = np.zeros(self.shape, np.int64 if dtype is None else dtype)
        whole[rows, columns] = values
        return whole

    def row(self, label: int) -> CountArray:
        """Return one row ``(L,)``."""
        own = slice(*self.starts[label : label + 2])
        found = np.zeros(len(self), np.int64)
        found[self.columns[own]] = self.values[own]
        return found

    def column(self, label: int) -> CountArray:
        """Return one column ``(L,)``."""
        here = np.flatnonzero(self.columns == label)
        found = np.zeros(len(self), np.int64)
        found[np.searchsorted(self.starts, here, side="right") - 1] = self.values[here]
        return found

    def diagonal(self) -> CountArray:
        """Return the count of each label with itself ``(L,)``."""
        rows, columns, values = self.entries()
        found = np.zeros(len(self), np.int64)
        found[rows[rows == columns]] = values[rows == columns]
        return found

    def entries(self) -> Entries:
        """Return the counts above 0."""
        return Entries(self.rows, self.columns.astype(np.int64), self.values.astype(np.int64))


Counts = CountArray | SparseCounts


def row_of(counts: Counts, label: int) -> CountArray:
    """Return one row ``(L,)`` of counts."""
    return counts.row(label) if isinstance(counts, SparseCounts) else counts[label]


def column_of(counts: Counts, label: int) -> CountArray:
    """Return one column ``(L,)`` of counts."""
    return counts.column(label) if isinstance(counts, SparseCounts) else counts[:, label]


def entries_of(counts: Counts) -> Entries:
    """Return the counts above 0 of either kind.

    >>> entries_of(np.array([[2, 0], [1, 0]])).columns.tolist()
    [0, 0]
    """
    if isinstance(counts, SparseCounts):
        return counts.entries()
    rows, columns = np.nonzero(counts > 0)
    return Entries(rows, columns, counts[rows, columns])


def block_of(counts: Counts, labels: NDArray[np.integer]) -> Counts:
    """Return the counts ``(n, n)`` of the given labels, in their order, of the same kind.

    >>> block_of(np.array([[3, 1], [2, 5]]), np.array([1, 0])).tolist()
    [[5, 2], [1, 3]]
    """
    if not isinstance(counts, SparseCounts):
        return counts[np.ix_(labels, labels)]
    at = np.full(len(counts), -1, np.int64)
    at[labels] = np.arange(len(labels))
    rows, columns, values = counts.entries()
    kept = (at[rows] >= 0) & (at[columns] >= 0)
    return SparseCounts.from_entries(
        at[rows[kept]], at[columns[kept]], values[kept], num_labels=len(labels)
    )


def no_counts(num_labels: int) -> Counts:
    """Return counts of no image, as they are kept."""
    if num_labels <= DENSE:
        return np.zeros((num_labels, num_labels), np.int64)
    nothing = np.zeros(0, np.int64)
    return SparseCounts(np.zeros(num_labels + 1, np.int64), nothing, nothing)


def compact(counts: Counts) -> Counts:
    """Return counts as they are kept: sparse above :data:`DENSE` labels, else a plain array."""
    if counts.shape[0] > DENSE:
        return SparseCounts.of(counts)
    return counts if isinstance(counts, np.ndarray) else np.asarray(counts)


def store(name: str, counts: Counts) -> dict[str, NDArray[np.integer]]:
    """Return counts as the arrays of a safetensors file; :func:`load` reads them."""
    if isinstance(counts, SparseCounts):
        parts = (counts.starts, counts.columns, counts.values)
        return {name + end: part for end, part in zip((STARTS, COLUMNS, VALUES), parts, strict=True)}
    return {name: np.ascontiguousarray(counts)}


def load(name: str, arrays: Any) -> Counts | None:
    """Return the counts that :func:`store`, or an earlier version, wrote; None if there are none.

    Raises:
        InputError: they are damaged.
    """
    if name in arrays:
        return compact(arrays[name].astype(np.int64))
    parts = [arrays.get(name + end) for end in (STARTS, COLUMNS, VALUES)]
    if any(part is None for part in parts):
        return None
    return compact(SparseCounts(*parts))


def _fits(values: NDArray[np.integer]) -> bool:
    return not len(values) or bool(values.max() <= np.iinfo(np.int32).max)
