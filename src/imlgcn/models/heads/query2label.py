"""Query2Label: one learned query per label attends to the map in a transformer.

Liu et al., Query2Label: A Simple Transformer Way to Multi-Label Classification (2021),
https://arxiv.org/abs/2107.10834. Shapes: B batch, C channels, H W map, N = H * W positions,
D width, L labels.
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
from imlgcn.models.layers import leaf_uniform, score_each
from imlgcn.models.transformer import (
    AttentionBlock,
    FeedForwardBlock,
    FixedAttention,
    MeanPath,
)


class Query2LabelHead(AttentionHead):
    r"""Encoder over the positions, decoder over the labels, one linear classifier per label.

    .. math::
        X &\leftarrow \mathrm{FFN}(\mathrm{MHA}(X + P, X + P, X)), \qquad X = W_p F + b_p \\
        T &\leftarrow \mathrm{FFN}(\mathrm{MHA}(T + Q, X + P, X)), \qquad T = 0 \\
        y_l &= \langle w_l, \mathrm{LN}(T)_l \rangle + b_l

    ``MHA`` and ``FFN`` stand for the block with residual and LayerNorm after it, repeated
    ``enc_layers`` and ``dec_layers`` times; ``P`` is the sine code of the positions and ``Q`` the
    learned queries. ``hidden_dim`` is D; None takes the map as it is (D = C, no ``W_p``). The
    decoder's self-attention over the labels, ``MHA(T + Q, T + Q, T)`` before the attention to
    the map, is off, as in the published training script: ``keep_first_self_attn`` and
    ``keep_other_self_attn`` turn it on. The first one sees T = 0 and adds the same to all labels.

    Differs from the paper in the preset ``small``: narrower, one decoder layer; the map is averaged
    over windows of size ``map_pooling``, scaled to a mean square of 1 (``normalize``) and loses
    whole channels in training (``feature_dropout``); a linear layer on its mean is added
    (``residual``: :class:`~imlgcn.models.transformer.MeanPath`); ``b`` starts at ``bias_start``
    instead of at random (None). The preset ``paper`` has none of this.

    Shape:
        - features ``(B, C, H, W)``, output ``(B, L)``
    """

    PRESETS: ClassVar[Presets] = {
        "small": {},
        "paper": {
            **AttentionHead.PAPER_INPUT,
            "hidden_dim": None,
            "dim_feedforward": 8192,
            "dec_layers": 2,
        },
    }

    TRAINING: ClassVar[Presets] = {
        "small": {"epochs": 20, "learning_rate": 3e-3, "weight_decay": 0.5}
    }

    def __init__(
        self,
        in_channels: int,
        labels: LabelContext,
        *,
        hidden_dim: int | None = 128,
        num_heads: int = 4,
        dim_feedforward: int = 256,
        enc_layers: int = 1,
        dec_layers: int = 1,
        keep_first_self_attn: bool = False,
        keep_other_self_attn: bool = False,
        dropout: float = 0.1,
        map_pooling: int = 2,
        normalize: bool = True,
        feature_dropout: float = 0.5,
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
        D, L = self.width, self.num_labels
        if D % 2:
            raise InputError(f"hidden_dim must be even (half codes rows, half columns); got {D}")
        if dec_layers < 1:
            raise InputError(f"dec_layers is 1 or more; got {dec_layers}")
        shape = (D, num_heads, dim_feedforward, dropout)
        keep = [keep_first_self_attn] + [keep_other_self_attn] * (dec_layers - 1)
        self.encoder = nn.ModuleList(EncoderLayer(*shape) for _ in range(enc_layers))
        self.decoder = nn.ModuleList(DecoderLayer(*shape, self_attention=kept) for kept in keep)
        for parameter in (*self.encoder.parameters(), *self.decoder.parameters()):
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)
        self.norm = nn.LayerNorm(D)
        self.queries = nn.Parameter(torch.randn(L, D))
        self.weight = leaf_uniform(L, D, bound=1 / math.sqrt(D))
        self.bias = leaf_uniform(L, bound=1 / math.sqrt(D))
        if bias_start is not None:
            nn.init.constant_(self.bias, bias_start)
        self.mean_path = MeanPath(in_channels, L) if residual else None

    @property
    def map_kind(self) -> MapKind:
        """The attention of the queries to the positions, mean over heads and decoder layers.

        The mixing of positions by the encoder is not taken into account.
        """
        return "attention"

    @torch.no_grad()
    def fold(self) -> Query2LabelHead:
        """Return the head whose first layer has its queries projected once; it has no dropout."""
        folded = copy.deepcopy(self).eval()
        first = folded.decoder[0]
        assert isinstance(first, DecoderLayer)
        first.fix(folded.queries)
        return folded

    def attend(self, maps: Tensor, known: Tensor | None, seen: list[Tensor] | None) -> Tensor:
        """Return the logits; ``seen`` gets the attention of each decoder layer."""
        maps = self.project(maps)  # (B, D, H, W)
        memory = maps.flatten(2).transpose(1, 2)  # (B, N, D)
        positions = sine_code(maps).flatten(1).T  # (N, D)
        for encode in self.encoder:
            memory = encode(memory, positions)
        labels = memory.new_zeros(memory.shape[0], *self.queries.shape)  # (B, L, D)
        for decode in self.decoder:
            labels = decode(labels, memory, self.queries, positions, seen)
        return score_each(self.norm(labels), self.weight, self.bias)


class EncoderLayer(nn.Module):
    """Self-attention over the positions of the map, then feed-forward.

    Shape:
        - memory ``(B, N, D)``, positions ``(N, D)``, output ``(B, N, D)``
    """

    def __init__(self, width: int, num_heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.self_attention = AttentionBlock(width, num_heads, dropout)
        self.feed_forward = FeedForwardBlock(width, hidden, dropout)

    def forward(self, memory: Tensor, positions: Tensor) -> Tensor:
        """Return the positions after self-attention."""
        read: Tensor = self.self_attention(memory, memory, positions, positions)
        result: Tensor = self.feed_forward(read)
        return result


class DecoderLayer(nn.Module):
    """Self-attention over the labels if wanted, attention to the map, then feed-forward.

    Shape:
        - labels ``(B, L, D)``, memory ``(B, N, D)``, queries ``(L, D)``, positions ``(N, D)``,
          output ``(B, L, D)``
    """

    def __init__(
        self, width: int, num_heads: int, hidden: int, dropout: float, *, self_attention: bool
    ) -> None:
        super().__init__()
        block = AttentionBlock(width, num_heads, dropout) if self_attention else None
        self.self_attention = block
        attention = AttentionBlock(width, num_heads, dropout)
        self.cross_attention: AttentionBlock | FixedAttention = attention
        self.feed_forward = FeedForwardBlock(width, hidden, dropout)

    def forward(
        self,
        labels: Tensor,
        memory: Tensor,
        queries: Tensor,
        positions: Tensor,
        seen: list[Tensor] | None = None,
    ) -> Tensor:
        """Return the labels after attention to the map; it is appended to ``seen``."""
        if isinstance(self.cross_attention, FixedAttention):
            read = self.cross_attention(memory, positions, seen)
        else:
            if self.self_attention is not None:
                labels = self.self_attention(labels, labels, queries, queries)
            read = self.cross_attention(labels, memory, queries, positions, seen)
        result: Tensor = self.feed_forward(read)
        return result

    def fix(self, queries: Tensor) -> None:
        """Precompute the layer for labels of zeros, the input of the first layer."""
        assert isinstance(self.cross_attention, AttentionBlock)
        labels = torch.zeros_like(queries)[None]  # (1, L, D)
        if self.self_attention is not None:
            labels = self.self_attention(labels, labels, queries, queries)
            self.self_attention = None
        self.cross_attention = self.cross_attention.fix(labels[0], queries)


def sine_code(maps: Tensor) -> Tensor:
    r"""Return the code of the positions of maps ``(B, D, H, W)``, ``(D, H, W)``, in their type.

    Channel k of the first D / 2 codes row i of H, counted from 1, that of the others column j of W:

    .. math:: a_k = \frac{2 \pi i}{H + 10^{-6}} \Big/ 10000^{2 \lfloor k / 2 \rfloor / (D / 2)}

    sine of it where k is even, cosine where it is odd.

    >>> sine_code(torch.zeros(1, 4, 1, 4))[2:, 0].round(decimals=3) + 0.0  # columns: sine, cosine
    tensor([[ 1.,  0., -1.,  0.],
            [ 0., -1.,  0.,  1.]])
    """
    D, H, W = maps.shape[1:]
    rows, columns = (_axis_code(size, D // 2, maps.device) for size in (H, W))
    code = torch.cat([rows[:, :, None].expand(-1, H, W), columns[:, None, :].expand(-1, H, W)])
    return code.to(maps.dtype)


def _axis_code(size: int, channels: int, device: torch.device) -> Tensor:
    """Code the positions 1 to ``size``, float32 ``(channels, size)``."""
    position = torch.arange(1, size + 1, device=device) * (2 * math.pi / (size + 1e-6))
    k = torch.arange(channels, device=device)[:, None]
    angle = position / 10000 ** (2 * (k // 2) / channels)
    return torch.where(k % 2 == 0, angle.sin(), angle.cos())
