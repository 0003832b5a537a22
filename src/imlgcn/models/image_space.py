r"""How alike two images are: the space of a kernel head, or one made of a backbone's features.

.. math:: K(a, b) = \exp(-\gamma\, |v_a - v_b|^2 / m)

v are vectors of length 1 and m is the median squared distance of the images in the space, so that
the same distance means the same whatever the backbone.

Shapes: B batch, N images in the space, M others, D length of a vector, C channels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from imlgcn.models.kernel_regression import (
    gaussian_,
    kernel_scale,
    squared_distances,
    unit_roots,
)
from imlgcn.models.scorer import Features

GAMMA, RIDGE = 2.0, 0.1  # those of the kernel head
ENOUGH = 2000  # images for a median


@dataclass(frozen=True, eq=False)
class ImageSpace:
    """Vectors of images, and the kernel between them.

    Attributes:
        vectors: makes vectors ``(B, D)`` of features as the head takes them.
        fitted: the vectors ``(N, D)`` of the images the head was fitted on; N may be 0.
        median: their median squared distance, above 0.
        gamma, ridge: of the kernel.
    """

    vectors: Callable[[Features], Tensor]
    fitted: Tensor
    median: float
    gamma: float = GAMMA
    ridge: float = RIDGE

    def distances(self, vectors: Tensor, others: Tensor) -> Tensor:
        """Return squared distances ``(N, M)`` in medians: two images at random have about 1."""
        return squared_distances(vectors, others).div_(self.median)

    def kernel(self, vectors: Tensor, others: Tensor) -> Tensor:
        """Return the kernel ``(N, M)``, 1 for equal images."""
        return gaussian_(self.distances(vectors, others), self.gamma, 1.0)

    def similarity(self, distances: Tensor) -> Tensor:
        """Return the cosine, 0 to 1, of vectors at these :meth:`distances`; below 0 it is 0."""
        return (1 - distances * (self.median / 2)).clamp(0, 1)


def deepest_roots(features: Features) -> Tensor:
    """Return square roots of the deepest map's means, as vectors of length 1, ``(B, C)``."""
    deepest = features[-1] if isinstance(features, tuple) else features
    return unit_roots(deepest.flatten(2).mean(2))


def feature_space(fitted: Tensor) -> ImageSpace:
    """Return the space of pooled features ``(N, C)``, for a head without one of its own."""
    units = unit_roots(fitted)
    return ImageSpace(deepest_roots, units, median_distance(units))


def median_distance(units: Tensor) -> float:
    """Return the median squared distance of vectors ``(N, D)``, of at most 2,000 among them."""
    some = units[:: max(1, -(-len(units) // ENOUGH))].double()
    return kernel_scale(squared_distances(some, some).fill_diagonal_(0))
