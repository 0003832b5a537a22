"""The label graph of many labels: the steps of :mod:`imlgcn.labels.graph` on pairs that occur.

Shapes: L labels, E edges. ``[i, j]`` always reads "from label i to label j".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imlgcn.errors import InputError
from imlgcn.labels.graph import COLUMN_SUM_OFFSET, check_graph_options
from imlgcn.labels.sparse import SparseMatrix


def build_sparse_adjacency(
    pair_counts: SparseMatrix,
    occurrences: NDArray[np.int64],
    *,
    threshold: float = 0.4,
    self_weight: float = 0.8,
    zero_diagonal: bool = True,
) -> SparseMatrix:
    """Return :func:`imlgcn.labels.graph.build_adjacency` of sparse counts, float32 ``(L, L)``.

    An image of k labels leaves each of them at most (k - 1) / threshold neighbours on average, so
    that the edges grow with L, not with its square.

    Raises:
        InputError: counts of other shape, or an option out of range.

    >>> counts = SparseMatrix.from_dense(np.array([[8, 4], [4, 5]]))
    >>> print(build_sparse_adjacency(counts, np.array([8, 5])).dense().round(3))
    [[0.8 0.2]
     [0.2 0.8]]
    """
    check_graph_options(threshold, self_weight)
    L = len(occurrences)
    if pair_counts.shape != (L, L):
        raise InputError(
            f"pair counts of {L} labels must have shape ({L}, {L}); got {pair_counts.shape}"
        )
    i, j = pair_counts.rows, pair_counts.columns
    edge = pair_counts.values / np.maximum(occurrences[i], 1) >= threshold
    if zero_diagonal:
        edge &= i != j
    i, j = i[edge], j[edge].astype(np.int64)
    p = 1 - self_weight
    incoming = np.bincount(j, minlength=L).astype(np.float64) + COLUMN_SUM_OFFSET  # (L,)
    weights = 1.0 / incoming[j] * (p / (1 - p))
    loops = np.zeros(L)
    loops[i[i == j]] = weights[i == j]
    others = i != j
    own = np.arange(L)
    i, j = np.concatenate([i[others], own]), np.concatenate([j[others], own])
    reweighted = np.concatenate([weights[others], loops + 1]).astype(np.float32)  # A'_ij
    scale = np.bincount(i, reweighted, minlength=L).astype(np.float32) ** -0.5
    return SparseMatrix.from_entries(j, i, reweighted * scale[j] * scale[i], (L, L))
