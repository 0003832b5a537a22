r"""The four parts of a new label's score, each from its k images and what is known already.

.. math::
    s_\text{lda} &= x^\top (0.1\, S + \tfrac{0.9}{D} I)^{-1} \mu \\
    s_\text{probe} &= w^\top x, \quad w \text{ of a logistic regression, half of the weight on the
        positives} \\
    s_\text{kernel} &= K(x, \cdot)\, (K + 0.3\, I)^{-1} t \\
    s_\text{graph} &= \sum_j \alpha_j f_j(x), \quad
        \alpha = (I + M^\top B^{-1} M + e P^\top P)^{-1} (M^\top B^{-1} \mu + e P^\top c), \quad
        B = \tfrac{v}{k} S + \rho I

:math:`\mu` is the mean x of the k images and c how much more often than usual each known label is
on them (:math:`c_l = \frac{n_l + p_l}{k + 1} - p_l`); where their labels are not known e is 0.
:math:`s_\text{graph}` is one graph convolution: the scores f of the known labels flow to the new
one, over edges made of image-based embeddings and counts.

Shapes: N images of the ground, k positives, D channels, L labels, A new labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from imlgcn.models.new_label.ground import NEW_RIDGE, Ground

RHO = 3e-4
SPREAD = {True: 10.0, False: 3.0}  # v, where the images' other labels are known, and where not
TRUST = 300.0  # e
PROBE_RIDGE = 1e-3
PROBE_STEPS = 3000  # at most
PROBE_TOLERANCE = 3e-3  # change of w in a step: the ranking is settled long before


def lda(ground: Ground, mu: Tensor) -> Tensor:
    """Return the weights ``(D, A)`` of s_lda for means ``(D, A)``."""
    return torch.cholesky_solve(mu, ground.shrunk_factor)


def graph(
    ground: Ground,
    mu: Tensor,
    k: int,
    shares: Tensor | None = None,
    hidden: Sequence[int | None] | None = None,
) -> Tensor:
    r"""Return :math:`\alpha` ``(L, A)`` for new labels with k images each.

    Args:
        ground: what is known.
        mu: means ``(D, A)`` of their images.
        k: how many images each has.
        shares: c ``(L, A)``; None: the images' other labels are not known.
        hidden: for each new label a known one that plays no part; None: all do.
    """
    known, L = shares is not None, ground.targets.shape[1]
    spread = SPREAD[known] / k * ground.covariance + RHO * torch.eye(len(mu), dtype=mu.dtype)
    both = torch.cholesky_solve(
        torch.cat([ground.embeddings, mu], 1), torch.linalg.cholesky(spread)
    )
    near = ground.embeddings.T @ both  # (L, L + A)
    alpha = torch.zeros(L, mu.shape[1], dtype=mu.dtype)
    names = hidden or [None] * mu.shape[1]
    for one in set(names):
        columns = torch.tensor([a for a, name in enumerate(names) if name == one])
        rows = torch.tensor([row for row in range(L) if row != one], dtype=torch.int64)
        system = torch.eye(len(rows), dtype=mu.dtype) + near[rows][:, rows]
        right = near[rows][:, L + columns]
        if shares is not None:
            P = ground.conditional[rows][:, rows]
            system = system + TRUST * P.T @ P
            right = right + TRUST * P.T @ shares[rows][:, columns]
        alpha[rows[:, None], columns] = torch.linalg.solve(system, right)
    return alpha


def probe(
    x: Tensor,
    negatives: Tensor,
    new: Tensor,
    owner: Tensor,
    shown: Tensor,
    *,
    ridge: float = PROBE_RIDGE,
    half: bool = True,
    tolerance: float = PROBE_TOLERANCE,
) -> Tensor:
    """Return the weights ``(D, A)`` of A logistic regressions with a free bias, fitted at once.

    The mean loss, half of it from the positives and half from the negatives, plus ridge/2 |w|^2, by
    Nesterov's accelerated gradient with restarts (O'Donoghue and Candes 2015), in float32.

    Args:
        x: the images of the ground ``(N, D)``.
        negatives: ``(N, A)`` bool: which of them are negatives of which label.
        new: ``(K, D)`` the new images of all labels, one after another.
        owner: ``(K,)`` the label of each, 0 to A - 1.
        shown: ``(K,)`` 1 the image shows its label, 0 it does not.
        ridge: of the loss.
        half: weigh as above; else every image counts alike.
        tolerance: the steps end when w changes by less, relative to its length.
    """
    X, P = (torch.cat([part.float(), torch.ones(len(part), 1)], 1) for part in (x, new))
    A = negatives.shape[1]
    count = torch.zeros(2, A).index_put_((shown, owner), torch.ones(len(P)), accumulate=True)
    count[0] += negatives.sum(0)
    each = 0.5 / count if half else 1 / count.sum(0).expand(2, A)  # weight of an image (2, A)
    share = negatives * each[0]  # (N, A)
    own = each[shown, owner]  # (K,)
    steep = len(X) * share.amax(0)  # of centred x no direction is longer than that of the bias
    steep = steep.index_add_(0, owner, P.square().sum(1) * own)
    step = 1 / (steep / 4 + ridge)  # (A,), 1 / Lipschitz constant
    decay = torch.full((X.shape[1], 1), ridge)
    decay[-1] = 0  # of the bias
    w = ahead = torch.zeros(X.shape[1], A)
    pace = torch.ones(A)
    for _ in range(PROBE_STEPS):
        pull = (torch.sigmoid((P * ahead[:, owner].T).sum(1)) - shown) * own  # (K,)
        slope = X.T @ (torch.sigmoid(X @ ahead) * share) + decay * ahead
        slope.index_add_(1, owner, (P * pull[:, None]).T)
        after = ahead - slope * step
        change = after - w
        back = ((ahead - after) * change).sum(0) > 0  # the step went uphill: start anew
        pace = torch.where(back, 1.0, pace)
        faster = (1 + (1 + 4 * pace.square()).sqrt()) / 2
        ahead = after + torch.where(back, 0.0, (pace - 1) / faster) * change
        settled = change.norm(dim=0) <= tolerance * after.norm(dim=0)
        w, pace = after, faster
        if settled.all():
            break
    found: Tensor = w[:-1].to(x.dtype)
    return found


class Near(NamedTuple):
    """Vectors of new images ``(q, V)``, their kernel to the ground ``(q, N)``, and it times C."""

    vectors: Tensor
    kernel: Tensor
    solved: Tensor

    @classmethod
    def of(cls, ground: Ground, vectors: Tensor) -> Near:
        """Compute both for all images at once: C is read once."""
        kernel = ground.kernel_to(vectors)
        return cls(vectors, kernel, kernel @ ground.inverse)

    def select(self, rows: Tensor) -> Near:
        """Return those of some images."""
        return Near(*(values[rows] for values in self))


class KernelPart:
    """s_kernel of one new label: weights of the images of the ground, and of the new ones.

    Args:
        ground: what is known.
        near: the q new images: positives, and negatives that were given.
        new_targets: ``(q,)`` 1 or 0.
        old_targets: ``(N,)`` 1 or 0 for the images of the ground.
        left_out: ``(N,)`` bool: images of the ground that play no part, as they are doubtful.

    Attributes:
        old, new: the weights ``(N,)`` and ``(q,)``.
        held_out: ``(N,)`` the score of each image of the ground, by the others.
    """

    def __init__(
        self, ground: Ground, near: Near, new_targets: Tensor, old_targets: Tensor, left_out: Tensor
    ) -> None:
        C, out = ground.inverse, left_out.nonzero()[:, 0]
        apart = torch.linalg.solve(C[out][:, out], C[out])  # C without those: C - C_uo C_oo^-1 C_ou
        c = (near.solved - near.solved[:, out] @ apart) * ~left_out  # (q, N)
        own = ground.kernel_between(near.vectors, near.vectors)
        own = own + NEW_RIDGE * torch.eye(len(own), dtype=own.dtype)
        S = torch.linalg.inv(own - c @ near.kernel.T)
        known = old_targets * ~left_out
        self.new = S @ (new_targets - c @ known)
        shown = known.nonzero()[:, 0]
        by_old = C[shown].sum(0) - C[shown][:, out].sum(0) @ apart
        self.old = (by_old - c.T @ self.new) * ~left_out
        diagonal = C.diagonal() - (C[:, out] * apart.T).sum(1) + (c * (S @ c)).sum(0)
        held = known - self.old / diagonal.clamp(min=1e-12)
        held[out] = ground.kernel[out] @ self.old + near.kernel.T[out] @ self.new
        self.held_out = held
