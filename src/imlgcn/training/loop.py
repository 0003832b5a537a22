"""The training loop: forward, loss, finite?, backward, clip, step.

Shapes: B batch, N images, L labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from imlgcn.engines.device import choose_device, precision_on
from imlgcn.errors import InputError
from imlgcn.files import cache_dir
from imlgcn.memory import new_array
from imlgcn.training.levels import Batch, Inputs
from imlgcn.training.order import seed_of
from imlgcn.training.ranks import ALONE, Ranks
from imlgcn.training.row_draws import RowDraws

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
    shares: Shares | None = None,
) -> float:
    """Train ``model`` (anything with ``loss(inputs, targets, criterion)``) for one epoch.

    Returns the mean loss per image. ``after_step`` is called with the batch size. ``done`` is where
    an interrupted epoch goes on with the remaining ``batches``; it is kept up to date. ``shares``
    says how several processes share a batch: it holds the inputs of this one, the targets of all.

    Raises:
        DivergedError: the loss is not finite; the message says where and what may have caused it.
    """
    done = Done() if done is None else done
    ranks = shares.ranks if shares else ALONE
    for inputs, targets in batches:
        optimizer.zero_grad()
        parts = split_batch(inputs, targets, shares) if shares else [Part(inputs, targets)]
        seed = shares.seed(done.batches) if shares else None
        own = _backward(model, parts, criterion, fabric, seed)
        if not np.isfinite(value := ranks.sum(own)):
            why = "" if np.isfinite(own) else _why(own, inputs, model, scheduler, fabric)
            whys = [*filter(None, ranks.gather(why)), _why(value, inputs, model, scheduler, fabric)]
            ranks.agree(DivergedError(whys[0]))
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


class Part(NamedTuple):
    """A part of a batch, and what its loss counts in that of the batch.

    ``draws`` let a network draw for it what it would for the whole batch.
    """

    inputs: Batch
    targets: Tensor
    weight: float = 1.0
    draws: AbstractContextManager[Any] = nullcontext()


class Shares(NamedTuple):
    """How a batch is taken: by several processes, and in parts one after another.

    Attributes:
        ranks: the processes.
        divisor: returns what the loss of a batch of these targets is divided by.
        accumulate: in how many parts each process takes its own.
        seed: returns what the random numbers of a batch start with.
    """

    ranks: Ranks
    divisor: Callable[[Tensor], Tensor | int]
    accumulate: int = 1
    seed: Callable[[int], int] = seed_of


def split_batch(inputs: Batch, targets: Tensor, shares: Shares) -> list[Part]:
    """Return the parts of this process, whose losses add up to that of the batch over all.

    A process that has no image of a short batch takes one that counts nothing: all take each step.
    """
    ranks, divisor, accumulate, _ = shares
    if ranks.world == accumulate == 1:
        return [Part(inputs, targets)]
    assert isinstance(inputs, Tensor)  # images
    own = targets[ranks.mine]  # (B_r, L)
    if not len(own):
        return [Part(inputs.new_zeros(1, *inputs.shape[1:]), 0 * targets[:1], 0.0)]
    whole, count = float(divisor(targets)), min(accumulate, len(own))
    rows = torch.arange(len(targets))[ranks.mine]
    parts = (each.tensor_split(count) for each in (inputs, own, rows))
    return [
        Part(x, y, float(divisor(y)) / whole, RowDraws(numbers, len(targets)))
        for x, y, numbers in zip(*parts, strict=True)
    ]


def _backward(
    model: Any, parts: Sequence[Part], criterion: Criterion, fabric: Fabric, seed: int | None
) -> float:
    """Add the gradients of the batch up, in all processes; return the loss of this one's parts."""
    value = 0.0
    for number, (inputs, targets, weight, draws) in enumerate(parts, 1):
        several = fabric.world_size > 1
        with fabric.no_backward_sync(model) if several and number < len(parts) else nullcontext():
            if seed is not None:
                torch.manual_seed(seed)
            with draws:
                loss = model.loss(inputs, targets, criterion)
            if weight != 1:
                loss = loss * weight
            value += float(loss.detach())
            # DDP takes the mean over the processes; of the losses it is the sum
            fabric.backward(loss * fabric.world_size if several else loss)
    return value


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
    precision = precision_on(chosen)
    if chosen.type != "cuda":
        return Fabric(accelerator=chosen.type, devices=1, precision=precision)
    return Fabric(accelerator="cuda", devices=[chosen.index or 0], precision=precision)


def scales_loss(fabric: Fabric) -> bool:
    """Return whether the loss is scaled, as float16 needs it (a GPU without bfloat16)."""
    return getattr(fabric._precision, "scaler", None) is not None
