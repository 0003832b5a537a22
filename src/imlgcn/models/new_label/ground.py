r"""What a tagger knows before it meets a new label: the images it was fitted on, and its labels.

.. math::
    x = \frac{u - \bar u}{\sqrt{\operatorname{mean} |u - \bar u|^2}}, \qquad
    M_j = \operatorname{mean}_{i:\,T_{ij} = 1} x_i, \qquad
    P_{lj} = \frac{n_{lj}}{n_j} - p_l

u is the square-root vector of an image (:func:`imlgcn.models.kernel_regression.unit_roots`). Column
j of M is the image-based embedding of label j, F_I of IML-GCN (Singh et al. 2022), of centred
vectors; :math:`n_j` counts the images with label j, :math:`n_{lj}` those with both, and
:math:`p_l = n_l / N`.

Shapes: N images, D channels, L labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from imlgcn.models.image_space import RIDGE
from imlgcn.models.kernel_regression import solve, squared_distances

SHRINKAGE = 0.9  # of the covariance
NEW_RIDGE = 0.3  # of a new label: few images, and doubtful negatives


@dataclass(frozen=True, eq=False)
class Ground:
    """N images and L labels, in float64.

    Attributes:
        units: square-root vectors of length 1 ``(N, D)``.
        kernel_units: the vectors whose distances the kernel takes ``(N, V)``; they may be the same.
        rate: gamma by the median of the N x N squared distances of these, as in the kernel head.
        targets: ``(N, L)``: 1 present, 0 absent, -1 unknown.
        groups: ``(N,)`` numbers; images of one number are held out together.
    """

    units: Tensor
    kernel_units: Tensor
    rate: float
    targets: Tensor
    groups: Tensor

    @cached_property
    def mean(self) -> Tensor:
        """The mean of the square-root vectors ``(D,)``."""
        return self.units.mean(0)

    @cached_property
    def length(self) -> float:
        """The root of the mean squared length of the centred vectors."""
        return float((self.units - self.mean).square().sum(1).mean().sqrt()) or 1.0

    def centred(self, units: Tensor) -> Tensor:
        """Return x of square-root vectors ``(B, D)``."""
        return (units - self.mean) / self.length

    @cached_property
    def x(self) -> Tensor:
        """The centred vectors ``(N, D)``; their covariance has trace 1."""
        return self.centred(self.units)

    @cached_property
    def covariance(self) -> Tensor:
        """S ``(D, D)``."""
        return self.x.T @ self.x / len(self.x)

    @cached_property
    def shrunk_factor(self) -> Tensor:
        """The Cholesky factor of 0.1 S + 0.9 I / D, for discriminant analysis."""
        D = len(self.covariance)
        eye = torch.eye(D, dtype=self.covariance.dtype)
        mixed = (1 - SHRINKAGE) * self.covariance + SHRINKAGE / D * eye
        factor: Tensor = torch.linalg.cholesky(mixed)
        return factor

    def kernel_to(self, others: Tensor) -> Tensor:
        """Return the kernel between vectors ``(B, V)`` and the N images, ``(B, N)``."""
        return self.kernel_between(others, self.kernel_units)

    def kernel_between(self, some: Tensor, others: Tensor) -> Tensor:
        """Return the kernel between vectors, ``(A, V)`` and ``(B, V)`` -> ``(A, B)``."""
        near: Tensor = (squared_distances(some, others) * -self.rate).exp()
        return near

    @cached_property
    def kernel(self) -> Tensor:
        """The kernel between the N images, ``(N, N)``."""
        distances = squared_distances(self.kernel_units, self.kernel_units).fill_diagonal_(0)
        return (distances * -self.rate).exp()

    @cached_property
    def inverse(self) -> Tensor:
        """(K + 0.3 I)^-1 ``(N, N)``, which every new label shares."""
        ridge = NEW_RIDGE * torch.eye(len(self.units), dtype=self.kernel.dtype)
        return torch.cholesky_inverse(torch.linalg.cholesky(self.kernel + ridge))

    @cached_property
    def _solved(self) -> tuple[Tensor, Tensor]:
        found = solve(self.kernel.clone(), self.targets, RIDGE, self.groups)
        return found.weights, (found.held_out[0] - found.mean).nan_to_num(0.0)

    @property
    def weights(self) -> Tensor:
        """A ``(N, L)``: f(x) = k(x) A are the scores of the known labels, without their means."""
        return self._solved[0]

    @property
    def held_out(self) -> Tensor:
        """The same scores of the N images themselves, each by a solution without its group."""
        return self._solved[1]

    @cached_property
    def present(self) -> Tensor:
        """1 where a label is present, else 0, ``(N, L)``."""
        return (self.targets == 1).to(self.units.dtype)

    @cached_property
    def frequency(self) -> Tensor:
        """p ``(L,)``."""
        return self.present.mean(0)

    @cached_property
    def embeddings(self) -> Tensor:
        """M ``(D, L)``; 0 for a label that no image shows."""
        return self.x.T @ self.present / self.present.sum(0).clamp(min=1)

    @cached_property
    def conditional(self) -> Tensor:
        """P ``(L, L)``: how much more often label l is there where j is; 0 if no image shows j."""
        counts = self.present.sum(0)
        shares = self.present.T @ self.present / counts.clamp(min=1)
        return (shares - self.frequency[:, None]) * (counts > 0)
