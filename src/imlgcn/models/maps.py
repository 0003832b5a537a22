"""What heads share that say where in the image a label's score comes from.

Shapes: B batch, C channels, H W map, h w map of a label, N = h * w positions, L labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def winners(scores: Tensor) -> Tensor:
    """Return weights over the last two axes that sum to one: the maximum's, ties share alike.

    >>> winners(torch.tensor([[1.0, 3.0], [3.0, 0.0]]))
    tensor([[0.0000, 0.5000],
            [0.5000, 0.0000]])
    """
    winning = (scores == scores.amax((-2, -1), keepdim=True)).to(scores.dtype)
    return winning / winning.sum((-2, -1), keepdim=True)


def score_maps(weight: Tensor, positions: Tensor) -> Tensor:
    """Return the product of each label's vector ``(L, C)`` with each position, ``(B, L, H, W)``."""
    return nn.functional.conv2d(positions, weight[:, :, None, None])


def attention_maps(weights: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """Return the mean over layers of attention ``(B, L, N)`` as maps ``(B, L, h, w)`` of sum one.

    A layer that also attends to something else than positions counts by what it gives them.
    """
    mean = torch.stack(tuple(weights)).mean(0)  # (B, L, N)
    total = mean.sum(-1, keepdim=True).clamp(min=1e-12)
    return (mean / total).view(*mean.shape[:2], *size)
