"""The solution of kernel regression for any number of images: exact, or of landmarks.

Shapes: N images fitted on, M images kept, D length of a vector, L labels, k folds.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from imlgcn.models.falkon import Falkon
from imlgcn.models.kernel_regression import (
    Solution,
    gaussian_,
    kernel_scale,
    plan,
    solve,
    squared_distances,
)
from imlgcn.models.kernel_rows import KeptUnits

EXACT_IMAGES = 20_000  # beyond, N x N numbers take more than 8 GiB to work on
EXACT_WORK = 8 * 2 / 3 * EXACT_IMAGES**3  # multiply-adds: eight factors of so many images
ENTRIES = 1 << 29  # images x labels x folds of systems that are solved at once, at most: 2 GiB each
FOLDS = 10  # groups that landmarks hold out at once, at most
FOLD_TOLERANCE = 1e-3  # of their systems: mAP is that of 1e-5 to 0.02, for two thirds of the work


class Fitted(NamedTuple):
    """What a kernel head keeps: rows of images ``(M,)``, weights ``(M, L)``, mean ``(L,)``, m."""

    rows: Tensor
    weights: Tensor
    mean: Tensor
    scale: float


def fit_kernel(units: Tensor | KeptUnits, targets: Tensor, gamma: float, ridge: float) -> Fitted:
    """Solve for targets ``(N, L)`` of vectors of length 1 ``(N, D)``: 1, 0, -1 unknown.

    Up to :data:`EXACT_IMAGES` and :data:`EXACT_WORK` the solution is exact and keeps all images;
    beyond, it keeps :func:`imlgcn.models.falkon.landmarks`, which N and M decide.
    """
    if is_exact(targets):
        found, scale = _exact(units, targets, gamma, ridge)
        return Fitted(torch.arange(len(units)), found.weights, found.mean, scale)
    falkon = Falkon(units, gamma, ridge)
    parts = [_fit_all(falkon, targets[:, labels]) for labels in _blocks(targets, 1)]
    weights, means = (torch.cat(each, -1) for each in zip(*parts, strict=True))
    return Fitted(falkon.rows, weights, means, falkon.scale)


def hold_out_kernel(
    units: Tensor | KeptUnits, targets: Tensor, gamma: float, ridge: float, *groups: Tensor
) -> tuple[Tensor, ...] | None:
    """Return held-out scores ``(N, L)`` for each grouping ``(N,)``; NaN where a target is unknown.

    m and the mean of the targets stay those of all. With landmarks, for at most :data:`FOLDS`
    groups: their systems are solved at once, and share the landmarks (held-out ones too: of these
    only the place is used, not the target), the kernel and the preconditioner. None: more groups.
    """
    if is_exact(targets):
        return _exact(units, targets, gamma, ridge, *groups)[0].held_out
    if any(len(torch.unique(numbers)) > FOLDS for numbers in groups):
        return None
    falkon = Falkon(units, gamma, ridge)
    blocks = [targets[:, labels] for labels in _blocks(targets, FOLDS)]
    return tuple(
        torch.cat([_without_folds(falkon, block, numbers) for block in blocks], 1)
        for numbers in groups
    )


def is_exact(targets: Tensor) -> bool:
    """Return whether targets ``(N, L)`` are solved exactly."""
    return len(targets) <= EXACT_IMAGES and plan(targets).work <= EXACT_WORK


def _exact(
    units: Tensor | KeptUnits, targets: Tensor, gamma: float, ridge: float, *groups: Tensor
) -> tuple[Solution, float]:
    units = units[:].double()
    distances = squared_distances(units, units).fill_diagonal_(0)  # (N, N)
    scale = kernel_scale(distances)
    return solve(gaussian_(distances, gamma, scale), targets, ridge, *groups), scale


def _blocks(targets: Tensor, folds: int) -> list[slice]:
    """Return blocks of the labels of targets ``(N, L)`` whose systems are solved at once."""
    size = max(ENTRIES // (max(len(targets), 1) * folds), 1)
    return [slice(start, start + size) for start in range(0, targets.shape[1], size)]


def _fit_all(falkon: Falkon, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weights ``(M, L)`` of all images, and the mean of the targets ``(L,)``."""
    known, mean = targets >= 0, _mean(targets)
    return falkon.solve(_residual(targets, known, mean), known), mean


def _without_folds(falkon: Falkon, targets: Tensor, numbers: Tensor) -> Tensor:
    """Return the scores ``(N, L)`` of each image by a solution without its fold."""
    folds, which = torch.unique(numbers, return_inverse=True)
    k, L = len(folds), targets.shape[1]
    known, mean = targets >= 0, _mean(targets)
    learnt = torch.cat([known & (which != fold)[:, None] for fold in range(k)], 1)  # (N, k L)
    residual = _residual(targets, known, mean).repeat(1, k) * learnt
    weights = falkon.solve(residual, learnt, FOLD_TOLERANCE).float()  # (M, k L)
    found = torch.full(targets.shape, torch.nan, dtype=torch.float64)
    for part, block in falkon.kernel:
        scores = (block @ weights).view(len(block), k, L)
        found[part] = scores[torch.arange(len(block)), which[part]] + mean
    return found.masked_fill_(~known, torch.nan)


def _mean(targets: Tensor) -> Tensor:
    """Return the mean of the known targets ``(L,)``, float64; 0 where none is known."""
    known = (targets >= 0).sum(0)
    return targets.clamp(min=0).double().sum(0) / known.clamp(min=1)


def _residual(targets: Tensor, known: Tensor, mean: Tensor) -> Tensor:
    """Return the known targets without their mean ``(N, L)``, 0 where unknown."""
    return (targets.float() - mean.float()) * known
