"""CSRA: class-specific residual attention, a score per position pooled twice.

Zhu & Wu, Residual Attention: A Simple but Effective Method for Multi-Label Recognition (ICCV 2021),
https://arxiv.org/abs/2108.02456. Shapes: B batch, C channels, H W map, N = H * W positions,
T heads (one temperature each), L labels.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from imlgcn.activation_maps import MapKind
from imlgcn.errors import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.models.heads.base import Features, Head, Presets
from imlgcn.models.layers import leaf_uniform, winners
from imlgcn.models.scorer import refuse_known
from imlgcn.models.transformer import MapInput

MAXIMUM = 99  # the temperature that stands for the maximum, as in the published code

TEMPERATURES: dict[int, tuple[int, ...]] = {  # the published ones by number of heads
    1: (1,),
    2: (1, MAXIMUM),
    4: (1, 2, 4, MAXIMUM),
    6: (1, 2, 3, 4, 5, MAXIMUM),
    8: (1, 2, 3, 4, 5, 6, 7, MAXIMUM),
}


class CSRAHead(Head):
    r"""Mean score of a label over the map plus its attended score, summed over the heads.

    .. math::
        s_{tln} = \frac{\langle w_{tl}, f_n \rangle}{\lVert w_{tl} \rVert}, \qquad
        y_l = \sum_t \Big( \frac1N \sum_n s_{tln} + \lambda \sum_n
        \mathrm{softmax}_n(T_t\, s_{tl})_n\, s_{tln} \Big) + b_l

    ``temperatures`` are the :math:`T_t`, one per head (:data:`TEMPERATURES` holds the published
    ones); 99 stands for the maximum of the scores itself. ``lam`` is :math:`\lambda`.

    Differs from the paper in the preset ``small``: the map is scaled to a mean square of 1
    (``normalize``) and may lose whole channels in training (``feature_dropout``); the classifiers
    are not scaled to norm 1 (``normalize_weights``) but start at zero and are regularised by weight
    decay, and there is a bias that starts at ``bias_start``. The preset ``paper`` has neither a
    bias (None) nor the rest; its 4 heads and :math:`\lambda = 0.5` are the published values for
    COCO (VOC 2007: one head and 0.1).

    Shape:
        - features ``(B, C, H, W)``, output ``(B, L)``
    """

    PRESETS: ClassVar[Presets] = {
        "small": {},
        "paper": {
            "temperatures": TEMPERATURES[4],
            "lam": 0.5,
            "normalize_weights": True,
            "normalize": False,
            "feature_dropout": 0.0,
            "bias_start": None,
        },
    }

    TRAINING: ClassVar[Presets] = {
        "small": {"epochs": 30, "learning_rate": 3e-3, "weight_decay": 3.0}
    }

    def __init__(
        self,
        in_channels: int,
        labels: LabelContext,
        *,
        temperatures: Sequence[float] = TEMPERATURES[1],
        lam: float = 0.1,
        normalize_weights: bool = False,
        normalize: bool = True,
        feature_dropout: float = 0.0,
        bias_start: float | None = -2.0,
    ) -> None:
        super().__init__(in_channels, labels)
        if not temperatures or min(temperatures) <= 0:
            raise InputError(f"temperatures are one positive number per head; got {temperatures}")
        self.temperatures = tuple(temperatures)
        self.lam = lam
        self.normalize_weights = normalize_weights
        self.input = MapInput(normalize=normalize, dropout=feature_dropout)
        shape = (len(self.temperatures), self.num_labels, in_channels)
        self.weight = leaf_uniform(*shape, bound=1 / math.sqrt(in_channels))
        if not normalize_weights:
            nn.init.zeros_(self.weight)
        start = None if bias_start is None else torch.full((self.num_labels,), bias_start)
        self.bias = None if start is None else nn.Parameter(start)

    def classifiers(self) -> Tensor:
        """Return the classifiers of all heads ``(T, L, C)``, of norm 1 in the paper."""
        return (
            nn.functional.normalize(self.weight, dim=-1) if self.normalize_weights else self.weight
        )

    def forward(self, features: Features, known: Tensor | None = None) -> Tensor:
        """Return the logits of a batch of maps."""
        refuse_known(self, known)
        positions = self.input(features).flatten(2)  # (B, C, N)
        scores = torch.einsum("tlc,bcn->tbln", self.classifiers(), positions)
        attended = [attend(s, T) for s, T in zip(scores, self.temperatures, strict=True)]
        logits = (scores.mean(-1) + self.lam * torch.stack(attended)).sum(0)  # (B, L)
        return logits if self.bias is None else logits + self.bias

    @property
    def map_kind(self) -> MapKind:
        """Exact scores of the positions: mean and attended ones."""
        return "score"

    def activation_maps(
        self, features: Features, known: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        r"""Return the logits and :math:`\sum_t s_{tln} (1 + \lambda N a_{tln})`, a the softmax."""
        maps = self.input(features)  # (B, C, H, W)
        scores = torch.einsum("tlc,bchw->tblhw", self.classifiers(), maps)
        count = maps.shape[2] * maps.shape[3]  # N
        weights = [attention(s, T) for s, T in zip(scores, self.temperatures, strict=True)]
        scored = scores * (1 + self.lam * count * torch.stack(weights))
        return self(features, known), scored.sum(0)

    @torch.no_grad()
    def fold(self) -> CSRAHead:
        """Return the head whose classifiers are scaled once; it has no dropout."""
        folded = copy.deepcopy(self)
        folded.weight.copy_(self.classifiers())
        folded.normalize_weights = False
        folded.input = MapInput(normalize=self.input.normalize, dropout=0.0)
        return folded


def attention(scores: Tensor, temperature: float) -> Tensor:
    """Return the weights of `attend` for scores ``(..., H, W)``; equal maxima share at 99."""
    if temperature == MAXIMUM:
        return winners(scores)
    return (temperature * scores).flatten(-2).softmax(-1).view_as(scores)


def attend(scores: Tensor, temperature: float) -> Tensor:
    """Return the mean of scores ``(..., N)`` weighted by their own softmax, or the maximum at 99.

    >>> attend(torch.tensor([0.0, 1.0]), math.log(3))  # weights 1/4 and 3/4
    tensor(0.7500)
    """
    if temperature == MAXIMUM:
        return scores.amax(-1)
    return ((temperature * scores).softmax(-1) * scores).sum(-1)
