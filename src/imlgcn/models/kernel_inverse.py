r"""The inverse of a kernel with its ridge, C = (K + lambda I)^-1, in two forms.

On the rows k that a label knows: from a Cholesky factor of these rows, or from the inverse of all
rows, out of which the others, u, are taken (inverse of a partitioned matrix):

.. math::
    (K_{kk} + \lambda I)^{-1} = C_{kk} - C_{ku} C_{uu}^{-1} C_{uk}

So 80 labels that each lack other targets need one inverse, and small factors of their own.

Shapes: N images fitted on, L labels, K rows that a label knows, U = N - K rows that it does not.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

SMALL = 256  # rows of a triangle that is inverted at once


class Inverse(Protocol):
    """C of the K rows that a label knows."""

    def solve(self, targets: Tensor) -> Tensor:
        """Return ``C T`` of targets ``(K, L)``; call it before the others."""
        ...

    def diagonal(self) -> Tensor:
        """Return the diagonal of C, ``(K,)``."""
        ...

    def blocks(self, members: Tensor) -> Tensor:
        """Return ``C_gg`` of groups of one size, ``(groups, size)`` -> ``(groups, size, size)``."""
        ...


class FactorInverse:
    """C by the factor of ``matrix + ridge * I``, in the memory of the symmetric ``matrix``."""

    def __init__(self, matrix: Tensor, ridge: float) -> None:
        self._factor = cholesky_(matrix, ridge)
        self._inverted = False

    def solve(self, targets: Tensor) -> Tensor:
        """Return ``C T``; afterwards the factor may be inverted."""
        return torch.cholesky_solve(targets, self._factor)

    def diagonal(self) -> Tensor:
        """Return the squared lengths of the columns of the inverted factor."""
        if not self._inverted:
            invert_lower_(self._factor)
            self._inverted = True
        lengths: Tensor = torch.linalg.vector_norm(self._factor, dim=0)
        return lengths.square()

    def blocks(self, members: Tensor) -> Tensor:
        """Return products of columns of the inverted factor."""
        columns = self._factor.mT[members]  # (groups, size, K)
        return columns @ columns.mT


class PartInverse:
    """C without the rows ``hidden`` ``(U,)``, by the inverse ``(N, N)`` of all; ``rows`` are kept.

    Work is U^2 N, where a factor of the K rows takes K^3 / 3.
    """

    def __init__(self, inverse: Tensor, rows: Tensor, hidden: Tensor) -> None:
        part = inverse[hidden]  # (U, N)
        lower = torch.linalg.cholesky(part[:, hidden])
        self._without = torch.linalg.solve_triangular(lower, part[:, rows], upper=False)  # (U, K)
        self._inverse, self._rows = inverse, rows

    def solve(self, targets: Tensor) -> Tensor:
        """Return ``C T``."""
        every = targets.new_zeros(len(self._inverse), targets.shape[1])
        every[self._rows] = targets
        found: Tensor = (self._inverse @ every)[self._rows]
        found -= self._without.mT @ (self._without @ targets)
        return found

    def diagonal(self) -> Tensor:
        """Return the diagonal of C."""
        found: Tensor = self._inverse.diagonal()[self._rows]
        found -= self._without.square().sum(0)
        return found

    def blocks(self, members: Tensor) -> Tensor:
        """Return ``C_gg``."""
        rows, columns = self._rows[members], self._without.mT[members]  # (groups, size, U)
        found: Tensor = self._inverse[rows[:, :, None], rows[:, None, :]]
        found -= columns @ columns.mT
        return found


def cholesky_(matrix: Tensor, ridge: float) -> Tensor:
    """Factor ``matrix + ridge * I`` in the memory of ``matrix``, which is symmetric."""
    matrix.diagonal().add_(ridge)
    factor = matrix.mT  # LAPACK counts by columns: this way nothing is copied
    info = torch.empty((), dtype=torch.int32, device=matrix.device)
    torch.linalg.cholesky_ex(factor, check_errors=True, out=(factor, info))
    return factor


def invert_lower_(factor: Tensor) -> Tensor:
    """Invert a lower triangle in place, by halves: a third of the work of solving for I."""
    size = len(factor)
    if size <= SMALL:
        eye = torch.eye(size, dtype=factor.dtype, device=factor.device)
        factor.copy_(torch.linalg.solve_triangular(factor, eye, upper=False))
        return factor
    half = size // 2
    above, below, corner = factor[:half, :half], factor[half:, half:], factor[half:, :half]
    right = torch.linalg.solve_triangular(above, corner, upper=False, left=False)
    corner.copy_(torch.linalg.solve_triangular(below, right, upper=False).neg_())
    invert_lower_(above)
    invert_lower_(below)
    return factor
