r"""Which images to label next: those that leave the least unknown about all the others.

A kernel knows the score of image x up to the variance of a Gaussian process,

.. math::
    P = K_{FF} - K_{FN} (K_{NN} + \lambda I)^{-1} K_{NF}, \qquad
    gain(x) = \frac{\sum_y r_y P_{xy}^2}{P_{xx} + \lambda}

F are the images of a folder, N those that are labelled. gain(x) is by how much
:math:`\sum_y r_y P_{yy}` falls when x is labelled, whatever its labels are; r are weights. The best
image is taken, P is that of N with the image, and so on. An image far from all others has a large
variance and a small gain: it teaches nothing about the rest.

Yu, Bi and Tresp, Active Learning via Transductive Experimental Design (ICML 2006).
Letters: n images in the folder, N labelled, D length of a vector, L labels.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imlgcn.models.image_space import ImageSpace

MOST = 8000  # images labelled that count, and of the folder: matrices of 256 MB
CERTAIN = 1e-6


def unknown_after(space: ImageSpace, vectors: Tensor) -> Tensor:
    """Return P ``(n, n)`` of vectors ``(n, D)`` beside those the space is fitted on.

    Of more than 8,000 fitted images, evenly many are left out.
    """
    P = space.kernel(vectors, vectors)
    P.fill_diagonal_(1.0)
    fitted = space.fitted[:: max(1, -(-len(space.fitted) // MOST))].to(vectors.dtype)
    if len(fitted):
        K = space.kernel(fitted, fitted)
        K.diagonal().copy_(torch.full((len(K),), 1.0 + space.ridge, dtype=K.dtype))
        lower = torch.linalg.cholesky(K)
        half = torch.linalg.solve_triangular(lower, space.kernel(fitted, vectors), upper=False)
        P.addmm_(half.mT, half, alpha=-1)
    return P


class Coverage:
    """What is unknown about a folder, as its images are labelled one after another.

    Args:
        P: ``(n, n)``, of :func:`unknown_after`; it is kept, not copied.
        ridge: lambda, above 0.
        weights: r ``(n,)``, 0 or more: how much each image counts; None: all the same.
    """

    def __init__(self, P: Tensor, ridge: float, weights: Tensor | None = None) -> None:
        self._P, self._ridge = P, ridge
        self._r = P.new_ones(len(P)) if weights is None else weights.to(P.dtype)
        self._variance = P.diagonal().clone()
        self._taken = P.new_zeros(0, len(P))  # P now is P - taken' taken
        blocks = [block.square() @ self._r for block in torch.split(P, 1024)]
        self._gain = torch.cat(blocks)  # sum of r P^2, not yet divided
        self.at_first = float(self._r @ self._variance)

    def best(self, free: Tensor) -> tuple[int, float]:
        """Return the image of the largest gain among ``free`` ``(n,)``, and its gain.

        The gain is a fraction of what was unknown at first. Of equal ones the first is taken.
        """
        gain = self._gain / (self._variance + self._ridge)
        row = int(torch.where(free, gain, -torch.inf).argmax())
        return row, max(float(gain[row]), 0.0) / max(self.at_first, CERTAIN)

    def label(self, row: int) -> None:
        """Count an image as labelled."""
        p = self._P[row] - self._taken[:, row] @ self._taken  # (n,)
        scale = float(self._variance[row].clamp(min=0)) + self._ridge
        weighted = self._r * p
        towards = self._P @ weighted - (self._taken @ weighted) @ self._taken
        self._gain -= p / scale * (2 * towards - p / scale * float(weighted @ p))
        self._variance -= p.square() / scale
        self._taken = torch.cat([self._taken, p[None] / scale**0.5])


def doubt(
    probabilities: NDArray[np.floating], positives: NDArray[np.integer]
) -> NDArray[np.float64]:
    r"""Return how unsure each label of each image is, rare labels more, ``(n, L)``.

    The entropy of the probabilities ``(n, L)`` divided by :math:`\sqrt{1 + positives}`, those in
    training ``(L,)``; summed over labels it is the weight of an image.

    >>> doubt(np.array([[0.5, 0.5, 1.0]]), np.array([0, 3, 0])).round(2).tolist()
    [[0.69, 0.35, 0.0]]
    """
    p = np.clip(np.asarray(probabilities, np.float64), CERTAIN, 1 - CERTAIN)
    entropy = -p * np.log(p) - (1 - p) * np.log1p(-p)
    weighted: NDArray[np.float64] = entropy / np.sqrt(1 + positives)
    return weighted
