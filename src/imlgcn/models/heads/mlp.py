"""A head with one hidden layer: the control of a graph head's size, without labels or graph.

Shapes: B batch, C channels, H W map, L labels.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from imlgcn.activation_maps import MapKind
from imlgcn.labels.context import LabelContext
from imlgcn.models.heads.base import Features, Head, Presets
from imlgcn.models.layers import ImageVector, score_maps
from imlgcn.models.scorer import refuse_known


class MLPHead(Head):
    r"""Two linear layers with a LeakyReLU between them, dropout on the image vector.

    .. math:: y = W_2\, \mathrm{LeakyReLU}(W_1\, v(F) + b_1) + b_2

    ``v`` pools the map and, with ``normalize``, scales the vector to norm :math:`\sqrt C`; ``b_2``
    starts at ``bias_start``. The hidden width is that of the graph heads in either preset.

    Shape:
        - features ``(B, C, H, W)``, output ``(B, L)``
    """

    candidate = True

    PRESETS: ClassVar[Presets] = {
        "small": {},
        "paper": {"hidden": 1024, "normalize": False, "bias_start": 0.0},
    }

    # chosen on Open Clip Art's validation split, as carefully as those of the graph heads
    TRAINING: ClassVar[Presets] = {
        "small": {"epochs": 40, "learning_rate": 3e-3, "weight_decay": 1.0}
    }

    def __init__(
        self,
        in_channels: int,
        labels: LabelContext,
        *,
        hidden: int = 256,
        pooling: str = "avg",
        normalize: bool = True,
        dropout: float = 0.5,
        leaky_slope: float = 0.2,
        bias_start: float = -2.0,
    ) -> None:
        super().__init__(in_channels, labels)
        self.pooling = pooling
        self.vector = ImageVector(pooling, normalize=normalize, dropout=dropout)
        self.linear1 = nn.Linear(in_channels, hidden)
        self.activation = nn.LeakyReLU(leaky_slope)
        self.linear2 = nn.Linear(hidden, self.num_labels)
        nn.init.constant_(self.linear2.bias, bias_start)

    def forward(self, features: Features, known: Tensor | None = None) -> Tensor:
        """Return the logits of a batch of maps."""
        refuse_known(self, known)
        hidden = self.activation(self.linear1(self.vector(features)))  # (B, hidden)
        logits: Tensor = self.linear2(hidden)
        return logits

    @property
    def map_kind(self) -> MapKind:
        """Exact scores of the positions, or of those that won the maximum."""
        return self.vector.map_kind

    def activation_maps(
        self, features: Features, known: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the logits and what each position adds to them.

        The image as a whole decides on which side of the LeakyReLU each hidden unit is; given that,
        the head is linear, and what ``b_1`` adds is the same everywhere.
        """
        spread = self.vector.spread(features)  # (B, C, H, W)
        units = self.linear1(spread.mean((2, 3)))  # (B, hidden)
        slope = torch.where(units > 0, 1.0, self.activation.negative_slope)[:, :, None, None]
        inner = score_maps(self.linear1.weight, spread) + self.linear1.bias[:, None, None]
        return self(features, known), score_maps(self.linear2.weight, slope * inner)
