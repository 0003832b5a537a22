"""The linear head: the control that every other head is compared with.

Shapes: B batch, C channels, H W map, L labels.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from imlgcn.activation_maps import MapKind
from imlgcn.labels.context import LabelContext
from imlgcn.models.heads.base import Features, Head, Presets
from imlgcn.models.layers import FoldedHead, ImageVector, score_maps
from imlgcn.models.scorer import refuse_known


class LinearHead(Head):
    r"""One linear layer on the pooled features.

    .. math:: y = W\, v(F) + b

    ``v`` pools the map and, with ``normalize``, scales the vector to norm :math:`\sqrt C`; so that
    one weight decay suits every backbone. ``W`` starts at zero (the problem is convex) and
    ``b`` at ``bias_start``: labels are rare at first. ``bias_start=None``: no bias.

    Shape:
        - features ``(B, C, H, W)``, output ``(B, L)``
    """

    candidate = True

    # ASL (https://arxiv.org/abs/2009.14119) puts a plain layer on average-pooled TResNet features
    PRESETS: ClassVar[Presets] = {"small": {}, "paper": {"normalize": False, "bias_start": 0.0}}

    label_vectors = "linear.weight"

    def __init__(
        self,
        in_channels: int,
        labels: LabelContext,
        *,
        pooling: str = "avg",
        normalize: bool = True,
        dropout: float = 0.0,
        bias_start: float | None = -2.0,
    ) -> None:
        super().__init__(in_channels, labels)
        self.pooling = pooling
        self.vector = ImageVector(pooling, normalize=normalize, dropout=dropout)
        self.linear = nn.Linear(in_channels, self.num_labels, bias=bias_start is not None)
        nn.init.zeros_(self.linear.weight)
        if bias_start is not None:
            nn.init.constant_(self.linear.bias, bias_start)

    def forward(self, features: Features, known: Tensor | None = None) -> Tensor:
        """Return the logits of a batch of maps."""
        refuse_known(self, known)
        logits: Tensor = self.linear(self.vector(features))
        return logits

    @property
    def map_kind(self) -> MapKind:
        """Exact scores of the positions, or of those that won the maximum."""
        return self.vector.map_kind

    def activation_maps(
        self, features: Features, known: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the logits and what each position adds to them."""
        maps = score_maps(self.linear.weight, self.vector.spread(features))
        return self(features, known), maps

    def linear_form(self) -> tuple[Tensor, Tensor | None]:
        """Return W and b."""
        return self.linear.weight, self.linear.bias

    @torch.no_grad()
    def fold(self) -> FoldedHead:
        """Return the same layer in the form every folded head has."""
        return FoldedHead(self.vector, *self.linear_form())
