"""The contract of every head: backbone features in, one logit per label out.

Shapes: B batch, C channels, H W map, L labels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from imlgcn.activation_maps import MapKind, NeighbourEffect
from imlgcn.config import InputError
from imlgcn.labels.context import LabelContext

Features = Tensor | tuple[Tensor, ...]
Channels = int | tuple[int, ...]  # C of the map or, for a head of several maps, of each
Criterion = Callable[[Tensor, Tensor], Tensor]
Presets = Mapping[str, Mapping[str, Any]]


class Head(nn.Module):
    """Base of all heads: ``Head(in_channels, labels, **options)``, options by keyword only.

    ``forward(features, known=None)`` returns logits ``(B, L)``. ``features`` is ``(B, C, H, W)`` of
    any H x W or, where :attr:`feature_levels` is more than one, a tuple of maps, deepest last;
    then ``in_channels`` is a tuple as well, or one number for all of them.
    ``known`` is ``(B, L)`` with 1 present, 0 absent, -1 unknown; a head that cannot use it raises.
    What a head needs from ``labels`` and does not find is an ``InputError``. Graph and embeddings
    are buffers: no parameter, but part of the state.
    """

    PRESETS: ClassVar[Presets] = {"small": {}, "paper": {}}
    """Option values by preset; what a preset does not name keeps the default of ``__init__``."""

    TRAINING: ClassVar[Presets] = {}
    """Training values on frozen features by preset (fields of `imlgcn.config.HeadTraining`).

    They go over the defaults of stage 3 and under what the user sets.
    """

    feature_levels: ClassVar[int] = 1
    """How many maps of the backbone ``forward`` takes."""

    uses_known: ClassVar[bool] = False
    """Whether ``forward`` can condition on labels that are already known."""

    own_loss: ClassVar[str | None] = None
    """What ``loss`` is where it does not use the criterion it is given, in a few words."""

    neighbour_effect: ClassVar[NeighbourEffect | None] = None
    """For a head with a label graph, what :meth:`neighbours` gives; None for all others."""

    unused_parameters: tuple[str, ...] = ()
    """Parameters the published code stores but never uses: no gradient reaches them."""

    pooling: str | None = None
    """How the head pools the map before all else (``avg``, ``max``), or None if it needs the map.

    Such a head scores a pooled ``(B, C, 1, 1)`` map like the whole one, so vectors can be cached.
    """

    forward: Callable[..., Tensor]

    def __init__(self, in_channels: Channels, labels: LabelContext) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.num_labels = labels.num_labels

    def loss(self, features: Features, targets: Tensor, criterion: Criterion) -> Tensor:
        """Return the training loss; heads with masks, sequences or auxiliary logits override it."""
        return criterion(self(features), targets)

    @property
    def map_kind(self) -> MapKind | None:
        """What :meth:`activation_maps` gives, or None for a head that cannot say where it looks."""
        return None

    def activation_maps(
        self, features: Features, known: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the logits ``(B, L)`` as ``forward`` does, and one map per label ``(B, L, h, w)``.

        The mean of a map of kind ``score`` or ``winner``, plus the label's bias, is the logit; a
        map of kind ``attention`` sums to one. h and w may be smaller or larger than H and W.
        """
        raise InputError(f"{type(self).__name__} does not say where in the image it looks")

    def neighbours(self, features: Features, label: int) -> Tensor:
        """Return what each label brings to the logit of ``label`` through the graph, ``(L,)``.

        For one image. ``parts``: exact parts, that of the label itself included, whose sum, plus
        the label's bias, is the logit. ``edges``: how much the logit falls when the edges between
        the two are taken out.
        """
        raise InputError(f"{type(self).__name__} has no label graph")

    def without_graph(self, features: Features) -> Tensor:
        """Return the logits ``(B, L)`` that the same weights give when no label has neighbours."""
        raise InputError(f"{type(self).__name__} has no label graph")

    def fold(self) -> nn.Module:
        """Return an equal module with all that does not depend on the image computed once."""
        return self
