"""SSGRL: what each label sees of the map, exchanged over the label graph.

Chen et al., Learning Semantic-Specific Graph Representation for Multi-Label Image Recognition
(ICCV 2019), https://arxiv.org/abs/1908.07325. Shapes: B batch, C channels, H W map, N = H * W
positions, L labels, E width of the label vectors, D width of a node, O width of the output.
"""

from __future__ import annotations

import copy
import math
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from imlgcn.activation_maps import MapKind, NeighbourEffect
from imlgcn.errors import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.labels.graph import conditional_probability
from imlgcn.models.graph_layers import (
    FoldedAttention,
    GatedGraphUnit,
    SemanticAttention,
    few_edges,
)
from imlgcn.models.heads.attention import AttentionHead
from imlgcn.models.heads.base import Features, Presets
from imlgcn.models.layers import (
    leaf_uniform,
    scale_to_norm,
    score_each,
)
from imlgcn.models.transformer import MeanPath, check_fraction

CUT_AT_ONCE = 32  # graphs with an edge less that are scored together: bounds memory

CANCELLED = tuple(f"attention.{name}" for name in SemanticAttention.CANCELLED)


class SSGRLHead(AttentionHead):
    r"""Attention guided by label vectors, a gated graph network, one classifier per label.

    .. math::
        f_l &= \mathrm{attention}(X, e_l), \qquad
        s^0 = f, \qquad s^{t+1} = \mathrm{gated}(s^t, A) \\
        y_l &= \langle w_l, \tanh(W_o [s^T_l, f_l] + b_o) \rangle + b_l

    The two parts are :class:`~imlgcn.models.graph_layers.SemanticAttention` and
    :class:`~imlgcn.models.graph_layers.GatedGraphUnit`, T is ``time_step``, the vectors e are those
    named by ``embedding`` (``seed`` is for random ones). :math:`A_{ij} = P(j \mid i)` is the plain
    conditional probability of the counts: no threshold and no normalisation as in ML-GCN (for
    VG-500 the authors normalised it, how is not documented). Whether the published matrices have a
    diagonal is not documented either: ``zero_diagonal``. Positions are means over windows of size
    ``map_pooling``: 2 in the published code, where this is the last layer of the backbone.

    Differs from the paper: as in the published code, the reset gate takes the update gate's matrix;
    its own is stored, counted and named in ``unused_parameters``, beside two biases that cancel. In
    the preset ``small``: the positions pass a linear layer to ``hidden_dim`` first (None: D = C,
    no layer) and all is narrower; map and label vectors are scaled to entries of about 1
    (``normalize``); in training the map loses whole channels (``feature_dropout``) and
    :math:`[s, f]` single entries (``dropout``); a linear layer on the mean of the map is added
    (``residual``: :class:`~imlgcn.models.transformer.MeanPath`); ``b`` starts at ``bias_start``
    instead of at random (None). The preset ``paper`` has none of this.

    Shape:
        - features ``(B, C, H, W)``, output ``(B, L)``
    """

    PRESETS: ClassVar[Presets] = {
        "small": {},
        "paper": {
            **AttentionHead.PAPER_INPUT,
            "map_pooling": 2,
            "hidden_dim": None,
            "attention_dim": 1024,
            "output_dim": 2048,
            "dropout": 0.0,
        },
    }

    TRAINING: ClassVar[Presets] = {
        "small": {"epochs": 20, "learning_rate": 3e-3, "weight_decay": 0.1}
    }

    SHARED_RESET: ClassVar[bool] = True

    neighbour_effect: ClassVar[NeighbourEffect | None] = "edges"

    unused_parameters = (
        *CANCELLED,
        "propagation.reset_state.weight",
        "propagation.reset_state.bias",
    )

    vectors: Tensor
    adjacency: Tensor

    def __init__(
        self,
        in_channels: int,
        labels: LabelContext,
        *,
        embedding: str = "words",
        seed: int = 0,
        zero_diagonal: bool = True,
        map_pooling: int = 2,
        hidden_dim: int | None = 64,
        attention_dim: int = 32,
        time_step: int = 3,
        output_dim: int = 256,
        normalize: bool = True,
        feature_dropout: float = 0.3,
        dropout: float = 0.3,
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
        if time_step < 0:
            raise InputError(f"time_step is a number of steps, 0 or more; got {time_step}")
        check_fraction("dropout", dropout)
        adjacency = conditional_probability(
            labels.pair_counts, labels.occurrences, zero_diagonal=zero_diagonal
        )
        vectors = torch.tensor(labels.embedding(embedding, seed=seed))
        self.register_buffer("vectors", scale_to_norm(vectors) if normalize else vectors)  # (L, E)
        self.register_buffer("adjacency", torch.tensor(adjacency, dtype=torch.float32))  # (L, L)
        D, L, O = self.width, self.num_labels, output_dim  # noqa: E741
        attention = SemanticAttention(D, vectors.shape[1], attention_dim)
        self.attention: SemanticAttention | FoldedAttention = attention
        self.propagation = GatedGraphUnit(D, shared_reset=self.SHARED_RESET)
        self.time_step = time_step
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(2 * D, O)
        self.weight = leaf_uniform(L, O, bound=1 / math.sqrt(O))
        self.bias = leaf_uniform(L, bound=1 / math.sqrt(O))
        if bias_start is not None:
            nn.init.constant_(self.bias, bias_start)
        self.mean_path = MeanPath(in_channels, L) if residual else None

    def classifiers(self, adjacency: Tensor | None = None) -> Tensor:
        """Return one classifier per label ``(L, O)``; those of KGGR have passed the graph."""
        return self.weight

    def see(self, maps: Tensor) -> Tensor:
        """Return what each label sees of the maps, ``(B, L, D)``."""
        seen: Tensor = self.attention(self._positions(maps), self.vectors)
        return seen

    def propagate(self, nodes: Tensor, adjacency: Tensor | None = None) -> Tensor:
        """Return nodes ``(B, L, D)`` after all steps on the graph, by default the head's."""
        adjacency = self.adjacency if adjacency is None else adjacency
        for _ in range(self.time_step):
            nodes = self.propagation(nodes, adjacency)
        return nodes

    @torch.no_grad()
    def fold(self) -> Self:
        """Return the head whose word side is computed once; it has no dropout."""
        folded = copy.deepcopy(self).eval()
        assert isinstance(folded.attention, SemanticAttention)
        folded.attention = folded.attention.fold(folded.vectors)
        if folded.propagation.shared_reset:
            del folded.propagation.reset_state  # stored, never used
        return folded

    def attend(self, maps: Tensor, known: Tensor | None, seen: list[Tensor] | None) -> Tensor:
        """Return the logits; ``seen`` gets the attention guided by the label vectors."""
        if seen is not None:
            seen.append(self.attention.weights(self._positions(maps), self.vectors))
        return self.answer(self.see(maps), self.adjacency)

    def answer(self, seen: Tensor, adjacency: Tensor) -> Tensor:
        """Return the logits ``(B, L)`` of what each label sees, after the graph.

        ``adjacency`` is one graph, or one for each image.
        """
        joined = torch.cat([self.propagate(seen, adjacency), seen], -1)  # (B, L, 2 * D)
        output: Tensor = self.output(self.dropout(joined)).tanh()  # (B, L, O)
        return score_each(output, self.classifiers(adjacency), self.bias)

    def notes(self) -> tuple[str, ...]:
        """Say when the label graph has few edges."""
        return super().notes() + few_edges(self.adjacency)

    def neighbours(self, features: Features, label: int) -> Tensor:
        """Return how much the logit falls when a label's edges to and from ``label`` are cut."""
        seen = self.see(self.input(features))  # (1, L, D)
        cut = []
        for others in torch.split(torch.arange(self.num_labels), CUT_AT_ONCE):
            graphs = self.adjacency.repeat(len(others), 1, 1)
            graphs[torch.arange(len(others)), label, others] = 0
            graphs[torch.arange(len(others)), others, label] = 0
            cut.append(self.answer(seen.expand(len(others), -1, -1), graphs)[:, label])
        return self.answer(seen, self.adjacency)[0, label] - torch.cat(cut)

    def without_graph(self, features: Features) -> Tensor:
        """Return the logits without edges: each label is propagated alone."""
        whole, seen = self(features), self.see(self.input(features))
        change = self.answer(seen, torch.zeros_like(self.adjacency)) - self.answer(
            seen, self.adjacency
        )
        logits: Tensor = whole + change
        return logits

    @property
    def map_kind(self) -> MapKind:
        """The attention guided by the label vectors, before the graph."""
        return "attention"

    def _positions(self, maps: Tensor) -> Tensor:
        """Return the positions of the maps at the head's width, ``(B, N, D)``."""
        return self.project(maps).flatten(2).transpose(1, 2)
