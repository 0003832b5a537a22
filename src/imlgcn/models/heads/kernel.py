"""Gaussian kernel ridge regression on square-root features: fitted by a formula, not by steps.

Saunders, Gammerman and Vovk, Ridge Regression Learning Algorithm in Dual Variables (ICML 1998);
Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), http://gaussianprocess.org/gpml/.
Shapes: B batch, C channels, H W map, N images fitted on, L labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from imlgcn.config import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.models.heads.base import Features, Head
from imlgcn.models.kernel_fit import fit_kernel, hold_out_kernel
from imlgcn.models.kernel_regression import squared_distances, unit_roots
from imlgcn.models.layers import pool
from imlgcn.models.scorer import Scorer, refuse_known, single_map


class KernelHead(Head):
    r"""Every image it was fitted on votes for its labels, by how near it is.

    .. math::
        s(x) = \sum_{i=1}^{N} \exp\Big( -\frac{\gamma}{m} |u(x) - u_i|^2 \Big) A_i + \bar T, \qquad
        A = (K + \lambda I)^{-1} (T - \bar T)

    ``u`` averages the map, takes square roots that keep the sign and scales to length 1; m is the
    median of all N x N squared distances between the fitted images, K the kernel between them,
    :math:`\gamma` is ``gamma``, :math:`\lambda` is ``ridge``, T are the targets 0 and 1. A label
    with unknown targets is solved on its known rows. :meth:`fit` solves all labels at once, in
    float64. The images are kept in half precision, and A is solved for what is kept. Beyond
    20,000 images only some of them, the landmarks, vote (:mod:`imlgcn.models.falkon`).

    A score is about 0 for an absent label and 1 for a present one: a logit only after calibration.
    Before :meth:`fit` it is the mean, 0. There is no gradient through the images, no dropout and
    no randomness. ``support`` is how many vote; :meth:`fit` sets it, :meth:`fitted_options` returns
    it.

    Shape:
        - features ``(B, C, H, W)``, output ``(B, L)``
    """

    candidate = True
    closed_form = True
    counted_with: ClassVar[Mapping[str, int]] = {"support": 1000}

    support: Tensor
    weights: Tensor
    mean: Tensor
    median: Tensor

    def __init__(
        self,
        in_channels: int,
        labels: LabelContext,
        *,
        support: int = 0,
        gamma: float = 2.0,
        ridge: float = 0.1,
    ) -> None:
        super().__init__(in_channels, labels)
        if not (gamma > 0 and ridge > 0):
            raise InputError(f"gamma and ridge are above 0; {gamma} and {ridge} given")
        if support < 0:
            raise InputError(f"support is a number of images, 0 or more; {support} given")
        self.pooling = "avg"
        self.gamma, self.ridge = gamma, ridge
        L = self.num_labels
        self.register_buffer("support", torch.zeros(support, in_channels, dtype=torch.float16))
        self.register_buffer("weights", torch.zeros(support, L))
        self.register_buffer("mean", torch.zeros(L))
        self.register_buffer("median", torch.ones(()))

    @torch.no_grad()
    def fit(self, features: Features, targets: Tensor) -> None:
        """Solve for the targets ``(N, L)`` of features ``(N, C, H, W)``, on the CPU.

        Raises:
            InputError: features that are not finite.
        """
        units = self._units(features)
        found = fit_kernel(units, targets.cpu(), self.gamma, self.ridge)
        device = self.mean.device
        self.support = units[found.rows].to(device)
        self.weights = found.weights.float().to(device)
        self.mean = found.mean.float().to(device)
        self.median = torch.tensor(found.scale, dtype=torch.float32, device=device)

    @torch.no_grad()
    def held_out(
        self, features: Features, targets: Tensor, *groups: Tensor
    ) -> tuple[Tensor, ...] | None:
        """Return the held-out scores; m and the mean of the targets stay those of all.

        They are exact; with landmarks there are none for more than ten groups: None.
        """
        units = self._units(features)
        found = hold_out_kernel(units, targets.cpu(), self.gamma, self.ridge, *groups)
        return None if found is None else tuple(scores.float() for scores in found)

    def _units(self, features: Features) -> Tensor:
        """Return the vectors to keep ``(N, C)``, in half precision."""
        vectors = pool(single_map(features), "avg").cpu().double()
        if not vectors.isfinite().all():
            raise InputError("the features to fit are not finite: the backbone has overflowed")
        return unit_roots(vectors).half()

    def fitted_options(self) -> dict[str, Any]:
        """Return how many images the head holds."""
        return {"support": len(self.support)}

    def forward(self, features: Features, known: Tensor | None = None) -> Tensor:
        """Return the scores of a batch of maps."""
        refuse_known(self, known)
        units = unit_roots(pool(single_map(features), "avg"))  # (B, C)
        distances = squared_distances(units, self.support.float())  # (B, N)
        kernel = (distances * (-self.gamma / self.median)).exp()
        return kernel @ self.weights + self.mean

    @torch.no_grad()
    def fold(self) -> FoldedKernel:
        """Return the same scores with what does not depend on the image computed once."""
        return FoldedKernel(
            self.support, self.weights, self.mean, (self.gamma / self.median).float()
        )


class FoldedKernel(Scorer):
    r"""A fitted kernel for use, the lengths of the images it was fitted on computed once.

    .. math:: s(x) = \sum_i \exp(2 r u^\top u_i - r |u_i|^2 - r |u|^2) A_i + \bar T

    r is :math:`\gamma / m`. The images stay in half precision; all is computed in float32.

    Shape:
        - features ``(B, C, H, W)``, output ``(B, L)``
    """

    closed_form = True

    support: Tensor
    offset: Tensor
    weights: Tensor
    mean: Tensor
    rate: Tensor

    def __init__(self, support: Tensor, weights: Tensor, mean: Tensor, rate: Tensor) -> None:
        super().__init__()
        self.pooling = "avg"
        self.register_buffer("support", support)
        self.register_buffer("offset", -rate * support.float().square().sum(1))
        self.register_buffer("weights", weights)
        self.register_buffer("mean", mean)
        self.register_buffer("rate", rate)

    def forward(self, features: Features, known: Tensor | None = None) -> Tensor:
        """Return the scores; ``known`` is refused, as by the head this was folded from."""
        refuse_known(self, known)
        units = unit_roots(pool(single_map(features), "avg"))  # (B, C)
        near = nn.functional.linear(2 * self.rate * units, self.support.float(), self.offset)
        near = near - self.rate * units.square().sum(1, keepdim=True)
        return near.exp() @ self.weights + self.mean
