r"""Earlier stages of a backbone beside its deepest vector, as the kernel head uses them.

.. math::
    v = \operatorname{unit}\big(u,\; w z_1,\; w z_2, \dots\big), \qquad
    z_s = \operatorname{unit}\Big(\frac{x_s - \mu_s}{\sigma_s}\Big)

u is the square-root vector of the deepest map (:func:`.kernel_regression.unit_roots`), x_s the mean
of an earlier map, :math:`\mu_s` and :math:`\sigma_s` mean and deviation of each of its channels
over the images fitted on, w the weight of a stage.

Shapes: N images fitted on, B batch, C_s channels of a level, L labels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from imlgcn.metrics.ranking import average_precision
from imlgcn.models.kernel_regression import (
    gaussian_,
    kernel_scale,
    solve,
    squared_distances,
    unit_roots,
)

if TYPE_CHECKING:
    from imlgcn.models.feature_rows import PooledRows

MOST_STAGES = 2  # used beside the deepest; earlier ones take away more than they add
ROWS = 1000  # images that are enough to choose by
CONSTANT = 1e-6  # a channel that varies less, beside its mean, holds rounding errors


def channel_scales(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and 1 / deviation of every channel of ``(N, C)``; 0 for a constant channel.

    >>> channel_scales(torch.tensor([[1.0, 5.0], [3.0, 5.0]]))
    (tensor([2., 5.]), tensor([1., 0.]))
    """
    mean = vectors.mean(0)
    return mean, _rate(mean, (vectors - mean).square().mean(0).sqrt())


def block_scales(blocks: Callable[[], Iterable[Tensor]]) -> tuple[Tensor, Tensor]:
    """Return :func:`channel_scales` of float64 rows that are made a block at a time, twice."""
    count, total = 0, torch.zeros((), dtype=torch.float64)
    for block in blocks():
        count, total = count + len(block), total + block.sum(0)
    mean = total / max(count, 1)
    squares = sum(((block - mean).square().sum(0) for block in blocks()), torch.zeros_like(mean))
    return mean, _rate(mean, (squares / max(count, 1)).sqrt())


def _rate(mean: Tensor, deviation: Tensor) -> Tensor:
    return torch.where(deviation > CONSTANT * mean.abs(), 1 / deviation, 0.0)


def joined_units(levels: Sequence[Tensor], mean: Tensor, rate: Tensor, weight: float) -> Tensor:
    """Return v ``(B, C_1 + C_2 + ...)`` of pooled levels ``(B, C_s)``, the deepest last.

    ``mean`` and ``rate`` are :func:`channel_scales` of the levels before the deepest, joined.
    """
    *earlier, deepest = levels
    units = unit_roots(deepest)
    if not earlier:
        return units
    parts, start = [], 0
    for level in earlier:  # slices: an export to ONNX folds them, and not a split
        part = slice(start, start + level.shape[1])
        parts.append(weight * nn.functional.normalize((level - mean[part]) * rate[part], dim=-1))
        start = part.stop
    return nn.functional.normalize(torch.cat([*parts, units], 1), dim=-1)


def choose_stages(
    levels: Sequence[Tensor] | Sequence[PooledRows],
    targets: Tensor,
    groups: Tensor,
    *,
    weight: float,
    gamma: float,
    ridge: float,
    scales: tuple[Tensor, Tensor] | None = None,
) -> int:
    """Return how many of the earlier ``levels`` the kernel shall use: all, unless fewer are better.

    By average precision on held-out scores, exact, of at most 1,000 of the images (always the
    same). Fewer are better if the mean difference over labels is above its standard error. An
    unknown target counts as absent in the solution, so that one is enough, and is not scored.
    ``scales`` are those of the earlier levels, joined; by default they are computed.

    Shape:
        - levels ``(N, C_s)`` in float64, deepest last; targets ``(N, L)``; groups ``(N,)``
    """
    rows = torch.randperm(len(targets), generator=torch.Generator().manual_seed(0))[:ROWS]
    mean, rate = scales or _joined_scales([level[:] for level in levels[:-1]])
    levels, targets, groups = [level[rows] for level in levels], targets[rows], groups[rows]
    found: list[NDArray[np.float64]] = []  # by number of stages: (L,)
    for stages in range(len(levels)):
        used = levels[len(levels) - 1 - stages :]
        width = sum(level.shape[1] for level in used[:-1])
        first = len(mean) - width
        units = joined_units(used, mean[first:], rate[first:], weight)
        distances = squared_distances(units, units).fill_diagonal_(0)
        kernel = gaussian_(distances, gamma, kernel_scale(distances))
        (scores,) = solve(kernel, targets.clamp(min=0), ridge, groups).held_out
        found.append(average_precision(scores.numpy(), targets.numpy()))
    return _fewest_clearly_better(found)


def _joined_scales(levels: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    scales = [channel_scales(level) for level in levels]
    return torch.cat([mean for mean, _ in scales]), torch.cat([rate for _, rate in scales])


def _fewest_clearly_better(found: Sequence[NDArray[np.float64]]) -> int:
    """Return the index of the best values ``(L,)``: the last, unless another is clearly better."""
    chosen = len(found) - 1
    best = 0.0
    for index, values in enumerate(found[:-1]):
        difference = values - found[-1]
        difference = difference[~np.isnan(difference)]
        if len(difference) < 2:
            continue
        mean = float(difference.mean())
        error = float(difference.std(ddof=1)) / math.sqrt(len(difference))
        if mean > error and mean > best:
            chosen, best = index, mean
    return chosen
