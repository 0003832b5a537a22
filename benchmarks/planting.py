"""Planted label errors, and out-of-fold scores of the kernel head for any targets.

Shapes: N images, D length of a vector, L labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from imlgcn.config import train_settings
from imlgcn.data.dataset import load_dataset
from imlgcn.data.groups import find_groups
from imlgcn.models import create_backbone
from imlgcn.models.kernel_inverse import cholesky_
from imlgcn.models.kernel_regression import gaussian_, kernel_scale, squared_distances
from imlgcn.models.kernel_stages import channel_scales, joined_units
from imlgcn.progress import TerminalProgress
from imlgcn.training.extract import ImageFeatures, extract_features

GAMMA, RIDGE, STAGE_WEIGHT = 2.0, 0.1, 0.5  # of the kernel head
NEAREST = 3  # labels that a label is confused with

Targets = NDArray[np.int8]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Planting:
    """Targets ``(N, L)`` with planted errors, and where these are."""

    targets: Targets
    removed: Mask
    added: Mask


class HeldOut:
    """Out-of-fold scores of the kernel for any targets: one inverse serves them all."""

    def __init__(self, features: ImageFeatures, groups: NDArray[np.int64]) -> None:
        units = kernel_units(features)
        distances = squared_distances(units, units).fill_diagonal_(0)
        self.scale = kernel_scale(distances)
        kernel = gaussian_(distances, GAMMA, self.scale)
        self.inverse = torch.cholesky_inverse(cholesky_(kernel, RIDGE))
        order = np.argsort(groups, kind="stable")
        starts = np.flatnonzero(np.diff(groups[order])) + 1
        self.parts = [torch.from_numpy(rows) for rows in np.split(order, starts) if len(rows) > 1]

    def __call__(self, targets: Targets) -> Floats:
        """Return ``(N, L)`` scores without each image's group."""
        T = torch.from_numpy(targets.astype(np.float64))
        A = self.inverse @ (T - T.mean(0))
        left = A / self.inverse.diagonal()[:, None]
        for rows in self.parts:
            left[rows] = torch.linalg.solve(self.inverse[rows[:, None], rows], A[rows])
        found: Floats = (T - left).numpy()
        return found


def kernel_units(learnt: ImageFeatures, asked: ImageFeatures | None = None) -> torch.Tensor:
    """Return the vectors ``(N, D)`` that the kernel head compares, of all stages.

    Those of the images ``asked``, standardised as those of ``learnt``, or of ``learnt`` themselves.
    """
    mean, rate = channel_scales(torch.from_numpy(np.concatenate(learnt.stages, 1)).double())
    levels = [*(asked or learnt).stages, (asked or learnt).values[:, 0]]
    doubles = [torch.from_numpy(level).double() for level in levels]
    return joined_units(doubles, mean, rate, STAGE_WEIGHT)


def confusable(features: ImageFeatures) -> NDArray[np.int64]:
    """Return for each label the labels ``(L, 3)`` whose embeddings F_I are nearest to its own."""
    vectors = kernel_units(features).numpy()
    present = (features.dataset.targets == 1).astype(np.float64)
    means = present.T @ vectors / np.maximum(present.sum(axis=0), 1)[:, None] - vectors.mean(axis=0)
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    likeness = means @ means.T
    np.fill_diagonal(likeness, -np.inf)
    return np.argsort(-likeness, axis=1)[:, :NEAREST]


def plant(
    targets: Targets, rate: float, nearest: NDArray[np.int64] | None, rng: np.random.Generator
) -> Planting:
    """Remove a fraction of the positives; add to each label as many as it lost."""
    rows, labels = np.nonzero(targets == 1)
    chosen = rng.choice(len(rows), round(rate * len(rows)), replace=False)
    removed, added = np.zeros_like(targets, bool), np.zeros_like(targets, bool)
    removed[rows[chosen], labels[chosen]] = True
    for label in np.flatnonzero(removed.any(axis=0)):
        free = targets[:, label] == 0
        if nearest is not None:
            free &= (targets[:, nearest[label]] == 1).any(axis=1)
        free = np.flatnonzero(free)
        count = min(int(removed[:, label].sum()), len(free))
        added[rng.choice(free, count, replace=False), label] = True
    planted = np.where(removed, 0, np.where(added, 1, targets)).astype(np.int8)
    return Planting(planted, removed, added)


@dataclass(frozen=True, eq=False)
class Material:
    """One set: clean targets, groups, confusable labels, and the kernel without each group."""

    targets: Targets
    groups: NDArray[np.int64]
    nearest: NDArray[np.int64]
    held_out: HeldOut

    @classmethod
    def of(cls, features: ImageFeatures, groups: NDArray[np.int64]) -> Material:
        """Prepare what all plantings share."""
        held = HeldOut(features, groups)
        return cls(features.dataset.targets, groups, confusable(features), held)


def read(source: str | Path, progress: TerminalProgress) -> tuple[ImageFeatures, NDArray[np.int64]]:
    """Return features of frozen EfficientNet-Lite0, and groups."""
    dataset = load_dataset(source)
    backbone = create_backbone("efficientnet_lite0")
    fit = {"fit": train_settings().fit}
    backbone.image_settings = backbone.image_settings.model_copy(update=fit)
    features = extract_features(backbone, dataset, strict=True, progress=progress)
    return features, find_groups(dataset, progress=progress)
