"""Losses for three-valued targets: asymmetric, focal and binary cross-entropy.

Each is a pure function that returns the loss of every entry, and a thin ``nn.Module`` that masks
unknown targets and reduces. Losses are computed in float32 at least, whatever the precision of the
network: half precision cannot represent 1 - p of a confident prediction.

Shapes: B batch, L labels. Targets are 1 present, 0 absent, -1 unknown; the modules refuse soft
targets.
"""

from __future__ import annotations

import inspect
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imlgcn.errors import InputError, unknown_name

Reduction = Literal["sum", "batch", "mean", "none"]


def asymmetric_loss(
    logits: Tensor,
    targets: Tensor,
    *,
    gamma_neg: float = 4.0,
    gamma_pos: float = 0.0,
    clip: float = 0.05,
    eps: float = 1e-8,
    detach_weight: bool = True,
) -> Tensor:
    r"""Asymmetric loss of Ridnik et al. (ICCV 2021), https://arxiv.org/abs/2009.14119, per entry.

    .. math:: \ell = -(1 - b)^\gamma \log \max(b, \epsilon)

    ``b`` is the probability of the true class: :math:`p = \sigma(x)` for a positive with
    :math:`\gamma` = ``gamma_pos``, and :math:`\min(1 - p + clip, 1)` for a negative with
    :math:`\gamma` = ``gamma_neg``. So a negative below probability ``clip`` has no loss, and no
    entry more than :math:`-\log \epsilon`; at that bound the gradient is zero. ``detach_weight``
    treats :math:`(1 - b)^\gamma` as a constant in the backward pass. With both gammas and the clip
    0 it is binary cross-entropy (up to the bound).

    Shape:
        - logits, targets, output ``(B, L)``; an unknown target is treated as absent here.

    Differs from the paper: the bound and ``detach_weight`` are those of the published code.
    """
    p = torch.sigmoid(logits)
    positive = targets > 0
    b = torch.where(positive, p, (1 - p + clip).clamp(max=1))
    # The floor changes no value; it keeps the gradient of (1 - b)^gamma finite for gamma below 1.
    miss = (1 - b).clamp(min=torch.finfo(b.dtype).tiny)
    weight = torch.where(positive, miss**gamma_pos, miss**gamma_neg)
    if detach_weight:
        weight = weight.detach()
    return -weight * b.clamp(min=eps).log()


def focal_loss(
    logits: Tensor, targets: Tensor, *, gamma: float = 2.0, alpha: float | None = None
) -> Tensor:
    r"""Focal loss of Lin et al. (ICCV 2017), https://arxiv.org/abs/1708.02002, per entry (Eq. 5).

    .. math:: \ell = -\alpha_t (1 - p_t)^\gamma \log p_t

    ``p_t`` is the probability of the true class; :math:`\alpha_t` is ``alpha`` for positives
    and 1 - ``alpha`` for negatives, or 1 for both if None. ``gamma=0`` is binary cross-entropy.

    Shape:
        - logits, targets, output ``(B, L)``; an unknown target is treated as absent here.
    """
    positive = targets > 0
    margin = torch.where(positive, logits, -logits)  # p_t = sigmoid(margin)
    # Computed from logarithms, nothing saturates: 1 - p_t = sigmoid(-margin).
    loss = -(gamma * F.logsigmoid(-margin)).exp() * F.logsigmoid(margin)
    if alpha is None:
        return loss
    return torch.where(positive, alpha * loss, (1 - alpha) * loss)


class Criterion(nn.Module):
    """Base of the losses: checks shapes, computes in float32 at least, masks unknowns, reduces.

    Args:
        reduction: "sum" over images and labels (what published ASL learning rates assume); "batch":
            summed over labels, mean over images; "mean" over the known entries; "none": ``(B, L)``
            with 0 where the target is unknown. An empty batch, or one without a known entry, is 0.

    Shape:
        - logits ``(B, L)``, targets ``(B, L)`` in {1, 0, -1}; output a scalar, float32 or float64.

    Calling it raises InputError for other shapes, and for soft targets.
    """

    def __init__(self, reduction: Reduction = "sum") -> None:
        super().__init__()
        if reduction not in get_args(Reduction):
            raise unknown_name("reduction", reduction, get_args(Reduction))
        self.reduction = reduction

    def elementwise(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of every entry, ``(B, L)``; its value for unknown targets is ignored."""
        raise NotImplementedError

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the reduced loss; unknown targets do not count in value, gradient or mean."""
        if logits.shape != targets.shape:
            raise InputError(
                f"logits and targets must have the same shape; got {tuple(logits.shape)} and "
                f"{tuple(targets.shape)}"
            )
        if logits.dtype != torch.float64:
            logits = logits.float()
        if targets.is_floating_point() and not targets.eq(targets.round()).all():
            raise InputError(
                "targets are 1 (present), 0 (absent) or -1 (unknown); got values between them. "
                "Soft targets are not supported: round them, or mark the doubtful ones -1"
            )
        known = targets >= 0
        loss = self.elementwise(logits, targets).where(known, 0.0)  # (B, L)
        if self.reduction == "none":
            return loss
        return loss.sum() / self.divisor(targets)

    def divisor(self, targets: Tensor) -> Tensor | int:
        """Return what the sum over all entries of ``targets`` is divided by.

        The loss of a batch is the sum over its parts of a part's loss times its divisor, divided by
        that of the batch.
        """
        if self.reduction == "mean":
            return (targets >= 0).sum().clamp(min=1)
        return max(len(targets), 1) if self.reduction == "batch" else 1


class AsymmetricLoss(Criterion):
    """Asymmetric loss as a module, see :func:`asymmetric_loss`.

    The defaults are those of the published training script (its class has ``gamma_pos=1``). The
    learning rates published with it belong to ``reduction="sum"``.

    Args:
        gamma_neg: focusing of negatives, at least 0.
        gamma_pos: focusing of positives, at least 0.
        clip: probability below which a negative has no loss, 0 to below 1.
        eps: bound of the logarithm, above 0 and below 1.
        detach_weight: no gradient through the focusing weight.
        reduction: see :class:`Criterion`.

    Raises:
        InputError: an argument is out of range.

    >>> loss = AsymmetricLoss(gamma_neg=1, clip=0)(torch.zeros(1, 2), torch.tensor([[1, -1]]))
    >>> round(loss.item(), 4)  # -log(1/2), and 0 for the unknown
    0.6931
    """

    def __init__(
        self,
        gamma_neg: float = 4.0,
        gamma_pos: float = 0.0,
        clip: float = 0.05,
        eps: float = 1e-8,
        detach_weight: bool = True,
        reduction: Reduction = "sum",
    ) -> None:
        super().__init__(reduction)
        _check("gamma_neg", gamma_neg, gamma_neg >= 0, "at least 0")
        _check("gamma_pos", gamma_pos, gamma_pos >= 0, "at least 0")
        _check("clip", clip, 0 <= clip < 1, "at least 0 and below 1")
        _check("eps", eps, 0 < eps < 1, "above 0 and below 1")
        self.gamma_neg, self.gamma_pos = gamma_neg, gamma_pos
        self.clip, self.eps, self.detach_weight = clip, eps, detach_weight

    def elementwise(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return :func:`asymmetric_loss`."""
        return asymmetric_loss(
            logits,
            targets,
            gamma_neg=self.gamma_neg,
            gamma_pos=self.gamma_pos,
            clip=self.clip,
            eps=self.eps,
            detach_weight=self.detach_weight,
        )


class FocalLoss(Criterion):
    """Focal loss as a module, see :func:`focal_loss`.

    Args:
        gamma: focusing, at least 0.
        alpha: weight of positives, 0 to 1 (negatives get 1 - alpha); None weighs both 1.
        reduction: see :class:`Criterion`.

    Raises:
        InputError: an argument is out of range.
    """

    def __init__(
        self, gamma: float = 2.0, alpha: float | None = None, reduction: Reduction = "sum"
    ) -> None:
        super().__init__(reduction)
        _check("gamma", gamma, gamma >= 0, "at least 0")
        _check("alpha", alpha, alpha is None or 0 <= alpha <= 1, "0 to 1, or None")
        self.gamma, self.alpha = gamma, alpha

    def elementwise(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return :func:`focal_loss`."""
        return focal_loss(logits, targets, gamma=self.gamma, alpha=self.alpha)


class BinaryCrossEntropy(Criterion):
    """Binary cross-entropy with logits; ``reduction="mean"`` is the loss of ML-GCN's training."""

    def elementwise(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the cross-entropy of every entry."""
        present = (targets > 0).to(logits.dtype)
        return F.binary_cross_entropy_with_logits(logits, present, reduction="none")


LOSSES: dict[str, type[Criterion]] = {
    "asymmetric": AsymmetricLoss,
    "focal": FocalLoss,
    "bce": BinaryCrossEntropy,
}


def create_loss(name: str, **options: object) -> Criterion:
    """Return a loss of :data:`LOSSES` by name.

    Raises:
        InputError: unknown name or option (with the nearest spelling), or a value out of range.

    >>> create_loss("focal", gama=1)
    Traceback (most recent call last):
    imlgcn.errors.InputError: unknown option of loss focal 'gama'; did you mean 'gamma'? Known: ...
    """
    if name not in LOSSES:
        raise unknown_name("loss", name, LOSSES)
    known = inspect.signature(LOSSES[name]).parameters
    for option in options:
        if option not in known:
            raise unknown_name(f"option of loss {name}", option, known)
    return LOSSES[name](**options)  # type: ignore[arg-type]


def _check(name: str, value: float | None, fits: bool, expected: str) -> None:
    if not fits:
        raise InputError(f"{name} of the loss must be {expected}; got {value}")
