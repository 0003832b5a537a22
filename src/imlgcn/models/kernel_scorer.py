"""What a kernel is as it scores: vectors, nearness to the fitted images, weights. Fitted or folded.

Shapes: B batch, C_s channels of a level, D length of a vector, N images fitted on, L labels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from imlgcn.activation_maps import MapKind
from imlgcn.errors import InputError
from imlgcn.models.kernel_rows import Kept
from imlgcn.models.kernel_stages import joined_units
from imlgcn.models.layers import pool
from imlgcn.models.occlusion import occlusion_maps
from imlgcn.models.scorer import Features, Scorer, refuse_known, single_map


class KernelScorer(Scorer):
    """A kernel; the images it was fitted on are kept as :mod:`imlgcn.models.kernel_rows` says."""

    support: Tensor
    stage_support: Tensor
    stage_step: Tensor
    weights: Tensor
    mean: Tensor
    stage_mean: Tensor
    stage_rate: Tensor
    stage_weight: float

    def vectors(self, features: Features) -> Tensor:
        """Return the vectors ``(B, D)`` whose distances count, of a batch of maps."""
        levels = pooled_levels(features, self.feature_levels)
        return joined_units(levels, self.stage_mean, self.stage_rate, self.stage_weight)

    def fitted_vectors(self, dtype: torch.dtype) -> Tensor:
        """Return the vectors ``(N, D)`` of the images it was fitted on, as they are kept."""
        return Kept(self.support, self.stage_support, self.stage_step).units(dtype)

    def similarities(self, vectors: Tensor) -> Tensor:
        """Return the kernel between a batch and the images it was fitted on, ``(B, N)``."""
        raise NotImplementedError

    def kernel_rate(self) -> float:
        """Return what squared distances are multiplied by before the exponential."""
        raise NotImplementedError

    def scores(self, near: Tensor) -> Tensor:
        """Return the scores ``(B, L)`` of images as near to the fitted ones as ``(B, N)`` says."""
        return near @ self.weights + self.mean

    @property
    def map_kind(self) -> MapKind:
        """Distances are between whole images: no position has a part of its own."""
        return "occlusion"

    def activation_maps(
        self, features: Features, known: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the logits, and how far each falls without a position of the deepest map."""
        refuse_known(self, known)
        return occlusion_maps(self, features)


def pooled_levels(features: Features, count: int) -> list[Tensor]:
    """Return the means ``(B, C_s)`` of so many maps, deepest last; other numbers are refused."""
    if count == 1:
        return [pool(single_map(features), "avg")]
    levels = features if isinstance(features, tuple) else (features,)
    if len(levels) != count:
        raise InputError(f"this head takes {count} feature maps; got {len(levels)}")
    return [pool(level, "avg") for level in levels]
