"""The training loop: forward, loss, finite?, backward, clip, step.

Shapes: B batch, N images, L labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
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
from imlgcn.files import cache_dir
from imlgcn.memory import new_array
from imlgcn.training.levels import Batch, Inputs

if TYPE_CHECKING:
    from lightning.fabric import Fabric

Criterion = Callable[[Tensor, Tensor], Tensor]


class DivergedError(InputError):
    """The loss is not finite: the training cannot go on, but what it saved before is sound."""


@dataclass
class Done:
    """How far an epoch has come."""

    loss: float = 0.0  # summed over images
    images: int = 0
    batches: int = 0

    @property
    def mean(self) -> float:
        """Return the mean loss per image."""
        return self.loss / max(self.images, 1)


def train_epoch(
    model: Any,
    batches: Iterable[tuple[Batch, Tensor]],
    criterion: Criterion,
    optimizer: Optimizer,
    scheduler: LRScheduler,
    *,
    fabric: Fabric,
    clip: float | None = None,
    done: Done | None = None,
    after_step: Callable[[int], None] = lambda images: None,
) -> float:
    """Train ``model`` (anything with ``loss(inputs, targets, criterion)``) for one epoch.

    Returns the mean loss per image. ``after_step`` is called with the batch size. ``done`` is where
    an interrupted epoch goes on with the remaining ``batches``; it is kept up to date.

    Raises:
        DivergedError: the loss is not finite; the message says where and what may have caused it.
    """
    done = Done() if done is None else done
    for inputs, targets in batches:
        loss = model.loss(inputs, targets, criterion)
        value = float(loss.detach())
        if not np.isfinite(value):
            raise DivergedError(_why(value, inputs, model, scheduler, fabric))
        optimizer.zero_grad()
        fabric.backward(loss)
        if clip is not None:
            fabric.clip_gradients(model, optimizer, max_norm=clip, error_if_nonfinite=False)
        optimizer.step()
        scheduler.step()
        done.loss, done.images, done.batches = (
            done.loss + value,
            done.images + len(targets),
            done.batches + 1,
        )
        after_step(len(targets))
    return done.mean


def _why(value: float, inputs: Batch, model: Any, scheduler: LRScheduler, fabric: Fabric) -> str:
    """Return the message for a loss that is not finite: where it happened, likeliest causes."""
    step, rate = scheduler.last_epoch + 1, scheduler.get_last_lr()[0]
    levels = inputs if isinstance(inputs, tuple) else (inputs,)
    weights = [name for name, p in model.named_parameters() if not torch.isfinite(p).all()]
    if not all(bool(torch.isfinite(level).all()) for level in levels):
        why = "the inputs of this batch hold values that are not finite: check the images"
    elif weights and step > 1:
        why = f"the step before left weights that are not finite ({weights[0]}); lower the rate"
    elif weights:
        why = f"the weights that it starts from are not finite ({weights[0]}); give other ones"
    elif "16" in str(fabric._precision.precision):
        why = "half precision overflowed, or the rate is too high; lower the rate, or use the CPU"
    else:
        why = "the learning rate is too high; lower it"
    return f"the loss became {value} at step {step} with a learning rate of {rate:g}: {why}"


def take(inputs: Inputs, rows: Tensor | slice, device: torch.device) -> Batch:
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
    logits: NDArray[np.float32] | None = None
    for start in starts:
        part = head(take(inputs, slice(start, start + size), device)).float().cpu().numpy()
        if logits is None:  # at once: parts between what comes and goes would scatter the memory
            logits = new_array((len(first), part.shape[1]), np.float32, cache_dir())
        logits[start : start + size] = part
    assert logits is not None, "an empty part is one, too"
    return logits


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


def scales_loss(fabric: Fabric) -> bool:
    """Return whether the loss is scaled, as float16 needs it (a GPU without bfloat16)."""
    return getattr(fabric._precision, "scaler", None) is not None
