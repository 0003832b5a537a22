r"""Kernel regression on more images than a factor can hold: landmarks and conjugate gradients.

Rudi, Carratino and Rosasco, FALKON: An Optimal Large Scale Kernel Method (NeurIPS 2017),
https://arxiv.org/abs/1705.10958. The solution is sought among functions of M landmarks, which are
images drawn from all N:

.. math::
    (K_{NM}^\top W K_{NM} + \lambda K_{MM})\, A = K_{NM}^\top W (T - \bar T)

W is 1 where a label's target is known, else 0. With M = N the scores are those of
:mod:`imlgcn.models.kernel_regression`. In other unknowns the system is well conditioned, as far as
the landmarks stand for all images:

.. math::
    A = Q^{-1} R^{-1} B, \qquad Q^\top Q = K_{MM}, \qquad
    R^\top R = \tfrac{N}{M} Q Q^\top + \lambda I

Differs from the paper: :math:`\lambda` is not multiplied by N, labels are solved side by side, and
steps end when all are accurate. Blocks of rows of K_NM are kept in half of the memory that is
left, up to :data:`MOST_KEPT` bytes, and the others are made anew for every product: with the same
numbers, so that no solution depends on the memory, but in some ten times the work. The kernel and
the factors as they are used are float32; the factor Q is made in float64, and sums over blocks and
steps are float64.

Shapes: N images, M landmarks, D length of a vector, L labels, S systems: one for each label, and
each fold that is held out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from imlgcn.memory import available_memory
from imlgcn.models.kernel_inverse import cholesky_
from imlgcn.models.kernel_regression import gaussian_, kernel_scale, squared_distances
from imlgcn.models.kernel_rows import KeptUnits

LANDMARKS = 14_000  # M: of 20,000 images they lose 0.2 mAP at most (docs/heads/kernel.md)
MOST_KEPT = 64 << 30  # bytes of kernel blocks that are not made anew, and at most
SHARE_KEPT = 0.5  # of the memory that is left; which blocks are kept changes no number
BLOCK = 2048  # rows of a block of the kernel
STEPS = 50  # at most; 10 to 20 are usual
TOLERANCE = 1e-5  # a system is solved when its gradient is so small a part of the first
JITTER = 1e-5  # added to K_MM, whose diagonal is 1: copies of an image make it singular
LEAF = 512  # rows of a triangle that is multiplied at once


def landmarks(count: int, most: int = LANDMARKS) -> Tensor:
    """Return ``most`` of ``count`` rows, or all, in order: evenly drawn, always the same ones."""
    drawn = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    return drawn[:most].sort()[0]


class Falkon:
    r"""What all systems of one set of images share: landmarks, kernel, preconditioner.

    Attributes:
        rows: of the landmarks, ``(M,)``.
        scale: m, the median of the squared distances between landmarks.

    Args:
        units: vectors of length 1, ``(N, D)``, in any precision; half is enough.
        gamma: of the Gaussian.
        ridge: :math:`\lambda`, above 0.
        most: M, where there are more images.
    """

    def __init__(
        self, units: Tensor | KeptUnits, gamma: float, ridge: float, *, most: int = LANDMARKS
    ) -> None:
        self.rows, self.ridge = landmarks(len(units), most), ridge
        chosen = units[self.rows]  # (M, D)
        distances = squared_distances(chosen.double(), chosen.double()).fill_diagonal_(0)
        self.scale = kernel_scale(distances)
        self._q = cholesky_(gaussian_(distances, gamma, self.scale), JITTER).float()
        del distances
        product = torch.zeros(self._q.shape)
        gram_(self._q, product)
        self._r = cholesky_(product.mul_(len(units) / len(chosen)), ridge)
        self.kernel = Blocks(units, chosen.float(), gamma / self.scale)

    def solve(self, residual: Tensor, known: Tensor, tolerance: float = TOLERANCE) -> Tensor:
        """Return the weights ``(M, S)`` of the landmarks, float64.

        Args:
            residual: targets without their mean ``(N, S)``; 0 where not ``known`` ``(N, S)``.
            tolerance: a system is solved when its gradient is so small a part of the first.
        """
        gradient = residual.new_zeros(len(self.rows), residual.shape[1], dtype=torch.float64)
        for part, block in self.kernel:
            gradient += block.mT @ residual[part].float()
        wanted = self._down(self._r, self._down(self._q, gradient))
        B = conjugate_gradients(lambda B: self._system(B, known), wanted, tolerance)
        return self._up(self._q, self._up(self._r, B))

    def _system(self, B: Tensor, known: Tensor) -> Tensor:
        """Return the system's left side of B ``(M, S)``; the part of K_MM becomes the identity."""
        inner = self._up(self._r, B)
        weights = self._up(self._q, inner).float()
        total = torch.zeros_like(B)
        for part, block in self.kernel:
            total += block.mT @ ((block @ weights) * known[part])
        return self._down(self._r, self._down(self._q, total) + self.ridge * inner)

    @staticmethod
    def _up(lower: Tensor, values: Tensor) -> Tensor:
        """Return ``Q^-1`` or ``R^-1`` of values ``(M, S)``."""
        found: Tensor = torch.linalg.solve_triangular(lower.mT, values.float(), upper=True)
        return found.double()

    @staticmethod
    def _down(lower: Tensor, values: Tensor) -> Tensor:
        """Return ``Q^-T`` or ``R^-T`` of values ``(M, S)``."""
        found: Tensor = torch.linalg.solve_triangular(lower, values.float(), upper=False)
        return found.double()


class Blocks:
    """The kernel K_NM ``(N, M)`` by blocks of rows; iterate over ``rows, block``."""

    def __init__(self, units: Tensor | KeptUnits, chosen: Tensor, rate: float) -> None:
        self._units, self._chosen, self._rate = units, chosen, rate
        self._parts = [slice(start, start + BLOCK) for start in range(0, len(units), BLOCK)]
        room = min(MOST_KEPT, int(SHARE_KEPT * available_memory()))
        kept = room // (4 * BLOCK * max(len(chosen), 1))
        self._kept = [self._make(part) for part in self._parts[:kept]]

    def __iter__(self) -> Iterator[tuple[slice, Tensor]]:
        for index, part in enumerate(self._parts):
            yield part, self._kept[index] if index < len(self._kept) else self._make(part)

    def _make(self, part: slice) -> Tensor:
        distances = squared_distances(self._units[part].float(), self._chosen)
        return gaussian_(distances, self._rate, 1.0)


def conjugate_gradients(
    system: Callable[[Tensor], Tensor], wanted: Tensor, tolerance: float = TOLERANCE
) -> Tensor:
    """Return X ``(M, S)`` with ``system(X) = wanted``; every column is solved on its own.

    ``system`` is linear, symmetric and positive definite in each column. All is float64.
    """
    found, gradient = torch.zeros_like(wanted), wanted.clone()
    direction, size = gradient.clone(), gradient.square().sum(0)  # (S,)
    least = tolerance**2 * size
    for _ in range(STEPS):
        if (size <= least).all():
            break
        moved = system(direction)
        step = size / (direction * moved).sum(0)
        step = torch.where(size > least, step, 0.0)  # a column that is solved stays
        found += step * direction
        gradient -= step * moved
        before, size = size, gradient.square().sum(0)
        direction = gradient + torch.where(size > least, size / before, 0.0) * direction
    return found


def gram_(lower: Tensor, product: Tensor) -> None:
    """Put ``lower^T lower`` into the upper half of ``product``: a third of a whole product."""
    half = len(lower) // 2
    if half < LEAF:
        torch.mm(lower.mT, lower, out=product)
        return
    below, corner = lower[half:, half:], lower[half:, :half]
    gram_(lower[:half, :half], product[:half, :half])
    product[:half, :half].addmm_(corner.mT, corner)
    torch.mm(corner.mT, below, out=product[:half, half:])
    gram_(below, product[half:, half:])
