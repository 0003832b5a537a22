"""Label graph of ML-GCN (Chen et al., CVPR 2019), https://arxiv.org/abs/1904.03582.

targets -> co-occurrence counts -> P(j|i) -> threshold -> re-weighting -> normalised adjacency,
as the published code does it (https://github.com/megvii-research/ML-GCN). Where code and paper
disagree the code is followed; each function notes it under "Differs from the paper".

Shapes: N images, L labels. ``[i, j]`` always reads "from label i to label j".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imlgcn.errors import InputError
from imlgcn.labels.sparse import SparseMatrix
from imlgcn.labels.targets import TargetArray, refuse_strange

CountArray = NDArray[np.int64]
Matrix = NDArray[np.float64]

IMAGES_PER_BLOCK = 65_536  # bounds memory; sums of as many ones are exact in float32 (< 2**24)
COLUMN_SUM_OFFSET = 1e-6  # as in the published code: keeps columns without an edge finite


def count_pairs(targets: TargetArray) -> tuple[CountArray, CountArray]:
    r"""Count the images with each label, and with each pair of labels.

    .. math:: M_{ij} = \sum_n [t_{ni} = 1][t_{nj} = 1], \qquad N_i = M_{ii}

    Args:
        targets: ``(N, L)``, 1 present, 0 absent, -1 unknown. Only 1 counts.

    Returns:
        pair counts M, int64 ``(L, L)``, symmetric, with N on its diagonal; occurrences N ``(L,)``.

    Raises:
        InputError: ``targets`` is not two-dimensional or contains another value.

    >>> pairs, occurrences = count_pairs(np.array([[1, 1], [0, 1], [-1, 1]]))
    >>> pairs.tolist(), occurrences.tolist()
    ([[1, 1], [1, 3]], [1, 3])
    """
    refuse_strange(targets)
    L = targets.shape[1]
    pair_counts = np.zeros((L, L), np.int64)
    for start in range(0, len(targets), IMAGES_PER_BLOCK):
        present = (targets[start : start + IMAGES_PER_BLOCK] == 1).astype(np.float32)  # (n, L)
        pair_counts += (present.T @ present).astype(np.int64)
    return pair_counts, pair_counts.diagonal().copy()


def count_known_pairs(targets: TargetArray) -> tuple[CountArray, CountArray]:
    r"""Count, for each pair of labels, the images on which the first, or both, are known.

    .. math:: S_{jc} = \sum_n [t_{nj} \ge 0][t_{nc} = 1], \qquad
              K_{jc} = \sum_n [t_{nj} \ge 0][t_{nc} \ge 0]

    Args:
        targets: ``(N, L)``, 1 present, 0 absent, -1 unknown.

    Returns:
        S and K, int64 ``(L, L)``; N_c and N where every target is known.

    >>> shown, known = count_known_pairs(np.array([[1, 1], [1, -1], [0, 1]]))
    >>> shown.tolist(), known.tolist()
    ([[2, 2], [1, 2]], [[3, 2], [2, 2]])
    """
    L = targets.shape[1]
    counts = np.zeros((2 * L, 2 * L), np.int64)
    for start in range(0, len(targets), IMAGES_PER_BLOCK):
        block = targets[start : start + IMAGES_PER_BLOCK]
        counts += count_pairs(np.concatenate([block >= 0, block == 1], axis=1).astype(np.int8))[0]
    return counts[:L, L:], counts[:L, :L]


def conditional_probability(
    pair_counts: ArrayLike, occurrences: ArrayLike, *, zero_diagonal: bool = True
) -> Matrix:
    r"""Return the fraction of the images with label i that also have label j.

    .. math:: P_{ij} = P(j \mid i) = M_{ij} / N_i

    Args:
        pair_counts: M, ``(L, L)``.
        occurrences: N, ``(L,)``. A label that never occurs gets a row of zeros.
        zero_diagonal: drop the trivial P(i|i) = 1, as the published data files do. If kept, a label
            is its own neighbour and gets more than ``self_weight`` in :func:`reweight`.

    Returns:
        float64 ``(L, L)``, probabilities.

    >>> conditional_probability([[4, 1], [1, 2]], [4, 2]).tolist()
    [[0.0, 0.25], [0.5, 0.0]]
    """
    counts = np.asarray(pair_counts, np.float64)
    occurred = np.asarray(occurrences, np.float64)
    L = len(occurred)
    if counts.shape != (L, L):
        raise InputError(
            f"pair counts of {L} labels must have shape ({L}, {L}); got {counts.shape}"
        )
    # In float64 a probability that equals the threshold stays equal to it.
    conditional = np.divide(
        counts, occurred[:, None], out=np.zeros_like(counts), where=occurred[:, None] > 0
    )
    if zero_diagonal:
        np.fill_diagonal(conditional, 0.0)
    return conditional


def check_graph_options(threshold: float = 0.4, self_weight: float = 0.8) -> None:
    """Raise `InputError` if a threshold or a weight is not above 0 and at most 1."""
    if not 0 < threshold <= 1:
        raise InputError(f"the graph threshold must be above 0 and at most 1; got {threshold}")
    if not 0 < self_weight <= 1:
        raise InputError(f"self_weight must be above 0 and at most 1; got {self_weight}")


def binarize(conditional: Matrix, threshold: float = 0.4) -> Matrix:
    r"""Keep the edges of at least the threshold probability.

    .. math:: A_{ij} = [P_{ij} \ge \tau]

    Args:
        conditional: P, ``(L, L)``.
        threshold: tau, above 0 and at most 1; a probability equal to it is kept. 0.4 suits COCO,
            with 2.9 labels per image; data with many more labels per image needs a higher one.

    Returns:
        float64 ``(L, L)`` of 0 and 1.

    Raises:
        InputError: ``threshold`` is out of range.
    """
    check_graph_options(threshold=threshold)
    return (conditional >= threshold).astype(np.float64)


def reweight(binary: Matrix, self_weight: float = 0.8) -> Matrix:
    r"""Balance a label against its neighbours (Eq. 8 of the paper, after its correction).

    With :math:`p` = 1 - ``self_weight``:

    .. math:: A'_{ij} = \frac{p}{1 - p} \, \frac{A_{ij}}{\sum_k A_{kj} + 10^{-6}} + [i = j]

    So all neighbours that point to j together weigh p / (1 - p) against 1 for j itself: a fraction
    ``self_weight`` of the sum is j's own (all of it if no label points to j). The weights of
    column j become row j in :func:`normalize_adjacency`, which transposes.

    Args:
        binary: A, ``(L, L)``.
        self_weight: fraction of a label itself, above 0 and at most 1 (1 gives the identity).

    Returns:
        float64 ``(L, L)``.

    Raises:
        InputError: ``self_weight`` is out of range.

    Differs from the paper: the paper divides by row sums and gives the label itself 1 - p and its
    neighbours p; the published code divides by column sums, and everything by 1 - p.
    """
    check_graph_options(self_weight=self_weight)
    p = 1 - self_weight
    incoming = binary.sum(axis=0, keepdims=True) + COLUMN_SUM_OFFSET  # (1, L)
    neighbours: Matrix = binary / incoming * (p / (1 - p))
    return neighbours + np.eye(len(binary))


def normalize_adjacency(reweighted: Matrix) -> NDArray[np.float32]:
    r"""Normalise the graph for propagation.

    .. math:: \hat A = D^{-1/2} A'^{\top} D^{-1/2}, \qquad D_{ii} = \sum_j A'_{ij}

    Args:
        reweighted: A', ``(L, L)``; every row must have a positive sum.

    Returns:
        float32 ``(L, L)`` for :math:`\hat A X W`: row j aggregates the labels that point to j.

    Raises:
        InputError: a row sum is not positive.

    Differs from the paper: the paper propagates A', the published code its transpose.
    """
    A: NDArray[np.float32] = np.asarray(reweighted, np.float32)
    row_sums = A.sum(axis=1)
    if not (row_sums > 0).all():
        raise InputError("every row of the graph must have a positive sum; call reweight first")
    scale = row_sums**-0.5  # (L,)
    adjacency: NDArray[np.float32] = A.T * scale[:, None] * scale[None, :]
    return adjacency


def build_adjacency(
    pair_counts: ArrayLike,
    occurrences: ArrayLike,
    *,
    threshold: float = 0.4,
    self_weight: float = 0.8,
    zero_diagonal: bool = True,
) -> NDArray[np.float32]:
    """Return the normalised adjacency of counts, float32 ``(L, L)``: all steps of this module.

    >>> print(build_adjacency([[8, 4], [4, 5]], [8, 5]).round(3))  # each predicts the other
    [[0.8 0.2]
     [0.2 0.8]]
    """
    conditional = conditional_probability(pair_counts, occurrences, zero_diagonal=zero_diagonal)
    return normalize_adjacency(reweight(binarize(conditional, threshold), self_weight))


@dataclass(frozen=True)
class Edge:
    """An edge: a fraction ``probability`` of the images with ``source`` also have ``target``."""

    source: str
    target: str
    probability: float
    count: int

    def __str__(self) -> str:
        images = "image" if self.count == 1 else "images"
        return f"{self.source} -> {self.target} {self.probability:.2f}, {self.count} {images}"


def strongest_rules(
    names: Sequence[str],
    pair_counts: ArrayLike | SparseMatrix,
    occurrences: ArrayLike,
    *,
    threshold: float = 0.4,
) -> list[Edge]:
    """Return every edge of the graph, by probability, then by number of images, descending.

    ``count`` is the number of images with both labels. Edges from a label to itself are left out.

    >>> print(*strongest_rules(["dessert", "food"], [[35, 35], [35, 90]], [35, 90], threshold=0.4))
    dessert -> food 1.00, 35 images
    """
    edges = [
        Edge(names[i], names[j], probability, count)
        for i, j, probability, count in zip(
            *(found.tolist() for found in _edges(pair_counts, occurrences, threshold)), strict=True
        )
    ]
    return sorted(edges, key=lambda edge: (-edge.probability, -edge.count))


def isolated_labels(
    names: Sequence[str],
    pair_counts: ArrayLike | SparseMatrix,
    occurrences: ArrayLike,
    *,
    threshold: float = 0.4,
) -> list[str]:
    """Return the labels without an edge in or out.

    >>> isolated_labels(["dessert", "food", "logo"], [[9, 9, 1], [9, 90, 1], [1, 1, 8]], [9, 90, 8])
    ['logo']
    """
    sources, targets, *_ = _edges(pair_counts, occurrences, threshold)
    linked = np.zeros(len(names), bool)
    linked[sources] = linked[targets] = True
    return [name for name, has_edge in zip(names, linked, strict=True) if not has_edge]


def _edges(
    pair_counts: ArrayLike | SparseMatrix, occurrences: ArrayLike, threshold: float
) -> tuple[NDArray[Any], ...]:
    """Return sources, targets, probabilities and counts of the edges, each ``(E,)``, row by row."""
    if isinstance(pair_counts, SparseMatrix):
        check_graph_options(threshold)
        i, j, counts = pair_counts.rows, pair_counts.columns, pair_counts.values
        probability = counts / np.maximum(np.asarray(occurrences)[i], 1)
        kept = (probability >= threshold) & (i != j)
        return i[kept], j[kept], probability[kept], counts[kept]
    conditional = conditional_probability(pair_counts, occurrences)
    at = np.nonzero(binarize(conditional, threshold))
    return *at, conditional[at], np.asarray(pair_counts)[at]
