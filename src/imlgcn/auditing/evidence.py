r"""What the other labels of an image say about a label, from counts of pairs.

.. math::
    e^1_{ic} = \sum_{j \ne c,\, y_{ij} = 1} \log \frac{P(j|c)}{P(j|\bar c)}, \qquad
    e^0_{ic} = \sum_{j \ne c,\, y_{ij} = 0} \log \frac{1 - P(j|c)}{1 - P(j|\bar c)}

with :math:`P(j|c) = (n_{jc} + p_j) / (n_c + 1)`, :math:`P(j|\bar c) = (n_j - n_{jc} + p_j) / (N -
n_c + 1)`. The group of image i is not counted, or its labels would vouch for themselves: in what is
said of the labels that the group has; for others the group changes the counts hardly.

Shapes: N images, L labels, S labels of a group.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.labels.sparse import SparseMatrix
from imlgcn.labels.sparse_pairs import count_sparse_pairs
from imlgcn.labels.targets import few_entries

Floats = NDArray[np.float64]
LABELS_PER_BLOCK = 1024  # about whom all others speak at once: some 80 MB each of 10,000 labels
SMALLEST = 1e-6  # of a probability, and 1 - SMALLEST the largest


class PairEvidence(NamedTuple):
    """Log ratios ``(N, L)`` of the labels that are present, and of those that are absent."""

    present: Floats
    absent: Floats


def pair_evidence(targets: NDArray[np.int8], groups: NDArray[np.int64]) -> PairEvidence:
    """Return what the other labels say for each entry of targets ``(N, L)``: 1, 0, -1 unknown.

    An unknown label says nothing. Images of one number in ``groups`` ``(N,)`` do not count for each
    other.

    >>> targets = np.array([[1, 1], [1, 1], [0, 0], [0, 0], [1, 0]], np.int8)
    >>> pair_evidence(targets, np.arange(5)).present.round(2).tolist()
    [[1.61, 0.69], [1.61, 0.69], [0.0, 0.0], [0.0, 0.0], [0.0, 0.77]]
    """
    present, absent = (targets == 1).astype(np.float64), (targets == 0).astype(np.float64)
    N, occurrences = len(targets), present.sum(axis=0)
    few = few_entries((targets == 1).astype(np.int8))
    pairs = present.T @ present if few is None else count_sparse_pairs(few)
    found = _without_groups(present, absent, pairs, occurrences)
    for rows in _members(groups):
        own = present[rows]
        labels = np.flatnonzero(own.any(axis=0))  # (S,)
        counts = occurrences - own.sum(axis=0)  # (L,)
        left = _columns(pairs, labels) - own.T @ own[:, labels]  # (L, S)
        ones, zeros = _log_ratios(left, counts, counts[labels], N - len(rows))
        itself = labels, np.arange(len(labels))
        ones[itself] = zeros[itself] = 0.0
        found.present[np.ix_(rows, labels)] = own @ ones
        found.absent[np.ix_(rows, labels)] = absent[rows] @ zeros
    return found


def _without_groups(
    present: Floats, absent: Floats, pairs: Floats | SparseMatrix, occurrences: Floats
) -> PairEvidence:
    """Return the evidence by counts of all images; some labels at a time, as ratios are dense."""
    found = PairEvidence(np.empty_like(present), np.empty_like(absent))
    for start in range(0, len(occurrences), LABELS_PER_BLOCK):
        block = np.arange(start, min(start + LABELS_PER_BLOCK, len(occurrences)))
        both = _columns(pairs, block)
        ones, zeros = _log_ratios(both, occurrences, occurrences[block], len(present))
        ones[block, np.arange(len(block))] = zeros[block, np.arange(len(block))] = 0.0
        found.present[:, block], found.absent[:, block] = present @ ones, absent @ zeros
    return found


def _columns(pairs: Floats | SparseMatrix, labels: NDArray[np.intp]) -> Floats:
    """Return some columns of counts, which are their rows as well, ``(L, S)``."""
    if isinstance(pairs, np.ndarray):
        return pairs[:, labels]
    rows = pairs.take_rows(labels)
    columns = np.zeros((pairs.shape[1], len(labels)))
    columns[rows.columns, rows.rows] = rows.values
    return columns


def _log_ratios(pairs: Floats, counts: Floats, given: Floats, images: int) -> tuple[Floats, Floats]:
    """Return the ratios ``(L, S)`` of each label, present and absent, for S that are asked about.

    ``pairs`` ``(L, S)``, ``counts`` ``(L,)`` of the labels that speak, ``given`` ``(S,)``.
    """
    prior = counts[:, None] / max(images, 1)
    with_it = np.clip((pairs + prior) / (given + 1), SMALLEST, 1 - SMALLEST)
    without = (counts[:, None] - pairs + prior) / (images - given + 1)
    without = np.clip(without, SMALLEST, 1 - SMALLEST)
    return np.log(with_it / without), np.log((1 - with_it) / (1 - without))


def _members(groups: NDArray[np.int64]) -> Iterator[NDArray[np.intp]]:
    """Yield the rows of each group."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order])) + 1
    yield from np.split(order, starts) if len(order) else ()
