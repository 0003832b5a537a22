"""The matrix of P(j|i), its labels ordered so that those that go together stand together.

Letters: L labels, n of them drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imlgcn.labels.context import LabelContext
from imlgcn.labels.graph import conditional_probability

MOST_LABELS = 80  # more names than this cannot be read along one side


@dataclass(frozen=True, eq=False)
class CoOccurrence:
    """P(j|i) of the drawn labels, row i and column j, ordered in blocks."""

    names: tuple[str, ...]
    conditional: NDArray[np.float64]  # (n, n), 0 on the diagonal


def ordered_cooccurrence(context: LabelContext) -> CoOccurrence:
    """Return P(j|i) of the most frequent labels, ordered by :func:`block_order`."""
    frequent = np.argsort(-context.occurrences, kind="stable")[:MOST_LABELS]
    conditional = conditional_probability(context.pair_counts, context.occurrences)
    conditional = conditional[np.ix_(frequent, frequent)]
    order = block_order(np.maximum(conditional, conditional.T))
    names = tuple(context.names[index] for index in frequent[order])
    return CoOccurrence(names, conditional[np.ix_(order, order)])


def block_order(similarity: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return an order (n,) of labels in which similar ones stand side by side.

    Average linkage: the two chains with the highest mean similarity are joined, again and again,
    each turned so that the more similar ends meet. Chains that share nothing follow each other by
    size.

    Shape:
        - similarity ``(n, n)``, symmetric, 0 or more

    >>> block_order(np.array([[0, 0, 9, 0], [0, 0, 0, 5], [9, 0, 0, 1], [0, 5, 1, 0.0]])).tolist()
    [0, 2, 3, 1]
    """
    n = len(similarity)
    chains: list[list[int]] = [[index] for index in range(n)]
    links = similarity.astype(np.float64).copy()  # sums between chains
    np.fill_diagonal(links, -np.inf)
    sizes = np.ones(n)
    for _ in range(n - 1):
        mean = links / np.outer(sizes, sizes)
        first, second = np.unravel_index(np.argmax(mean), mean.shape)
        if not mean[first, second] > 0:
            break
        chains[first] = _join(chains[first], chains[second], similarity)
        chains[second] = []
        links[first] += links[second]
        links[:, first] = links[first]
        links[second] = links[:, second] = -np.inf
        links[first, first] = -np.inf
        sizes[first] += sizes[second]
    chains.sort(key=len, reverse=True)
    return np.array([index for chain in chains for index in chain], np.intp)


def _join(first: list[int], second: list[int], similarity: NDArray[np.float64]) -> list[int]:
    """Return the two chains as one, turned so that the most similar ends meet."""
    ways = [(a, b) for a in (first, first[::-1]) for b in (second, second[::-1])]
    start, end = max(ways, key=lambda way: similarity[way[0][-1], way[1][0]])
    return start + end
