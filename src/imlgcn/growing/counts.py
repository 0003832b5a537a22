"""Counts of label pairs when labels are added, or several become one.

Of many labels they stay sparse: a label that is added costs a row and a column, labels that are
merged the pairs that occur. Shapes: N images, L labels, A labels that are counted anew, a of them
at once, G groups of labels, K columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.labels.context import Counts, LabelContext
from imlgcn.labels.known import PairCounts
from imlgcn.labels.on_demand import stored
from imlgcn.labels.sparse import MANY_LABELS, SparseMatrix
from imlgcn.labels.sparse_pairs import OffsetMatrix

LABELS_PER_BLOCK = 256  # whose rows and columns are dense at once: 80 MB of 10,000 labels
TARGETS_PER_BLOCK = 2**23  # that are numbers at once
CountArray = NDArray[np.int64]


def widened_counts(
    old: LabelContext, names: Sequence[str], fresh: CountArray, targets: NDArray[np.int8]
) -> LabelContext:
    """Return the counts with those of the labels ``fresh`` ``(A,)``, new ones or known anew.

    Args:
        old: counts of the first labels.
        names: L, those of ``old`` and then new ones.
        fresh: places in ``names``, all new ones among them.
        targets: ``(N, L)``; a fresh label is counted over the images where it is known.
    """
    L = len(names)
    tables = [_table(counts, L, fresh) for counts in PairCounts.from_context(old)]
    for start in range(0, len(fresh), LABELS_PER_BLOCK):
        labels = fresh[start : start + LABELS_PER_BLOCK]
        for table, (rows, columns) in zip(tables, _count(targets, labels), strict=True):
            table.put(labels, rows, columns)
    both, shown, known = (table.counts() for table in tables)
    occurrences = np.pad(old.occurrences, (0, L - len(old.occurrences)))
    occurrences[fresh] = (targets[:, fresh] == 1).sum(axis=0)
    return LabelContext(
        tuple(names), both, occurrences, old.num_images, shown_where_known=shown, known_pairs=known
    )


class _Strips(NamedTuple):
    """Counts of some labels given each, and of each given some, both ``(a, L)``."""

    rows: CountArray
    columns: CountArray


def _count(targets: NDArray[np.int8], labels: CountArray) -> tuple[_Strips, _Strips, _Strips]:
    """Return the rows and columns of the three tables of `PairCounts`."""
    shape = len(labels), targets.shape[1]
    both, shown, given, known = (np.zeros(shape, np.int64) for _ in range(4))
    step = max(1, TARGETS_PER_BLOCK // shape[1])
    for start in range(0, len(targets), step):
        block = targets[start : start + step]  # sums of ones are exact in float32 up to 2**24
        is_known, present = (block >= 0).astype(np.float32), (block == 1).astype(np.float32)
        of_known, of_present = is_known[:, labels].T, present[:, labels].T  # (a, n)
        both += (of_present @ present).astype(np.int64)
        shown += (of_known @ present).astype(np.int64)
        given += (of_present @ is_known).astype(np.int64)
        known += (of_known @ is_known).astype(np.int64)
    return _Strips(both, both), _Strips(shown, given), _Strips(known, known)


def _table(counts: Counts, L: int, fresh: CountArray) -> _Dense | _Sparse:
    """Return a table of L labels to fill, as dense or as sparse as the counts are."""
    if isinstance(counts, np.ndarray) and counts.strides[0] == 0 and L > MANY_LABELS:
        counts = _broadcast(counts)
    if isinstance(counts, np.ndarray):
        return _Dense(np.pad(counts, (0, L - len(counts))))
    return _Sparse(counts, L, fresh)


def _broadcast(counts: CountArray) -> OffsetMatrix:
    """Return counts of which all rows are the same, as those of data without unknown targets."""
    nothing = np.zeros(0, np.int64)
    entries = SparseMatrix.from_entries(nothing, nothing, nothing, counts.shape)
    return OffsetMatrix(np.zeros(len(counts), np.int64), counts[0].copy(), entries)


class _Dense:
    def __init__(self, table: CountArray) -> None:
        self._table = table

    def put(self, labels: CountArray, rows: CountArray, columns: CountArray) -> None:
        self._table[labels], self._table[:, labels] = rows, columns.T

    def counts(self) -> Counts:
        return self._table


class _Sparse:
    """Counts but those of fresh labels, whose offsets are 0."""

    def __init__(self, counts: SparseMatrix | OffsetMatrix, L: int, fresh: CountArray) -> None:
        before, self._offset = counts.shape[0], isinstance(counts, OffsetMatrix)
        self._is_fresh = np.zeros(L, bool)
        self._is_fresh[fresh] = True
        self._rows, self._columns = np.zeros(L, np.int64), np.zeros(L, np.int64)
        if isinstance(counts, OffsetMatrix):
            self._rows[:before], self._columns[:before] = counts.rows, counts.columns
        self._rows[fresh] = self._columns[fresh] = 0
        entries = counts.entries if isinstance(counts, OffsetMatrix) else counts
        rows = entries.rows
        kept = ~(self._is_fresh[rows] | self._is_fresh[entries.columns])
        self._found = [(rows[kept], entries.columns[kept], entries.values[kept])]

    def put(self, labels: CountArray, rows: CountArray, columns: CountArray) -> None:
        left = rows - self._columns  # (a, L)
        above = np.where(self._is_fresh, 0, columns - self._rows)  # of fresh ones: in their rows
        row, column = np.nonzero(left)
        self._found.append((labels[row], column.astype(np.int32), left[row, column]))
        column, row = np.nonzero(above)
        self._found.append((row, labels[column].astype(np.int32), above[column, row]))

    def counts(self) -> Counts:
        rows, columns, values = (np.concatenate(parts) for parts in zip(*self._found, strict=True))
        L = len(self._is_fresh)
        entries = SparseMatrix.from_entries(rows, columns, values, (L, L))
        return OffsetMatrix(self._rows, self._columns, entries) if self._offset else entries


def merged_counts(
    old: LabelContext, names: Sequence[str], groups: Sequence[Sequence[int]]
) -> LabelContext:
    """Return counts of labels that are one or several of the old ones: the largest they can be.

    They are sums, and at most what the label itself has: how often several of a group are on one
    image is not known.
    """
    members = [sorted(set(group)) for group in groups]
    counts = np.array([old.occurrences[group].sum() for group in members], np.int64)
    counts = np.minimum(counts, old.num_images)
    pairs = _summed(_transposed(_summed(_transposed(old.sparse_pairs), members)), members)
    rows, columns = pairs.rows, pairs.columns
    values = np.minimum(pairs.values, np.minimum(counts[rows], counts[columns]))
    other, own = rows != columns, np.flatnonzero(counts)
    pairs = SparseMatrix.from_entries(
        np.concatenate([rows[other], own]),
        np.concatenate([columns[other], own]),
        np.concatenate([values[other], counts[own]]),
        pairs.shape,
    )
    few = isinstance(stored(old, "pair_counts"), SparseMatrix)
    return LabelContext(tuple(names), pairs if few else pairs.dense(), counts, old.num_images)


def _transposed(matrix: SparseMatrix) -> SparseMatrix:
    shape = matrix.shape[::-1]
    return SparseMatrix.from_entries(matrix.columns, matrix.rows, matrix.values, shape)


def _summed(matrix: SparseMatrix, groups: Sequence[Sequence[int]]) -> SparseMatrix:
    """Return the sums of groups of rows, ``(G, K)``."""
    taken = matrix.take_rows(np.array([row for group in groups for row in group], np.int64))
    owner = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    K = matrix.shape[1]
    keys, places = np.unique(owner[taken.rows] * K + taken.columns, return_inverse=True)
    values = np.zeros(len(keys), np.int64)
    np.add.at(values, places, taken.values)
    rows, columns = np.divmod(keys, K)
    return SparseMatrix.from_entries(rows, columns, values, (len(groups), K))
