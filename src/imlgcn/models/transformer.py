"""What heads that read every position of a map share: its scale, and two transformer blocks.

Shapes: B batch, C channels, H W map, D width, Q queries, N positions (N = H * W for a map).
"""

from __future__ import annotations

from torch import Tensor, nn

from imlgcn.config import InputError


def scale_map(features: Tensor) -> Tensor:
    """Scale each map to a mean squared entry of 1 by one number; a map of zeros stays zero.

    Positions keep their size relative to each other: what is faint stays faint.

    >>> import torch
    >>> scale_map(torch.tensor([[[[3.0, 0.0]], [[4.0, 0.0]]]])).flatten()
    tensor([1.2000, 0.0000, 1.6000, 0.0000])
    """
    energy = features.square().mean((1, 2, 3), keepdim=True)
    return features * energy.clamp(min=1e-12).rsqrt()


class MapInput(nn.Module):
    """A map as a head takes it in: scaled if wanted, then dropout of whole channels.

    Shape:
        - features ``(B, C, H, W)``, output the same
    """

    def __init__(self, *, normalize: bool, dropout: float) -> None:
        super().__init__()
        check_share("feature_dropout", dropout)
        self.normalize = normalize
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, features: Tensor) -> Tensor:
        """Return the maps of a batch."""
        dropped: Tensor = self.dropout(scale_map(features) if self.normalize else features)
        return dropped


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
        check_share("dropout", dropout)
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
    ) -> Tensor:
        """Return ``x`` after it has read ``memory``."""
        queries = x if query_code is None else x + query_code
        keys = memory if key_code is None else memory + key_code
        read, _ = self.attention(queries, keys, memory, need_weights=False)
        result: Tensor = self.norm(x + self.dropout(read))
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


def check_share(name: str, value: float) -> None:
    """Raise unless ``value`` is a share that dropout can take out."""
    if not 0 <= value < 1:
        raise InputError(f"{name} is a share from 0 to below 1; {value} given")
