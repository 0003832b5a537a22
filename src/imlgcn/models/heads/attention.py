"""Shared by heads that attend to the positions of one map: input, linear path, maps.

Used by SSGRL, KGGR, C-Tran, ML-Decoder and Query2Label; it is not part of their papers.
Shapes: B batch, C channels, H W map, N = H * W positions after the windows, D width, Q queries,
L labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from imlgcn.activation_maps import MapKind
from imlgcn.labels.context import LabelContext
from imlgcn.models.heads.base import Features, Head
from imlgcn.models.layers import attention_maps
from imlgcn.models.scorer import refuse_known
from imlgcn.models.transformer import MapInput, MeanPath


class AttentionHead(Head):
    r"""A head whose logits are :meth:`attend` of one map, plus a linear path.

    .. math:: y = \mathrm{attend}(X) + W \frac1N \sum_n X_n, \qquad X = \mathrm{input}(F)

    The map passes :class:`~imlgcn.models.transformer.MapInput`: windows of size ``map_pooling`` are
    averaged, the map is scaled to a mean square of 1 (``normalize``), and in training whole
    channels are dropped (``feature_dropout``). W is ``mean_path``
    (:class:`~imlgcn.models.transformer.MeanPath`): a subclass that takes the option ``residual``
    sets it, and does so last, which keeps the order of the parameters. ``hidden_dim`` puts a linear
    layer C to D on each position (:meth:`project`); None: no layer, D = C.

    Shape:
        - features ``(B, C, H, W)``, output ``(B, L)``
    """

    PAPER_INPUT: ClassVar[Mapping[str, Any]] = {
        "map_pooling": 1,
        "normalize": False,
        "feature_dropout": 0.0,
        "residual": False,
        "bias_start": None,
    }
    """The shared part of the preset ``paper``: the map unchanged, nothing added."""

    mean_path: MeanPath | None

    def __init__(
        self,
        in_channels: int,
        labels: LabelContext,
        *,
        map_pooling: int,
        normalize: bool,
        feature_dropout: float,
        hidden_dim: int | None = None,
    ) -> None:
        super().__init__(in_channels, labels)
        self.input = MapInput(normalize=normalize, dropout=feature_dropout, pooling=map_pooling)
        self.width = hidden_dim or in_channels  # D
        projects = hidden_dim is not None
        self.input_proj = nn.Conv2d(in_channels, self.width, 1) if projects else None

    def attend(self, maps: Tensor, known: Tensor | None, seen: list[Tensor] | None) -> Tensor:
        """Return the logits ``(B, L)`` of maps ``(B, C, H, W)`` that have passed the input.

        If ``seen`` is a list, each layer's attention ``(B, Q, N)`` is appended. ``known`` is
        None unless the head uses known labels.
        """
        raise NotImplementedError

    def project(self, maps: Tensor) -> Tensor:
        """Return the maps at the head's width, ``(B, D, H, W)``."""
        if self.input_proj is not None:
            maps = self.input_proj(maps)
        return maps

    def label_attention(self, weights: Tensor) -> Tensor:
        """Return each label's attention ``(B, L, N)`` from one layer's; by default Q = L."""
        return weights

    def forward(self, features: Features, known: Tensor | None = None) -> Tensor:
        """Return the logits of a batch of maps."""
        return self._score(self.input(features), known)

    @property
    def map_kind(self) -> MapKind:
        """The attention to the positions, mean over heads and layers."""
        return "attention"

    def activation_maps(
        self, features: Features, known: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the logits and the attention, on the positions as ``map_pooling`` leaves them."""
        maps, seen = self.input(features), list[Tensor]()
        logits = self._score(maps, known, seen)
        weights = [self.label_attention(layer) for layer in seen]  # (B, L, N)
        return logits, attention_maps(weights, (maps.shape[2], maps.shape[3]))

    def linear_path(self, features: Features) -> Tensor | None:
        """Return the addend of the linear layer on the mean of the map."""
        return None if self.mean_path is None else self.mean_path(self.input(features))

    def _score(
        self, maps: Tensor, known: Tensor | None, seen: list[Tensor] | None = None
    ) -> Tensor:
        if not self.uses_known:
            refuse_known(self, known)
        logits = self.attend(maps, known, seen)
        return logits if self.mean_path is None else logits + self.mean_path(maps)
