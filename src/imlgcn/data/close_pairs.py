r"""Pairs of vectors that are close, among very many: each in the cells of several random grids.

Datar, Immorlica, Indyk and Mirrokni, Locality-Sensitive Hashing Scheme Based on p-Stable
Distributions (SCG 2004), https://doi.org/10.1145/997817.997857. A grid cuts K random directions g
into intervals of width w, from a random start b, and only vectors of one cell are compared:

.. math:: \lfloor (g_k x + b_k) / w \rfloor, \qquad g_k \sim N(0, I)

Two vectors at distance d fall into the same interval with the probability

.. math:: p(d) = 1 - 2 \Phi(-u) - \frac{2}{\sqrt{2 \pi} u} (1 - e^{-u^2 / 2}), \qquad u = w / d

and share no cell of T grids with :math:`(1 - p(d)^K)^T`. K grows with the logarithm of N, T with a
small power of it: time grows as N to the power of 1 and a little.

Letters: N vectors of length D, K directions of a grid, T grids.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

WIDTH = 8.0  # w, times the distance at which pairs are wanted
APART = 6.0  # how far apart most pairs are, times that distance: cells then hold few
MISSED = 1e-6  # the probability that a pair at just that distance is not found
AT_ONCE = 1 << 14  # pairs, whose vectors fit into a cache


def close_pairs(
    vectors: Vectors,
    distance: float,
    *,
    seed: int = 0,
    after_grid: Callable[[int, int], None] = lambda done, grids: None,
) -> NDArray[np.int64]:
    """Return pairs i < j of vectors ``(N, D)`` that are no farther apart, ``(pairs, 2)``, in order.

    A pair at just this distance is missed with a probability of one in a million, a closer one more
    rarely; the same vectors and seed give the same pairs. ``after_grid`` is told how many are done.
    """
    generator = np.random.default_rng(seed)
    directions, grids = grids_for(len(vectors))
    found = [np.zeros(0, np.int64)]
    for grid in range(grids):
        g = generator.standard_normal((vectors.shape[1], directions), dtype=np.float32)
        b = generator.random(directions, dtype=np.float32)
        cells = np.floor(vectors @ (g / (WIDTH * distance)) + b).astype(np.int64)  # (N, K)
        odd = generator.integers(1 << 62, size=directions) | 1
        found.append(_close_in_cells(vectors, cells @ odd, distance))
        found = [np.unique(np.concatenate(found))]
        after_grid(grid + 1, grids)
    return np.stack(np.divmod(found[0], max(len(vectors), 1)), axis=1)


def grids_for(count: int) -> tuple[int, int]:
    """Return K and T for N vectors: so that most cells have few, and hardly a pair is missed.

    >>> grids_for(30_000), grids_for(1_000_000)
    ((13, 47), (18, 85))
    """
    directions = max(1, round(math.log(max(count, 2)) / -math.log(together(WIDTH / APART))))
    same_cell = together(WIDTH) ** directions
    return directions, math.ceil(math.log(MISSED) / math.log1p(-same_cell))


def together(u: float) -> float:
    """Return the probability p that two vectors fall into the same interval, u times as wide.

    >>> round(together(1.0), 3)
    0.369
    """
    beyond = math.erfc(u / math.sqrt(2))  # 2 Phi(-u)
    return 1 - beyond - math.sqrt(2 / math.pi) / u * -math.expm1(-(u**2) / 2)


def _close_in_cells(
    vectors: Vectors, cells: NDArray[np.int64], distance: float
) -> NDArray[np.int64]:
    """Return i * N + j for pairs of one cell ``(N,)`` that are no farther apart."""
    order = np.argsort(cells, kind="stable")
    cells, vectors = cells[order], vectors[order]
    at, found = np.arange(len(order) - 1), [np.zeros(0, np.int64)]
    for step in range(1, len(order)):  # with the next of the cell, with the one after it, ...
        at = at[: np.searchsorted(at, len(order) - step)]
        at = at[cells[at] == cells[at + step]]
        if not len(at):
            break
        for start in range(0, len(at), AT_ONCE):
            i = at[start : start + AT_ONCE]
            near = i[np.square(vectors[i] - vectors[i + step]).sum(axis=1) <= distance**2]
            first, second = np.sort([order[near], order[near + step]], axis=0)
            found.append(first * len(order) + second)
    return np.concatenate(found)
