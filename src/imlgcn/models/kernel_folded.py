"""A fitted kernel head for use: what does not depend on the image is computed once.

Shapes: B batch, N images it was fitted on, L labels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from imlgcn.models.kernel_rows import Kept
from imlgcn.models.kernel_scorer import KernelScorer
from imlgcn.models.scorer import Features, refuse_known


class FoldedKernel(KernelScorer):
    r"""A fitted kernel, the lengths of the images it was fitted on computed once.

    .. math:: s(x) = \sum_i \exp(2 r v^\top v_i - r |v_i|^2 - r |v|^2) A_i + \bar T

    r is :math:`\gamma / m`. The images stay as they are kept; all is computed in float32.

    Args:
        head: the fitted kernel.
        rate: r, a scalar in float32.

    Shape:
        - features and output as of the head
    """

    closed_form = True
    exported_batch = 2  # all images it was fitted on are read once for both

    offset: Tensor
    rate: Tensor

    def __init__(self, head: KernelScorer, rate: Tensor) -> None:
        super().__init__()
        self.pooling, self.feature_levels = head.pooling, head.feature_levels
        self.stage_weight = head.stage_weight
        kept = Kept(head.support, head.stage_support, head.stage_step)
        for name in ("support", "stage_support", "stage_step"):
            self.register_buffer(name, getattr(head, name))
        self.register_buffer("offset", -rate * kept.units(torch.float32).square().sum(1))
        self.register_buffer("weights", head.weights)
        self.register_buffer("mean", head.mean)
        self.register_buffer("rate", rate)
        self.register_buffer("stage_mean", head.stage_mean)
        self.register_buffer("stage_rate", head.stage_rate)

    def forward(self, features: Features, known: Tensor | None = None) -> Tensor:
        """Return the scores; ``known`` is refused, as by the head this was folded from."""
        refuse_known(self, known)
        return self.scores(self.similarities(self.vectors(features)))

    def similarities(self, vectors: Tensor) -> Tensor:
        """Return the kernel between a batch and the images it was fitted on, ``(B, N)``."""
        fitted = self.fitted_vectors(vectors.dtype)
        near = nn.functional.linear(2 * self.rate * vectors, fitted, self.offset)
        near = near - self.rate * vectors.square().sum(1, keepdim=True)
        return near.exp()

    def kernel_rate(self) -> float:
        """Return r."""
        return float(self.rate)
