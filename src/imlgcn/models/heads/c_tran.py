"""C-Tran: positions, labels and known labels in one transformer encoder.

Lanchantin et al., General Multi-label Image Classification with Transformers (CVPR 2021),
https://arxiv.org/abs/2011.14027. Shapes: B batch, C channels, H W map, N = H * W positions,
D width, L labels.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from imlgcn.activation_maps import MapKind
from imlgcn.errors import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.models.heads.attention import AttentionHead
from imlgcn.models.heads.base import Criterion, Features, Presets
from imlgcn.models.layers import leaf_uniform, score_each
from imlgcn.models.transformer import (
    AttentionBlock,
    FeedForwardBlock,
    MeanPath,
    check_fraction,
)


class CTranHead(AttentionHead):
    r"""Self-attention over positions and labels; a label's token carries its known state.

    .. math::
        Z &= \mathrm{LN}([F; E + S_k]), \qquad Z \leftarrow \mathrm{FFN}(\mathrm{MHA}(Z, Z, Z)) \\
        y_l &= \langle w_l, z_{N + l} \rangle + b_l

    ``E`` are learned label vectors, ``S`` three learned states: unknown, absent, present; k is
    the state of each label. ``MHA`` and ``FFN`` stand for the block with residual and LayerNorm
    after it, repeated ``layers`` times. Known labels get logits, too:
    replace them by the known values.

    Label mask training: for each image a number of labels is drawn uniformly from 0 to the
    fraction ``max_known``, that many random labels are revealed, and the loss is over the hidden
    ones. A label whose target is unknown is never revealed and has no weight. (The published code
    always has all targets.) Randomness is torch's global generator.

    Differs from the paper: the state "unknown" is learned; the published code adds it as well, but
    does not train it. In the preset ``small``: the positions pass a linear layer to
    ``hidden_dim`` first (None: D = C, no layer) and the network is narrower and shallower; the map
    is averaged over windows of size ``map_pooling``, scaled to a mean square of 1 (``normalize``)
    and loses whole channels in training (``feature_dropout``); a linear layer on its mean is added
    (``residual``: :class:`~imlgcn.models.transformer.MeanPath`); ``b`` starts at ``bias_start``
    instead of at random (None). The preset ``paper`` has none of this; ``dim_feedforward=None``
    there is D. Left out: the position code, which is off by default in the published code.

    Shape:
        - features ``(B, C, H, W)``, known ``(B, L)`` in {1, 0, -1} or None, output ``(B, L)``
    """

    PRESETS: ClassVar[Presets] = {
        "small": {},
        "paper": {
            **AttentionHead.PAPER_INPUT,
            "hidden_dim": None,
            "layers": 3,
            "dim_feedforward": None,
            "dropout": 0.1,
        },
    }

    TRAINING: ClassVar[Presets] = {
        "small": {"epochs": 20, "learning_rate": 3e-3, "weight_decay": 0.3}
    }

    uses_known = True

    def __init__(
        self,
        in_channels: int,
        labels: LabelContext,
        *,
        hidden_dim: int | None = 64,
        layers: int = 1,
        num_heads: int = 4,
        dim_feedforward: int | None = 128,
        dropout: float = 0.3,
        max_known: float = 0.75,
        map_pooling: int = 2,
        normalize: bool = True,
        feature_dropout: float = 0.4,
        residual: bool = True,
        bias_start: float | None = -2.0,
    ) -> None:
        super().__init__(
            in_channels,
            labels,
            map_pooling=map_pooling,
            normalize=normalize,
            feature_dropout=feature_dropout,
            hidden_dim=hidden_dim,
        )
        if layers < 1:
            raise InputError(f"layers is 1 or more; got {layers}")
        check_fraction("max_known", max_known)
        D, L = self.width, self.num_labels
        bound = 1 / math.sqrt(D)
        self.max_known = max_known
        self.labels = leaf_uniform(L, D, bound=bound)
        self.states = leaf_uniform(3, D, bound=bound)  # unknown, absent, present
        self.norm = nn.LayerNorm(D)
        self.attention = nn.ModuleList(AttentionBlock(D, num_heads, dropout) for _ in range(layers))
        self.feed_forward = nn.ModuleList(
            FeedForwardBlock(D, dim_feedforward or D, dropout) for _ in range(layers)
        )
        self.weight = leaf_uniform(L, D, bound=bound)
        self.bias = leaf_uniform(L, bound=bound)
        if bias_start is not None:
            nn.init.constant_(self.bias, bias_start)
        self.mean_path = MeanPath(in_channels, L) if residual else None

    @property
    def map_kind(self) -> MapKind:
        """The attention of the labels' tokens to the positions, mean over heads and layers."""
        return "attention"

    def label_attention(self, weights: Tensor) -> Tensor:
        """Return the labels' rows without their attention to other labels."""
        return weights[:, -self.num_labels :, : -self.num_labels]

    def attend(self, maps: Tensor, known: Tensor | None, seen: list[Tensor] | None) -> Tensor:
        """Return the logits; without ``known`` all labels are unknown."""
        if known is not None and known.shape[-1] != self.num_labels:  # one column would broadcast
            raise InputError(
                f"known labels have one column per label, {self.num_labels} of them; "
                f"got {known.shape[-1]}"
            )
        positions = self.project(maps).flatten(2).transpose(1, 2)  # (B, N, D)
        state = self.states[0] if known is None else self.states[known.long() + 1]
        B = positions.shape[0]  # len() would fix the batch size at export
        labels = (self.labels + state).expand(B, -1, -1)  # (B, L, D)
        tokens = self.norm(torch.cat([positions, labels], 1))  # (B, N + L, D)
        for attend, feed_forward in zip(self.attention, self.feed_forward, strict=True):
            tokens = feed_forward(attend(tokens, tokens, seen=seen))
        answers: Tensor = tokens[:, -self.num_labels :]  # (B, L, D)
        return score_each(answers, self.weight, self.bias)

    def loss(self, features: Features, targets: Tensor, criterion: Criterion) -> Tensor:
        """Return the loss over the labels that were not revealed."""
        known = reveal(targets, self.max_known)
        hidden = targets.where(known < 0, -1)
        return criterion(self(features, known), hidden)


def reveal(targets: Tensor, fraction: float) -> Tensor:
    """Return targets ``(B, L)`` of which a random part is kept and the rest is -1, unknown.

    Of the n known targets of an image, 0 to ``fraction * n`` (rounded down) are kept, uniformly
    distributed.
    """
    given = targets >= 0  # (B, L)
    most = (fraction * given.sum(1)).floor()  # (B,)
    count = (torch.rand_like(most) * (most + 1)).floor().minimum(most)
    drawn = torch.rand(targets.shape, device=targets.device).masked_fill(~given, 1.0)
    rank = drawn.argsort(1).argsort(1)  # the unknown come last
    return targets.where(rank < count[:, None], -1)
