"""What was tried with the kernel head and is not built in: two input sides, a learnt metric.

Instruments of :mod:`benchmarks.splits`. Shapes: N images fitted on, Q others, D length of a vector,
L labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imlgcn.labels.context import LabelContext
from imlgcn.models import create_head
from imlgcn.models.heads.kernel import KernelHead
from imlgcn.models.kernel_regression import squared_distances
from imlgcn.models.kernel_rows import Kept
from imlgcn.models.kernel_stages import joined_units
from imlgcn.training.extract import ImageFeatures

RATE = 0.1  # of Adam, on the logarithms of the weights


def fit(learnt: ImageFeatures, groups: NDArray[np.int64]) -> KernelHead:
    """Return the kernel head, with its defaults, fitted on some images."""
    channels = (*(level.shape[1] for level in learnt.stages), learnt.values.shape[2])
    head = create_head("kernel", channels, LabelContext.named(learnt.dataset.names))
    assert isinstance(head, KernelHead)
    head.fit(
        learnt.inputs(head), torch.from_numpy(learnt.dataset.targets), torch.from_numpy(groups)
    )
    return head.eval()


def join(sides: Sequence[ImageFeatures]) -> ImageFeatures:
    """Return features with the channels of several input sides, level by level."""
    stages = zip(*(side.stages for side in sides), strict=True)
    return ImageFeatures(
        sides[0].dataset,
        np.concatenate([side.values for side in sides], 2),
        {},
        tuple(np.concatenate(levels, 1) for levels in stages),
    )


def with_metric(
    head: KernelHead,
    learnt: ImageFeatures,
    asked: ImageFeatures,
    groups: NDArray[np.int64],
    steps: Sequence[int],
) -> list[NDArray[np.float32]]:
    """Return scores ``(Q, L)`` after so many steps of learning a weight for each channel.

    ``head`` was fitted on ``learnt``, and gives vectors and scale; rows of one of ``groups``
    ``(N,)`` are held out together in the loss.
    """
    units = Kept(head.support, head.stage_support, head.stage_step).units(torch.float32)
    levels = [level.flatten(1) for level in asked.inputs(head)]
    other = joined_units(levels, head.stage_mean, head.stage_rate, head.stage_weight)
    together = torch.from_numpy(groups)
    same = (together[:, None] == together).float()  # (N, N)
    T = torch.from_numpy(learnt.dataset.targets).float()
    rate, mean = head.gamma / float(head.median), T.mean(0)
    logs = torch.zeros(units.shape[1], requires_grad=True)
    optimizer = torch.optim.Adam([logs], RATE)
    found = []
    for step in range(1 + max(steps)):
        weights = (logs / 2).exp()
        K = (squared_distances(units * weights, units * weights) * -rate).exp()
        if step in steps:
            with torch.no_grad():
                A = torch.linalg.solve(K + head.ridge * torch.eye(len(K)), T - mean)
                far = squared_distances(other * weights, units * weights)
                found.append(((far * -rate).exp() @ A + mean).numpy())
        if step < max(steps):
            optimizer.zero_grad()
            gradient = held_out_gradient(K.detach(), T - mean, same, head.ridge)
            torch.autograd.backward(K, gradient)
            optimizer.step()
    return found


def held_out_gradient(K: Tensor, T: Tensor, same: Tensor, ridge: float) -> Tensor:
    r"""Return the gradient in K of the mean square of held-out errors :math:`C_{gg}^{-1} (C T)_g`.

    C is :math:`(K + \lambda I)^{-1}`; ``same`` ``(N, N)`` is 1 for rows that are held out together.
    """
    C = torch.cholesky_inverse(torch.linalg.cholesky(K + ridge * torch.eye(len(K))))
    blocks = torch.linalg.cholesky(C * same)
    errors = torch.cholesky_solve(C @ T, blocks)  # (N, L)
    of_weights = torch.cholesky_solve(2 * errors / errors.numel(), blocks)
    of_inverse = of_weights @ T.mT - (of_weights @ errors.mT) * same
    return -C @ of_inverse @ C
