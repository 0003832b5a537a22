"""Shared by heads that attend to positions: scaling of the map, and transformer blocks.

Shapes: B batch, C channels, H W map, D width, Q queries, N positions (N = H * W for a map).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from imlgcn.errors import InputError
from imlgcn.models.scorer import Features, single_map


def scale_map(features: Tensor) -> Tensor:
    """Scale each map to a mean squared entry of 1 by one number; a map of zeros stays zero.

    Positions keep their relative magnitude.

    >>> import torch
    >>> scale_map(torch.tensor([[[[3.0, 0.0]], [[4.0, 0.0]]]])).flatten()
    tensor([1.2000, 0.0000, 1.6000, 0.0000])
    """
    energy = features.square().mean((1, 2, 3), keepdim=True)
    return features * energy.clamp(min=1e-12).rsqrt()


class MapInput(nn.Module):
    """Input of a head on maps: optional pooling and scaling, then dropout of whole channels.

    ``pooling`` is the size of the windows that are averaged (a last one may be smaller).

    Shape:
        - features ``(B, C, H, W)``, output the same, H and W divided by ``pooling`` and rounded up
    """

    def __init__(self, *, normalize: bool, dropout: float, pooling: int = 1) -> None:
        super().__init__()
        check_fraction("feature_dropout", dropout)
        if pooling < 1:
            raise InputError(f"map_pooling is the size of a window, 1 or more; got {pooling}")
        self.normalize = normalize
        self.pooling = pooling
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, features: Features) -> Tensor:
        """Return the maps of a batch."""
        maps = single_map(features)
        if self.pooling > 1:
            maps = nn.functional.avg_pool2d(maps, self.pooling, ceil_mode=True)
        dropped: Tensor = self.dropout(scale_map(maps) if self.normalize else maps)
        return dropped


class MeanPath(nn.Module):
    r"""A plain linear layer on the mean position, added to the logits of an attention head.

    .. math:: y = W \frac{1}{N} \sum_n x_n

    W starts at zero. On small data attention overfits, and this path keeps the score of the mean
    (C-Tran on Open Clip Art, cross-validated: 3 mAP below the linear head without it, level with
    it). Not part of any paper.

    Shape:
        - maps ``(B, C, H, W)``, output ``(B, L)``
    """

    def __init__(self, in_channels: int, num_labels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(num_labels, in_channels))

    def forward(self, maps: Tensor) -> Tensor:
        """Return the addend of the logits for a batch of maps."""
        return nn.functional.linear(maps.mean((2, 3)), self.weight)


class AttentionBlock(nn.Module):
    r"""Multi-head attention of Vaswani et al. (2017), residual, then LayerNorm (post-norm).

    .. math:: x' = \mathrm{LN}(x + \mathrm{MHA}(x + p,\; m + r,\; m))

    ``p`` and ``r`` are codes added to queries and keys, not to values (https://arxiv.org/abs/1706.03762,
    codes as in DETR, https://arxiv.org/abs/2005.12872); without them nothing is added.

    Shape:
        - x, query code ``(B, Q, D)``, memory, key code ``(B, N, D)``, output ``(B, Q, D)``
    """

    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        check_fraction("dropout", dropout)
        if width % num_heads:
            raise InputError(
                f"attention splits its width into equal heads: {width} is not divisible by "
                f"{num_heads}; change num_heads or the width"
            )
        self.attention = nn.MultiheadAttention(width, num_heads, dropout, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        query_code: Tensor | None = None,
        key_code: Tensor | None = None,
        seen: list[Tensor] | None = None,
    ) -> Tensor:
        """Return ``x`` after attention to ``memory``.

        If ``seen`` is a list, the attention ``(B, Q, N)``, mean of the heads, is appended: it
        takes time, and only explanations need it.
        """
        queries = x if query_code is None else x + query_code
        keys = memory if key_code is None else memory + key_code
        read, weights = self.attention(queries, keys, memory, need_weights=seen is not None)
        if seen is not None:
            seen.append(weights)
        result: Tensor = self.norm(x + self.dropout(read))
        return result

    def fix(self, x: Tensor, query_code: Tensor | None = None) -> FixedAttention:
        """Return the block for one ``x`` (Q, D), the same for every image."""
        return FixedAttention(self.attention, self.norm, x, query_code)


class FixedAttention(nn.Module):
    r"""An attention block whose queries do not depend on the image, computed once.

    .. math:: x' = \mathrm{LN}(s + W_o\, \mathrm{softmax}(q\, (W_k m)^\top)\, W_v m), \qquad
              s = x + W_o b_v + b_o, \qquad q = (W_q (x + p) + b_q) / \sqrt{D / \text{heads}}

    Equal to :class:`AttentionBlock`: attention sums to one, so the bias of the values passes
    through it, and that of the keys adds the same to all positions and cancels.

    Shape:
        - memory, key code ``(B, N, D)``, output ``(B, Q, D)``
    """

    @torch.no_grad()
    def __init__(
        self,
        attention: nn.MultiheadAttention,
        norm: nn.LayerNorm,
        x: Tensor,
        query_code: Tensor | None = None,
    ) -> None:
        super().__init__()
        assert attention.in_proj_weight is not None
        assert attention.in_proj_bias is not None
        to_query, to_key, to_value = attention.in_proj_weight.chunk(3)
        query_bias, _, value_bias = attention.in_proj_bias.chunk(3)
        heads, width = attention.num_heads, attention.head_dim
        queries = nn.functional.linear(x if query_code is None else x + query_code, to_query)
        queries = (queries + query_bias) / math.sqrt(width)  # (Q, D)
        self.queries = nn.Parameter(queries.view(-1, heads, width).transpose(0, 1))
        self.start = nn.Parameter(x + attention.out_proj(value_bias))  # (Q, D)
        self.key = nn.Parameter(to_key.clone())
        self.value = nn.Parameter(to_value.clone())
        self.output = nn.Parameter(attention.out_proj.weight.clone())
        self.norm = norm

    def forward(
        self, memory: Tensor, key_code: Tensor | None = None, seen: list[Tensor] | None = None
    ) -> Tensor:
        """Return the queries after attention; ``(B, Q, N)`` is appended to ``seen``."""
        linear, heads = nn.functional.linear, self.queries.shape[0]
        keys = linear(memory if key_code is None else memory + key_code, self.key)
        keys, values = (
            each.view(*each.shape[:2], heads, -1).transpose(1, 2)
            for each in (keys, linear(memory, self.value))
        )  # (B, heads, N, D / heads)
        weights = (self.queries @ keys.transpose(2, 3)).softmax(-1)  # (B, heads, Q, N)
        if seen is not None:
            seen.append(weights.mean(1))
        read = (weights @ values).transpose(1, 2).flatten(2)  # (B, Q, D)
        result: Tensor = self.norm(self.start + linear(read, self.output))
        return result


class FeedForwardBlock(nn.Module):
    r"""Two layers on each position, residual, then LayerNorm (post-norm).

    .. math:: x' = \mathrm{LN}(x + W_2\, \mathrm{ReLU}(W_1 x + b_1) + b_2)

    Shape:
        - x and output ``(B, N, D)``
    """

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` after the two layers."""
        change = self.linear2(self.dropout(self.linear1(x).relu()))
        result: Tensor = self.norm(x + self.dropout(change))
        return result


def check_fraction(name: str, value: float) -> None:
    """Raise `InputError` unless ``value`` is a fraction below 1, as for dropout."""
    if not 0 <= value < 1:
        raise InputError(f"{name} is a fraction, 0 to below 1; got {value}")
