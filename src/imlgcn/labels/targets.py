"""Targets of many images and labels, which would not fit into memory as a matrix.

Shapes: N images, L labels, E entries, B images of a batch.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imlgcn.errors import InputError
from imlgcn.labels.sparse import MANY_LABELS, SparseMatrix

IMAGES_PER_BLOCK = 8192
ENTRIES_PER_BLOCK = 2**20  # that are compared at once: what the cache of a processor holds
ROWS_OF_BYTES = 255  # whose sums fit into a byte: ten times as fast as longer ones
MOST_DENSE = 2**34  # entries, a byte each
ENTRIES_PER_LABEL = 40  # see Targets.are_few


@dataclass(frozen=True, eq=False)
class Targets:
    """Targets ``(N, L)`` as entries that differ from what the rest of their image is.

    An image of which all labels are known has ``rest`` 0 and an entry for each present label (and
    -1 for each unknown one); an image of which a few labels were verified has ``rest`` -1 and an
    entry for each of these. An image with 8 labels takes about 50 bytes, whatever L is.

    Attributes:
        entries: sparse ``(N, L)`` of int8: the target + 1 - ``rest`` of its image is never stored;
            see :attr:`values` for the targets.
        rest: int8 ``(N,)``, 0 absent or -1 unknown: all targets of an image but its entries.

    >>> targets = Targets.from_dense(np.array([[1, 0, 0], [-1, 0, -1]], np.int8))
    >>> targets.rest.tolist(), targets.entries.columns.tolist(), targets.entries.values.tolist()
    ([0, -1], [0, 1], [1, 0])
    >>> targets[[1]].tolist()
    [[-1, 0, -1]]
    """

    entries: SparseMatrix
    rest: NDArray[np.int8]

    @classmethod
    def from_dense(cls, targets: NDArray[np.int8]) -> Self:
        """Return dense targets ``(N, L)`` as sparse ones; by blocks, so the matrix may be a map."""
        refuse_strange(targets)
        L = targets.shape[1]
        rest = np.zeros(len(targets), np.int8)
        lengths: list[NDArray[np.int64]] = [np.zeros(1, np.int64)]
        columns: list[NDArray[np.int32]] = [np.zeros(0, np.int32)]
        values: list[NDArray[np.int8]] = [np.zeros(0, np.int8)]
        for start in range(0, len(targets), IMAGES_PER_BLOCK):
            block = targets[start : start + IMAGES_PER_BLOCK]
            unknown = (block == -1).sum(axis=1) > L / 2
            rest[start : start + len(block)] = -1 * unknown
            row, column = np.nonzero(block != -1 * unknown[:, None])
            lengths.append(np.bincount(row, minlength=len(block)))
            columns.append(column.astype(np.int32))
            values.append(np.asarray(block[row, column], np.int8))
        starts = np.cumsum(np.concatenate(lengths))
        joined = np.concatenate(columns), np.concatenate(values)
        return cls(SparseMatrix((len(targets), L), starts, *joined), rest)

    @classmethod
    def from_rows(cls, rows: Iterable[tuple[int, Mapping[int, int]]], num_labels: int) -> Self:
        """Return the targets of images that each give ``rest`` and the targets of some labels.

        >>> Targets.from_rows([(0, {2: 1}), (-1, {1: 0, 0: 1})], 3)[:].tolist()
        [[0, 0, 1], [1, 0, -1]]
        """
        starts, columns, values, rests = array("q", [0]), array("i"), array("b"), array("b")
        for rest, given in rows:
            chosen = sorted(column for column, value in given.items() if value != rest)
            columns.extend(chosen)
            values.extend([given[column] for column in chosen])
            starts.append(len(columns))
            rests.append(rest)
        entries = SparseMatrix(
            (len(rests), num_labels),
            np.frombuffer(starts, np.int64),
            np.frombuffer(columns, np.int32) if columns else np.zeros(0, np.int32),
            np.frombuffer(values, np.int8) if values else np.zeros(0, np.int8),
        )
        return cls(entries, np.array(rests, np.int8))

    def __len__(self) -> int:
        return len(self.rest)

    @property
    def shape(self) -> tuple[int, int]:
        """N, L."""
        return self.entries.shape

    @property
    def ndim(self) -> int:
        """Two, as of a matrix."""
        return 2

    def __getitem__(self, rows: int | slice | ArrayLike) -> NDArray[np.int8]:
        """Return the targets of a batch, dense ``(B, L)``; of one image ``(L,)``."""
        one = not isinstance(rows, slice) and np.ndim(rows) == 0
        part = self.select(np.atleast_1d(np.asarray(rows)) if one else rows)
        dense = np.repeat(part.rest[:, None], self.shape[1], axis=1)
        dense[part.entries.rows, part.entries.columns] = part.entries.values
        return dense[0] if one else dense

    def select(self, rows: slice | ArrayLike) -> Targets:
        """Return the targets of some images, still sparse."""
        chosen = np.arange(len(self))[rows] if isinstance(rows, slice) else np.asarray(rows)
        return Targets(self.entries.take_rows(chosen), self.rest[chosen])

    def select_labels(self, columns: ArrayLike) -> Targets:
        """Return the targets of some labels, in that order, still sparse."""
        return Targets(self.entries.take_columns(np.asarray(columns)), self.rest)

    def column(self, label: int) -> NDArray[np.int8]:
        """Return the targets of one label, ``(N,)``."""
        found = self.rest.copy()
        where = np.flatnonzero(self.entries.columns == label)
        found[np.searchsorted(self.entries.starts, where, side="right") - 1] = self.entries.values[
            where
        ]
        return found

    def dense(self) -> NDArray[np.int8]:
        """Return all targets, ``(N, L)``, a byte each.

        Raises:
            InputError: they would take more than 16 GiB.
        """
        N, L = self.shape
        if N * L > MOST_DENSE:
            raise InputError(
                f"the targets of {N:,} images x {L:,} labels take {N * L / 1e9:,.0f} GB as a "
                "matrix, which this step needs; give it fewer images (a split, or a sample)"
            )
        return self[:]

    @property
    def occurrences(self) -> NDArray[np.int64]:
        """Number of images with each label, ``(L,)``."""
        present = self.entries.columns[self.entries.values == 1]
        return np.bincount(present, minlength=self.shape[1]).astype(np.int64)

    @property
    def absences(self) -> NDArray[np.int64]:
        """Number of images that are known not to have each label, ``(L,)``."""
        L, of_rest = self.shape[1], self.rest[self.entries.rows] == 0
        others = np.bincount(self.entries.columns[of_rest], minlength=L)
        listed = np.bincount(self.entries.columns[self.entries.values == 0], minlength=L)
        return np.asarray((self.rest == 0).sum() - others + listed, np.int64)

    @property
    def are_few(self) -> bool:
        """Whether pairs of entries are cheaper to count one by one than by a product of matrices.

        A pair takes as long as some thousand multiplications of a product: so up to L / 40 entries
        an image.
        """
        return len(self.entries.values) * ENTRIES_PER_LABEL <= self.shape[0] * self.shape[1]

    @property
    def all_known(self) -> bool:
        """Whether no target is unknown."""
        L = self.shape[1]
        partly = np.diff(self.entries.starts)[self.rest < 0] < L
        return not ((self.entries.values < 0).any() or partly.any())


def all_known(targets: TargetArray) -> bool:
    """Return whether no target is unknown."""
    return targets.all_known if isinstance(targets, Targets) else bool((targets >= 0).all())


def few_entries(targets: TargetArray) -> Targets | None:
    """Return targets of many labels as :class:`Targets` where these are few, else None.

    A matrix of up to 1,000 labels is none of them: it is counted as ever.
    """
    if not isinstance(targets, Targets):
        if targets.ndim != 2 or targets.shape[1] <= MANY_LABELS:
            return None
        targets = Targets.from_dense(targets)
    return targets if targets.are_few else None


def refuse_strange(targets: TargetArray) -> None:
    """Raise `InputError` unless targets are ``(N, L)`` of 1, 0 and -1."""
    if targets.ndim != 2:
        raise InputError(f"targets must have shape (images, labels); got {targets.shape}")
    for start in range(0, len(targets), IMAGES_PER_BLOCK):
        block = targets[start : start + IMAGES_PER_BLOCK]
        strange = block[~np.isin(block, (1, 0, -1))]
        if strange.size:
            raise InputError(
                f"targets must be 1 (present), 0 (absent) or -1 (unknown); got {strange[0]}"
            )


def occurrences_and_absences(targets: TargetArray) -> NDArray[np.int64]:
    """Return the number of images with each label, and of those known not to have it, ``(2, L)``.

    >>> occurrences_and_absences(np.array([[1, 0], [1, -1]], np.int8)).tolist()
    [[2, 0], [0, 1]]
    """
    if isinstance(targets, Targets):
        return np.stack([targets.occurrences, targets.absences])
    counts = np.zeros((2, targets.shape[1]), np.int64)
    for start in range(0, len(targets), ROWS_OF_BYTES):
        block = targets[start : start + ROWS_OF_BYTES]
        for count, value in zip(counts, (1, 0), strict=True):
            count += (block == value).view(np.uint8).sum(axis=0, dtype=np.uint8)
    return counts


def present_entries(
    targets: TargetArray | NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return image and label of each present entry of targets ``(N, L)``, image by image.

    >>> [part.tolist() for part in present_entries(np.array([[0, 1], [1, -1]], np.int8))]
    [[0, 1], [1, 0]]
    """
    if isinstance(targets, Targets):
        present = targets.entries.values == 1
        return targets.entries.rows[present], targets.entries.columns[present].astype(np.int64)
    N, L = targets.shape
    step = max(1, ENTRIES_PER_BLOCK // max(L, 1))
    found = [  # of a flat block: some ten times as fast as of a matrix
        np.flatnonzero(targets[start : start + step] == 1) + start * L
        for start in range(0, max(N, 1), step)
    ]
    image, label = np.divmod(np.concatenate(found), max(L, 1))
    return image, label


TargetArray = NDArray[np.int8] | Targets
