"""One row, one column, the diagonal of pair counts, whether they are kept dense or sparse.

So what one label says about all others costs L numbers, not ``L x L``. Letters: L labels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imlgcn.labels.context import Counts
from imlgcn.labels.sparse import SparseMatrix
from imlgcn.labels.sparse_pairs import OffsetMatrix

CountArray = NDArray[np.int64]


def row_of(counts: Counts, label: int) -> CountArray:
    """Return one row ``(L,)`` of counts ``(L, L)``.

    >>> row_of(SparseMatrix.from_dense(np.array([[4, 1], [0, 2]])), 0).tolist()
    [4, 1]
    """
    if isinstance(counts, OffsetMatrix):
        return np.asarray(counts.rows[label] + counts.columns + row_of(counts.entries, label))
    if isinstance(counts, SparseMatrix):
        return np.asarray(counts.row(label), np.int64)
    row: CountArray = counts[label]
    return row


def column_of(counts: Counts, label: int) -> CountArray:
    """Return one column ``(L,)`` of counts ``(L, L)``.

    >>> column_of(SparseMatrix.from_dense(np.array([[4, 1], [0, 2]])), 1).tolist()
    [1, 2]
    """
    if isinstance(counts, OffsetMatrix):
        return np.asarray(counts.rows + counts.columns[label] + column_of(counts.entries, label))
    if isinstance(counts, SparseMatrix):
        here = np.flatnonzero(counts.columns == label)
        found = np.zeros(counts.shape[0], np.int64)
        found[np.searchsorted(counts.starts, here, side="right") - 1] = counts.values[here]
        return found
    column: CountArray = counts[:, label]
    return column


def diagonal_of(counts: Counts) -> CountArray:
    """Return the count of each label with itself ``(L,)``.

    >>> diagonal_of(SparseMatrix.from_dense(np.array([[4, 1], [0, 2]]))).tolist()
    [4, 2]
    """
    if isinstance(counts, OffsetMatrix):
        return counts.rows + counts.columns + diagonal_of(counts.entries)
    if isinstance(counts, SparseMatrix):
        rows = counts.rows
        own = rows == counts.columns
        found = np.zeros(counts.shape[0], np.int64)
        found[rows[own]] = counts.values[own]
        return found
    return counts.diagonal()


def dense(counts: Counts) -> CountArray:
    """Return all counts ``(L, L)``."""
    return counts if isinstance(counts, np.ndarray) else np.asarray(counts.dense(), np.int64)
