r"""A backbone trained in parts: each core takes a few images at a time through a copy of its own.

Threads that share no layer do not wait for each other at its end, which costs most when other
programs, such as the workers that decode, use the cores too. Batch norms that stand still are part
of their convolutions (a sixth of the work), as in :mod:`imlgcn.models.folding`, and still learn
scale and shift:

.. math:: W' = \frac{\gamma}{\sigma} W, \qquad b' = \frac{\gamma}{\sigma}(b - \mu) + \beta

The gradients are those of the whole batch, up to rounding, and the same in every run: each copy
takes the same images, and the copies' gradients are added in order.
Shapes: B batch, C channels, S image side, H W map.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from imlgcn.engines.torch import torch_threads
from imlgcn.models import Backbone, MultiLabelClassifier
from imlgcn.models.folding import batch_norm_pairs, fold_batch_norms
from imlgcn.training.loop import Criterion
from imlgcn.training.optimization import freeze_batch_norm

IMAGES = 8  # in a part, at most: the fastest of 2 to 32 for Lite0 at 160 px
Maps = tuple[Tensor, ...]  # one for each level, (B, C, H, W)


def can_stream(backbone: nn.Module) -> bool:
    """Return whether a batch may be taken apart: no image's result depends on another or on chance.

    Batch norms that learn statistics need the whole batch; what is drawn in threads would be drawn
    in another order in every run. A GPU wants the whole batch, too.
    """
    if next(backbone.parameters()).device.type != "cpu":
        return False
    for part in backbone.modules():
        if isinstance(part, _BatchNorm) and part.training:
            return False
        if type(part).__name__.startswith(("Drop", "AlphaDropout", "FeatureAlphaDropout")):
            chance = getattr(part, "p", getattr(part, "drop_prob", 1.0))
            if chance:
                return False
    return True


class StreamedClassifier:
    """A classifier's loss with the backbone run in parts; the head sees the whole batch."""

    def __init__(self, classifier: MultiLabelClassifier, streams: BackboneStreams) -> None:
        self.classifier, self.streams = classifier, streams

    def loss(self, images: Tensor, targets: Tensor, criterion: Criterion) -> Tensor:
        """Return the head's training loss on a batch of images ``(B, 3, S, S)``."""
        maps = self.streams(images, self.classifier.levels)
        features = maps if self.classifier.levels > 1 else maps[0]
        return self.classifier.head.loss(features, targets, criterion)


class BackboneStreams:
    """Copies of a backbone, one for each thread of ``pool``, whose gradients reach the original."""

    def __init__(self, backbone: Backbone, streams: int, pool: ThreadPoolExecutor) -> None:
        size = backbone.image_settings.size
        self._original = dict(backbone.named_modules())
        self._parameters = dict(backbone.named_parameters())
        self._pairs = {conv: norm for norm, conv in batch_norm_pairs(backbone, size).items()}
        self._copies = [fold_batch_norms(backbone, size).train() for _ in range(streams)]
        for copied in self._copies:
            freeze_batch_norm(copied.requires_grad_())
        self._leaves: list[list[Tensor]] = [list(c.parameters()) for c in self._copies]
        self._pool = pool

    def __call__(self, images: Tensor, levels: int) -> Maps:
        """Return the last ``levels`` maps of a batch of images, deepest last."""
        maps: Maps = _Parts.apply(self, images, levels, *self._folded())
        return maps

    def part(self, images: int) -> int:
        """Return how many images of a batch a stream takes at a time."""
        return min(IMAGES, math.ceil(images / len(self._copies)))

    def _folded(self) -> Iterator[Tensor]:
        """Yield the copies' parameters, computed from the original's."""
        for name, _ in self._copies[0].named_parameters():
            module, _, own = name.rpartition(".")
            if module in self._pairs:
                yield self._fold(module, own)
            else:
                yield self._parameters[name]

    def _fold(self, name: str, own: str) -> Tensor:
        """Return the weight or the bias of a convolution and the batch norm that follows it."""
        conv, norm = self._original[name], self._original[self._pairs[name]]
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, _BatchNorm)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = (norm.running_var + norm.eps).rsqrt()  # (C,)
        if norm.weight is not None:
            scale = scale * norm.weight
        if own == "weight":
            return conv.weight * scale[:, None, None, None]
        shift = norm.running_mean if conv.bias is None else norm.running_mean - conv.bias
        return -shift * scale if norm.bias is None else norm.bias - shift * scale

    def forward(self, images: Tensor, levels: int, parameters: Sequence[Tensor]) -> list[Maps]:
        """Return the maps of every part; they remember how they were computed."""
        for leaves in self._leaves:
            torch._foreach_copy_(leaves, list(parameters))
        parts = torch.split(images, self.part(len(images)))

        def run(stream: int) -> list[Maps]:
            with torch.enable_grad():
                found = [
                    self._copies[stream](part, levels)
                    for part in parts[stream :: len(self._copies)]
                ]
            return [maps if isinstance(maps, tuple) else (maps,) for maps in found]

        return _interleaved(list(self._pool.map(run, range(len(self._copies)))))

    def backward(self, parts: list[Maps], gradients: list[Maps]) -> list[Tensor | None]:
        """Return the gradients of the copies' parameters, those of all copies added."""
        streams = len(self._copies)

        def run(stream: int) -> list[Tensor | None]:
            for maps, given in zip(parts[stream::streams], gradients[stream::streams], strict=True):
                torch.autograd.backward(maps, given)
            found = [leaf.grad for leaf in self._leaves[stream]]
            for leaf in self._leaves[stream]:
                leaf.grad = None
            return found

        return [_sum(alike) for alike in zip(*self._pool.map(run, range(streams)), strict=True)]


class _Parts(torch.autograd.Function):
    """Runs the parts as one operation on the folded parameters."""

    @staticmethod
    def forward(
        ctx: Any, streams: BackboneStreams, images: Tensor, levels: int, *parameters: Tensor
    ) -> Maps:
        parts = streams.forward(images, levels, parameters)
        ctx.streams, ctx.parts = streams, parts
        return tuple(torch.cat([m.detach() for m in level]) for level in zip(*parts, strict=True))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        split = [torch.split(g, ctx.streams.part(len(g))) for g in gradients]
        found = ctx.streams.backward(ctx.parts, list(zip(*split, strict=True)))
        del ctx.parts
        return (None, None, None, *found)


def _interleaved(streams: list[list[Maps]]) -> list[Maps]:
    """Put the parts of all streams in the batch's order.

    >>> _interleaved([[0, 2, 4], [1, 3]])
    [0, 1, 2, 3, 4]
    """
    count = sum(map(len, streams))
    return [streams[i % len(streams)][i // len(streams)] for i in range(count)]


def _sum(gradients: Sequence[Tensor | None]) -> Tensor | None:
    found = [gradient for gradient in gradients if gradient is not None]
    return torch.stack(found).sum(0) if len(found) > 1 else (found[0] if found else None)


@contextmanager
def streamed(classifier: MultiLabelClassifier) -> Iterator[StreamedClassifier]:
    """Yield ``classifier`` with its backbone in streams, one for each of torch's threads."""
    streams = torch.get_num_threads()
    # said in each thread, too: a thread whose first operation is a convolution would use all cores
    one = partial(torch.set_num_threads, 1)
    with torch_threads(1), ThreadPoolExecutor(streams, "train", initializer=one) as pool:
        yield StreamedClassifier(classifier, BackboneStreams(classifier.backbone, streams, pool))
