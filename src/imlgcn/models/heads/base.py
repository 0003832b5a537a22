"""The contract of every head: how it is made, and what training and explanations ask of it.

Shapes: B batch, C channels, L labels, D width of a vector.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from imlgcn.activation_maps import NeighbourEffect
from imlgcn.config import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.models.scorer import Criterion, Features, Scorer

__all__ = ["Channels", "Criterion", "Features", "Head", "Presets"]

Channels = int | tuple[int, ...]  # C of the map or, for a head of several maps, of each
Presets = Mapping[str, Mapping[str, Any]]


class Head(Scorer):
    """Base of all heads: ``Head(in_channels, labels, **options)``, options by keyword only.

    What it takes and returns is said by :class:`~imlgcn.models.scorer.Scorer`. Where
    ``feature_levels`` is more than one, ``in_channels`` is a tuple, or one number for all maps.
    What a head needs from ``labels`` and does not find is an ``InputError``. Graph and embeddings
    are buffers: no parameter, but part of the state. A label graph is the buffer ``adjacency``
    ``(L, L)``: the report finds it by that name in the weights file.
    """

    PRESETS: ClassVar[Presets] = {"small": {}, "paper": {}}
    """Option values by preset; what a preset does not name keeps the default of ``__init__``."""

    TRAINING: ClassVar[Presets] = {}
    """Training values on frozen features by preset (fields of `imlgcn.config.HeadTraining`).

    They go over the defaults of stage 3 and under what the user sets.
    """

    own_loss: ClassVar[str | None] = None
    """What ``loss`` is where it does not use the criterion it is given, in a few words."""

    counted_with: ClassVar[Mapping[str, int]] = {}
    """Options that the data decide (`fitted_options`), as `imlgcn params` counts them."""

    neighbour_effect: ClassVar[NeighbourEffect | None] = None
    """For a head with a label graph, what :meth:`neighbours` gives; None for all others."""

    unused_parameters: tuple[str, ...] = ()
    """Parameters the published code stores but never uses: no gradient reaches them."""

    def __init__(self, in_channels: Channels, labels: LabelContext) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.num_labels = labels.num_labels

    def notes(self) -> tuple[str, ...]:
        """Return what a user would not expect of this head, a sentence each; training says them."""
        if self.own_loss is None:
            return ()
        return (f"the head is trained by {self.own_loss}, not by the loss of the run",)

    def fit(self, features: Features, targets: Tensor) -> None:
        """Fit a head of :attr:`closed_form` in place, to targets ``(N, L)``: 1, 0, -1 unknown."""
        raise InputError(f"{type(self).__name__} is trained by gradient steps: use train_head")

    def fitted_options(self) -> dict[str, Any]:
        """Return options as fitting left them: a head made with them takes this one's state."""
        return {}

    def linear_form(self) -> tuple[Tensor, Tensor | None] | None:
        """Return what multiplies the image vector, ``(L, C)``, and the bias ``(L,)`` if any.

        Gradients reach what the weight is made from: fine-tuning starts such a head from the
        classifiers of the linear one, any other from its logits. None: the head is not linear.
        """
        return None

    def linear_path(self, features: Features) -> Tensor | None:
        """Return the part of the logits ``(B, L)`` that a plain linear layer adds to attention.

        None: there is no such layer.
        """
        return None

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
