"""The training loop: forward, loss, finite?, backward, clip, step.

Shapes: B batch, N images, L labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from imlgcn.config import InputError
from imlgcn.engines.device import choose_device
from imlgcn.training.extract import Inputs

if TYPE_CHECKING:
    from lightning.fabric import Fabric

Criterion = Callable[[Tensor, Tensor], Tensor]


def train_epoch(
    model: Any,
    batches: Iterable[tuple[Inputs, Tensor]],
    criterion: Criterion,
    optimizer: Optimizer,
    scheduler: LRScheduler,
    *,
    fabric: Fabric,
    clip: float | None = None,
    after_step: Callable[[int], None] = lambda images: None,
) -> float:
    """Train ``model`` (anything with ``loss(inputs, targets, criterion)``) for one epoch.

    Returns the mean loss per image. ``after_step`` is called with the batch size.

    Raises:
        InputError: the loss is not finite; the message says what to lower.
    """
    total, images = 0.0, 0
    for inputs, targets in batches:
        loss = model.loss(inputs, targets, criterion)
        value = float(loss.detach())
        if not np.isfinite(value):
            raise InputError(f"the loss became {value}: lower the learning rate and train again")
        optimizer.zero_grad()
        fabric.backward(loss)
        if clip is not None:
            fabric.clip_gradients(model, optimizer, max_norm=clip, error_if_nonfinite=False)
        optimizer.step()
        scheduler.step()
        total, images = total + value, images + len(targets)
        after_step(len(targets))
    return total / max(images, 1)


def take(inputs: Inputs, rows: Tensor | slice, device: torch.device) -> Inputs:
    """Return the rows of features of one or several levels, float32 on ``device``."""
    if isinstance(inputs, tuple):
        return tuple(level[rows].to(device, torch.float32) for level in inputs)
    return inputs[rows].to(device, torch.float32)


@torch.inference_mode()
def score_features(
    head: nn.Module, inputs: Inputs, *, batch_size: int | None = None
) -> NDArray[Any]:
    """Return the logits ``(N, L)`` of a head on cached features, one row per image."""
    head.eval()
    first = inputs[0] if isinstance(inputs, tuple) else inputs
    size = batch_size or (4096 if first.shape[-1] == 1 else 128)  # vectors or maps
    device = next(chain(head.parameters(), head.buffers())).device
    starts = range(0, max(len(first), 1), size)
    parts = [head(take(inputs, slice(i, i + size), device)).float().cpu() for i in starts]
    result: NDArray[np.float32] = torch.cat(parts).numpy()
    return result


def create_fabric(device: str = "auto") -> Fabric:
    """Return Lightning Fabric on a device: mixed precision on a CUDA GPU, float32 elsewhere.

    Args:
        device: as for :func:`imlgcn.engines.device.choose_device`.
    """
    from lightning.fabric import Fabric

    chosen = choose_device(device)
    if chosen.type != "cuda":
        return Fabric(accelerator=chosen.type, devices=1, precision="32-true")
    bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    precision: Literal["bf16-mixed", "16-mixed"] = "bf16-mixed" if bfloat16 else "16-mixed"
    return Fabric(accelerator="cuda", devices=[chosen.index or 0], precision=precision)
