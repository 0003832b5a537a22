r"""Folding for inference: batch norms, what the head computes from labels alone, calibration.

A batch norm that follows a convolution is folded into it:

.. math:: \frac{W x + b - \mu}{\sigma}\,\gamma + \beta = \frac{\gamma}{\sigma} W x
          + \frac{\gamma}{\sigma}(b - \mu) + \beta, \qquad \sigma^2 = v + \epsilon

Shapes: B batch, S input size, C channels.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._python_dispatch import TorchDispatchMode

from imlgcn.activation_maps import MapKind
from imlgcn.models.classifier import MultiLabelClassifier
from imlgcn.models.layers import FoldedHead
from imlgcn.models.scorer import Features, Scorer

Module = TypeVar("Module", bound=nn.Module)
Pairs = dict[str, str]  # name of a batch norm -> name of the convolution it follows


def fold_classifier(classifier: MultiLabelClassifier) -> MultiLabelClassifier:
    """Return an equal network with everything that does not depend on the image computed once."""
    backbone = classifier.backbone
    joined = MultiLabelClassifier(backbone, classifier.head.eval().fold()).eval()
    return fold_batch_norms(joined, backbone.image_settings.size)


class ScaledHead(Scorer):
    r"""A head whose logits are scaled and shifted per label: :math:`a_l y_l + b_l`.

    Shape:
        - as the head; a, b ``(L,)``
    """

    slope: Tensor
    intercept: Tensor

    def __init__(self, head: Scorer, slope: Tensor, intercept: Tensor) -> None:
        super().__init__()
        self.head = head
        self.feature_levels, self.uses_known = head.feature_levels, head.uses_known
        self.pooling = head.pooling
        self.register_buffer("slope", slope)
        self.register_buffer("intercept", intercept)

    def forward(self, features: Features, known: Tensor | None = None) -> Tensor:
        """Return the scaled logits of a batch of maps."""
        logits: Tensor = self.head(features, known)
        return logits * self.slope + self.intercept

    @property
    def map_kind(self) -> MapKind | None:
        """As of the head."""
        return self.head.map_kind

    def activation_maps(
        self, features: Features, known: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the scaled logits and their maps, scaled alike; attention is not scaled."""
        logits, maps = self.head.activation_maps(features, known)
        if self.map_kind != "attention":
            maps = maps * self.slope[:, None, None]
        return logits * self.slope + self.intercept, maps


@torch.no_grad()
def scale_logits(head: Scorer, slope: Tensor, intercept: Tensor) -> Scorer:
    """Return a head with logits :math:`a_l y_l + b_l`; a linear head stays one linear layer."""
    if not isinstance(head, FoldedHead):
        return ScaledHead(head, slope, intercept)
    bias = intercept if head.linear.bias is None else slope * head.linear.bias + intercept
    return FoldedHead(head.vector, slope[:, None] * head.linear.weight, bias)


@torch.no_grad()
def fold_batch_norms(module: Module, size: int) -> Module:
    """Return a copy in evaluation mode whose batch norms are folded into their convolutions.

    ``module`` takes images ``(B, 3, S, S)`` with S = ``size``. A batch norm is folded if it is
    the only reader of one convolution's output, and both run once; others are kept.
    """
    folded = copy.deepcopy(module).eval()
    modules = dict(folded.named_modules())
    for norm_name, conv_name in batch_norm_pairs(folded, size).items():
        norm, conv = modules[norm_name], modules[conv_name]
        assert isinstance(norm, _BatchNorm)
        assert isinstance(conv, nn.Conv2d)
        _fold_into(conv, norm)
        parent, _, own = norm_name.rpartition(".")
        # timm's batch norms end in an activation
        setattr(modules[parent], own, getattr(norm, "act", nn.Identity()))
    return folded


def _fold_into(conv: nn.Conv2d, norm: _BatchNorm) -> None:
    """Put the scale and shift of ``norm`` into ``conv``, computed in float64."""
    assert norm.running_var is not None
    assert norm.running_mean is not None
    scale = (norm.running_var.double() + norm.eps).rsqrt()  # (C,)
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    old = 0.0 if conv.bias is None else conv.bias.double()
    shift = (old - norm.running_mean.double()) * scale
    if norm.bias is not None:
        shift = shift + norm.bias.double()
    weight = conv.weight.double() * scale[:, None, None, None]
    conv.weight = nn.Parameter(weight.to(conv.weight.dtype), requires_grad=False)
    conv.bias = nn.Parameter(shift.to(conv.weight.dtype), requires_grad=False)


class _Readers(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts how many operations read each tensor; keeps them, so that no id is used twice."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count: Counter[int] = Counter()
        self._kept: list[Tensor] = []

    def __torch_dispatch__(  # type: ignore[no-untyped-def]
        self, func: Callable[..., Any], types, args=(), kwargs=None
    ) -> Any:
        for given in torch.utils._pytree.tree_leaves((args, kwargs)):
            if isinstance(given, Tensor):
                self.count[id(given)] += 1
                self._kept.append(given)
        return func(*args, **(kwargs or {}))


def batch_norm_pairs(module: nn.Module, size: int) -> Pairs:
    """Return which batch norm follows which convolution, from a run on the meta device."""
    shadow = copy.deepcopy(module).to("meta")
    written: dict[int, str] = {}  # id of a tensor -> the convolution that wrote it
    read: dict[str, list[int]] = {}  # batch norm -> ids of what it read
    runs: Counter[str] = Counter()
    kept: list[Tensor] = []

    def watch(name: str, part: nn.Module) -> None:
        def after(_: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            runs[name] += 1
            if isinstance(part, nn.Conv2d):
                written[id(output)] = name
                kept.append(output)
            else:
                read.setdefault(name, []).append(id(inputs[0]))

        part.register_forward_hook(after)

    for name, part in shadow.named_modules():
        normalises = isinstance(part, _BatchNorm) and part.running_mean is not None
        if normalises or isinstance(part, nn.Conv2d):
            watch(name, part)
    with _Readers() as readers:
        dtype = next(shadow.parameters()).dtype
        shadow(torch.empty(1, 3, size, size, dtype=dtype, device="meta"))
    found = {name: ids[0] for name, ids in read.items() if len(ids) == 1}
    return {
        name: written[key]
        for name, key in found.items()
        if readers.count[key] == 1 and key in written and runs[written[key]] == 1
    }
