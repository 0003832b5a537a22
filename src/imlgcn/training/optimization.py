"""Optimiser and schedule: AdamW with decay on matrices, OneCycle, frozen batch norms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import OneCycleLR


class Group(NamedTuple):
    """A module and the values it is trained with."""

    module: nn.Module
    learning_rate: float
    weight_decay: float


def create_optimizer(
    groups: Sequence[Group], steps: int, *, fused: bool = True
) -> tuple[Optimizer, OneCycleLR]:
    """Return AdamW and a OneCycle schedule of ``steps`` steps for the modules of ``groups``.

    Weight decay acts on matrices and kernels only: biases and norm parameters are not decayed
    (ASL's recipe). The rate rises over the first fifth. ``fused`` is the fast form of AdamW,
    which undoes the scale of a half-precision loss by itself: then gradients cannot be clipped
    (see :func:`imlgcn.training.loop.scales_loss`).
    """
    parameters: list[dict[str, Any]] = []
    for module, rate, decay in groups:
        trained = [p for p in module.parameters() if p.requires_grad]
        matrices = [p for p in trained if p.ndim > 1]
        vectors = [p for p in trained if p.ndim <= 1]
        parameters += [
            {"params": matrices, "lr": rate, "weight_decay": decay},
            {"params": vectors, "lr": rate, "weight_decay": 0.0},
        ]
    parameters = [group for group in parameters if group["params"]]
    optimizer = AdamW(parameters, fused=fused)
    rates = [group["lr"] for group in parameters]
    total = max(steps, 2)
    # a fifth of 5 steps would end at step 0, where torch divides by zero
    rise = 0.2 if total != 5 else 0.25
    return optimizer, OneCycleLR(optimizer, rates, total_steps=total, pct_start=rise)


def freeze_batch_norm(module: nn.Module) -> None:
    """Freeze running statistics; scale and shift are still trained."""
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.eval()
