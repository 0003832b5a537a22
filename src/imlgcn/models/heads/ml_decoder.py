"""ML-Decoder: fixed queries attend to the map, each for a group of labels.

Ridnik et al., ML-Decoder: Scalable and Versatile Classification Head (WACV 2023),
https://arxiv.org/abs/2111.12933. Shapes: B batch, C channels, H W map, N = H * W positions,
D width, K groups, F labels in a group, L labels.
"""

from __future__ import annotations

import copy
import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from imlgcn.activation_maps import MapKind
from imlgcn.errors import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.models.heads.attention import AttentionHead
from imlgcn.models.heads.base import Presets
from imlgcn.models.transformer import (
    AttentionBlock,
    FeedForwardBlock,
    FixedAttention,
    MeanPath,
)


class MLDecoderHead(AttentionHead):
    r"""One decoder layer without self-attention on K queries, then a layer of its own per query.

    .. math::
        M &= \mathrm{ReLU}(W_e F + b_e), \qquad Q_0 = \mathrm{LN}(Q + Q) \\
        Q_1 &= \mathrm{LN}(Q_0 + \mathrm{MHA}(Q_0, M, M)), \qquad
        Q_2 = \mathrm{LN}(Q_1 + W_2\, \mathrm{ReLU}(W_1 Q_1 + b_1) + b_2) \\
        y_{kF + f} &= \langle Q_{2,k}, P_{k,:,f} \rangle + b_{kF + f}

    The queries ``Q`` are random and not trained: a buffer, drawn with every new head.
    K is ``num_of_groups`` or L if that is less, F = L / K rounded up; outputs beyond L are cut off.
    With K < L neighbouring labels share a query, so that the cost does not grow with L.

    Differs from the paper in the preset ``small``: narrower; the map is averaged over windows of
    side ``map_pooling``, scaled to a mean square of 1 (``normalize``) and loses whole channels in
    training (``feature_dropout``); a linear layer on its mean is added (``residual``:
    :class:`~imlgcn.models.transformer.MeanPath`); ``b`` starts at ``bias_start``. The preset
    ``paper`` has none of this. Left out in both: word vectors as queries (zero-shot).

    Shape:
        - features ``(B, C, H, W)``, output ``(B, L)``
    """

    PRESETS: ClassVar[Presets] = {
        "small": {},
        "paper": {
            **AttentionHead.PAPER_INPUT,
            "decoder_embedding": 768,
            "dim_feedforward": 2048,
            "bias_start": 0.0,
        },
    }

    TRAINING: ClassVar[Presets] = {
        "small": {"epochs": 20, "learning_rate": 3e-3, "weight_decay": 0.5}
    }

    queries: Tensor

    def __init__(
        self,
        in_channels: int,
        labels: LabelContext,
        *,
        num_of_groups: int = 100,
        decoder_embedding: int = 128,
        num_heads: int = 8,
        dim_feedforward: int = 256,
        dropout: float = 0.1,
        map_pooling: int = 2,
        normalize: bool = True,
        feature_dropout: float = 0.7,
        residual: bool = True,
        bias_start: float = -2.0,
    ) -> None:
        super().__init__(
            in_channels,
            labels,
            map_pooling=map_pooling,
            normalize=normalize,
            feature_dropout=feature_dropout,
        )
        if num_of_groups < 1:
            raise InputError(f"num_of_groups is 1 or more; got {num_of_groups}")
        groups = min(num_of_groups, self.num_labels)  # K
        group_size = math.ceil(self.num_labels / groups)  # F
        width = decoder_embedding
        self.embed = nn.Linear(in_channels, width)
        self.register_buffer("queries", torch.randn(groups, width))
        self.dropout = nn.Dropout(dropout)
        self.query_norm = nn.LayerNorm(width)
        attention = AttentionBlock(width, num_heads, dropout)
        self.cross_attention: AttentionBlock | FixedAttention = attention
        self.feed_forward = FeedForwardBlock(width, dim_feedforward, dropout)
        self.group_weight = nn.Parameter(torch.empty(groups, width, group_size))
        nn.init.xavier_normal_(self.group_weight)
        self.bias = nn.Parameter(torch.full((self.num_labels,), bias_start))
        self.mean_path = MeanPath(in_channels, self.num_labels) if residual else None

    @property
    def map_kind(self) -> MapKind:
        """The attention of the queries, mean over heads; labels of one group have one map."""
        return "attention"

    def label_attention(self, weights: Tensor) -> Tensor:
        """Return the attention of each label's query, of shape ``(B, K, N)`` before."""
        return weights.repeat_interleave(self.group_weight.shape[2], 1)[:, : self.num_labels]

    @torch.no_grad()
    def fold(self) -> MLDecoderHead:
        """Return the head whose queries are normalised and projected once; it has no dropout."""
        folded = copy.deepcopy(self).eval()
        queries = folded.query_norm(2 * folded.queries)
        assert isinstance(folded.cross_attention, AttentionBlock)
        folded.cross_attention = folded.cross_attention.fix(queries)
        del folded.query_norm, folded.queries
        return folded

    def _read(self, memory: Tensor, seen: list[Tensor] | None) -> Tensor:
        """Return the queries after attention to the map, ``(B, K, D)``."""
        if isinstance(self.cross_attention, FixedAttention):
            read: Tensor = self.cross_attention(memory, seen=seen)
            return read
        queries = self.queries.expand(memory.shape[0], -1, -1)  # (B, K, D)
        queries = self.query_norm(queries + self.dropout(queries))
        read = self.cross_attention(queries, memory, seen=seen)
        return read

    def attend(self, maps: Tensor, known: Tensor | None, seen: list[Tensor] | None) -> Tensor:
        """Return the logits; ``seen`` gets the attention ``(B, K, N)``."""
        tokens = maps.flatten(2).transpose(1, 2)  # (B, N, C)
        memory = self.embed(tokens).relu()  # (B, N, D)
        answers = self.feed_forward(self._read(memory, seen))  # (B, K, D)
        grouped = torch.einsum("bkd,kdf->bkf", answers, self.group_weight)  # (B, K, F)
        return grouped.flatten(1)[:, : self.num_labels] + self.bias
