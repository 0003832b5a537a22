"""Logistic regressions with any ridge, fitted side by side: the control of a new label."""

from __future__ import annotations

import torch
from torch import Tensor

STEPS = 3000
TOLERANCE = 5e-4  # change of w in a step


def fit_probes(negatives: Tensor, positives: list[Tensor], ridge: float, *, half: bool) -> Tensor:
    """Return the weights ``(D, A)`` of logistic regressions with a free bias.

    Args:
        negatives: ``(N, D)``, of all of them.
        positives: ``(k, D)`` of each of A labels.
        ridge: of the mean loss, times half of |w|^2.
        half: half of the weight on the positives; else every image counts alike.
    """
    X, P = (_with_one(part.float()) for part in (negatives, torch.cat(positives)))
    N, A = len(X), len(positives)
    k = torch.tensor([float(len(part)) for part in positives])
    owner = torch.repeat_interleave(torch.arange(A), k.long())
    share, own = (torch.full((A,), 0.5 / N), 0.5 / k) if half else (1 / (N + k), 1 / (N + k))
    steep = share * N + own * torch.zeros(A).index_add_(0, owner, P.square().sum(1))
    step = 1 / (steep / 4 + ridge)
    decay = torch.full((X.shape[1], 1), ridge)
    decay[-1] = 0
    w = ahead = torch.zeros(X.shape[1], A)
    pace = torch.ones(A)
    for _ in range(STEPS):
        pull = (torch.sigmoid((P * ahead[:, owner].T).sum(1)) - 1) * own[owner]
        slope = X.T @ (torch.sigmoid(X @ ahead) * share) + decay * ahead
        slope.index_add_(1, owner, (P * pull[:, None]).T)
        after = ahead - slope * step
        change = after - w
        back = ((ahead - after) * change).sum(0) > 0
        pace = torch.where(back, 1.0, pace)
        faster = (1 + (1 + 4 * pace.square()).sqrt()) / 2
        ahead = after + torch.where(back, 0.0, (pace - 1) / faster) * change
        settled = change.norm(dim=0) <= TOLERANCE * after.norm(dim=0)
        w, pace = after, faster
        if settled.all():
            break
    return w[:-1].to(negatives.dtype)


def _with_one(x: Tensor) -> Tensor:
    return torch.cat([x, torch.ones(len(x), 1)], 1)
