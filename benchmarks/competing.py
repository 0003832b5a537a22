"""Heads whose labels compete: is that what CNN-RNN has over the others, or is it the sequence?

A benchmark's instrument, not part of the package: the linear head and the MLP, each with a softmax
over the labels in place of one sigmoid for each. Shapes: B batch, C H W features, L labels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from imlgcn.models.heads.base import Criterion, Head
from imlgcn.models.heads.linear import LinearHead
from imlgcn.models.heads.mlp import MLPHead

UNAVAILABLE = -1e4  # score of a label that is not known: it takes no share


class _Competing:
    r"""Scores ``z`` become :math:`p = \mathrm{softmax}(z)` and logits :math:`\log p / (1 - p)`.

    Loss: :math:`-\sum_{l\,present} \log p_l`; what is unknown does not compete. So a label is
    judged by its share of the image, as a step of CNN-RNN judges it, without order or memory.
    """

    def forward(self, features: Tensor, known: Tensor | None = None) -> Tensor:
        """Return the logits ``(B, L)``."""
        log_p = super().forward(features, known).log_softmax(1).clamp(max=-1e-6)  # type: ignore[misc]
        logits: Tensor = log_p - torch.log(-torch.expm1(log_p))
        return logits

    def loss(self, features: Tensor, targets: Tensor, criterion: Criterion) -> Tensor:
        """Return the negative log-shares of what is present, summed; ``criterion`` is not used."""
        scores = super().forward(features)  # type: ignore[misc]
        log_p = scores.masked_fill(targets < 0, UNAVAILABLE).log_softmax(1)
        return -log_p[targets == 1].sum()


class CompetingLinear(_Competing, LinearHead):
    """The linear head with competing labels."""

    own_loss = "the log-shares of the labels that are present"


class CompetingMLP(_Competing, MLPHead):
    """The MLP with competing labels."""

    own_loss = CompetingLinear.own_loss


COMPETING: dict[str, type[Head]] = {"competing": CompetingLinear, "competing_mlp": CompetingMLP}
