"""Shared by several heads: pooling, scaling, graph convolution, activation maps.

Shapes: B batch, C channels, H W map, h w map of a label, N = h * w positions, L labels,
D E features in and out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from imlgcn.activation_maps import MapKind
from imlgcn.errors import InputError, unknown_name
from imlgcn.models.label_graph import Graph
from imlgcn.models.scorer import Features, Scorer, refuse_known, single_map

POOLINGS = ("avg", "max")


def pool(features: Tensor, how: str) -> Tensor:
    """Return the spatial mean or maximum of a map; any ``H x W``, 1 x 1 included.

    >>> pool(torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]]), "avg")
    tensor([[3.]])
    """
    if how not in POOLINGS:
        raise unknown_name("pooling", how, POOLINGS)
    return features.mean((2, 3)) if how == "avg" else features.amax((2, 3))  # (B, C)


def scale_to_norm(vectors: Tensor) -> Tensor:
    r"""Scale each vector to L2 norm :math:`\sqrt C`, so that an entry is about 1; zero stays zero.

    >>> scale_to_norm(torch.tensor([[3.0, 4.0, 0.0, 0.0]]))
    tensor([[1.2000, 1.6000, 0.0000, 0.0000]])
    """
    return nn.functional.normalize(vectors, dim=-1) * math.sqrt(vectors.shape[-1])


def leaf_uniform(*shape: int, bound: float) -> nn.Parameter:
    """Return a parameter drawn uniformly from ``[-bound, bound]``."""
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))


class ImageVector(nn.Module):
    r"""One vector per image: pooled, scaled to norm :math:`\sqrt C` if wanted, then dropout.

    Shape:
        - features ``(B, C, H, W)``, output ``(B, C)``
    """

    def __init__(self, pooling: str, *, normalize: bool, dropout: float = 0.0) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise unknown_name("pooling", pooling, POOLINGS)
        if not 0 <= dropout < 1:
            raise InputError(f"dropout is a fraction, 0 to below 1; got {dropout}")
        self.pooling = pooling
        self.normalize = normalize
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Features) -> Tensor:
        """Return the vectors of a batch of maps."""
        vectors = pool(single_map(features), self.pooling)  # (B, C)
        if self.normalize:
            vectors = scale_to_norm(vectors)
        dropped: Tensor = self.dropout(vectors)
        return dropped

    @property
    def map_kind(self) -> MapKind:
        """The kind of the maps of :meth:`spread`."""
        return "score" if self.pooling == "avg" else "winner"

    def spread(self, features: Features) -> Tensor:
        """Return the vector (without dropout) as the mean over a map, ``(B, C, H, W)``.

        For average pooling it is the map itself. For maximum pooling it is the maximum at the
        positions that have it, times N over their number, and zero elsewhere, for N positions.
        """
        maps = single_map(features)
        if self.pooling == "max":
            count = maps.shape[2] * maps.shape[3]
            maps = count * winners(maps) * maps
        if self.normalize:
            length = torch.linalg.vector_norm(maps.mean((2, 3)), dim=1).clamp(min=1e-12)
            maps = maps * (math.sqrt(maps.shape[1]) / length)[:, None, None, None]
        return maps


def score_each(vectors: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    r"""Score each label's vector with its own classifier: :math:`\langle w_l, v_l\rangle + b_l`.

    The bias is distributed over the terms of the sum: when it is added to the sum, OpenVINO 2026.4
    adds ``b_i`` to the scores of image i.

    Shape:
        - vectors ``(B, L, D)``, weight ``(L, D)``, bias ``(L,)``, output ``(B, L)``
    """
    return (vectors * weight + bias[:, None] / vectors.shape[-1]).sum(-1)


class GraphConvolution(nn.Module):
    r"""Graph convolution of Kipf & Welling (ICLR 2017), https://arxiv.org/abs/1609.02907.

    .. math:: X' = A X W

    ``A`` is used as given: normalise it first (:func:`imlgcn.labels.graph.normalize_adjacency`).
    No bias and no activation. ``W`` starts uniform in :math:`\pm 1/\sqrt E`, as in ML-GCN.

    Shape:
        - nodes ``(L, D)``, adjacency ``(L, L)`` or its edges, output ``(L, E)``
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = leaf_uniform(in_features, out_features, bound=1 / math.sqrt(out_features))

    def forward(self, nodes: Tensor, adjacency: Graph) -> Tensor:
        """Return the nodes after one step on the graph."""
        return adjacency @ (nodes @ self.weight)  # (L, E)


class FoldedHead(Scorer):
    r"""A head after everything that does not depend on the image is computed once.

    .. math:: y = W\, v(F) + b

    ``v`` is the image vector; only ``W`` (L, C) and, if there is one, ``b`` (L) are parameters.

    Shape:
        - features ``(B, C, H, W)``, output ``(B, L)``
    """

    def __init__(self, vector: ImageVector, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.pooling = vector.pooling
        self.vector = ImageVector(vector.pooling, normalize=vector.normalize)
        num_labels, in_channels = weight.shape
        self.linear = nn.Linear(in_channels, num_labels, bias is not None, device=weight.device)
        with torch.no_grad():
            self.linear.weight.copy_(weight)
            if bias is not None:
                self.linear.bias.copy_(bias)

    def forward(self, features: Features, known: Tensor | None = None) -> Tensor:
        """Return the logits; ``known`` is refused, as by the original head."""
        refuse_known(self, known)
        logits: Tensor = self.linear(self.vector(features))
        return logits

    @property
    def map_kind(self) -> MapKind:
        """As of the original head."""
        return self.vector.map_kind

    def activation_maps(
        self, features: Features, known: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the logits and what each position adds to them."""
        maps = score_maps(self.linear.weight, self.vector.spread(features))
        return self(features, known), maps


def winners(scores: Tensor) -> Tensor:
    """Return weights over the last two axes that sum to one: 1 at the maximum, ties share it.

    >>> winners(torch.tensor([[1.0, 3.0], [3.0, 0.0]]))
    tensor([[0.0000, 0.5000],
            [0.5000, 0.0000]])
    """
    winning = (scores == scores.amax((-2, -1), keepdim=True)).to(scores.dtype)
    return winning / winning.sum((-2, -1), keepdim=True)


def score_maps(weight: Tensor, positions: Tensor) -> Tensor:
    """Return the product of each label's vector ``(L, C)`` with each position, ``(B, L, H, W)``."""
    return nn.functional.conv2d(positions, weight[:, :, None, None])


def attention_maps(weights: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """Return the mean over layers of attention ``(B, L, N)`` as maps ``(B, L, h, w)`` of sum one.

    Layers are weighted by the attention they give to positions.
    """
    mean = torch.stack(tuple(weights)).mean(0)  # (B, L, N)
    total = mean.sum(-1, keepdim=True).clamp(min=1e-12)
    return (mean / total).view(*mean.shape[:2], *size)
