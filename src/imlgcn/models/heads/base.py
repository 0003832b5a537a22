"""The contract of every head: construction, and what training and explanations need of it.

Shapes: B batch, C channels, L labels, D width of a vector.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from imlgcn.activation_maps import NeighbourEffect
from imlgcn.errors import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.models.feature_rows import RowFeatures
from imlgcn.models.image_space import ImageSpace
from imlgcn.models.scorer import Criterion, Features, Scorer

if TYPE_CHECKING:
    from imlgcn.models.backbones import Backbone

__all__ = ["Channels", "Criterion", "Features", "Head", "Presets"]

Channels = int | tuple[int, ...]  # C of the map or, for a head of several maps, of each
Presets = Mapping[str, Mapping[str, Any]]


class Head(Scorer):
    """Base of all heads: ``Head(in_channels, labels, **options)``, options by keyword only.

    Inputs and outputs are those of :class:`~imlgcn.models.scorer.Scorer`. Where
    ``feature_levels`` is more than one, ``in_channels`` is a tuple, or one number for all maps.
    If ``labels`` lack what a head needs, it raises ``InputError``. Graph and embeddings
    are buffers: no parameter, but part of the state. A label graph is the buffer ``adjacency``
    ``(L, L)``: the report finds it by that name in the weights file.
    """

    PRESETS: ClassVar[Presets] = {"small": {}, "paper": {}}
    """Option values by preset; other options keep the default of ``__init__``."""

    TRAINING: ClassVar[Presets] = {}
    """Training values on frozen features by preset (fields of `imlgcn.config.HeadTraining`).

    They override the defaults of stage 3; the user's settings override them.
    """

    candidate: ClassVar[bool] = False
    """Whether training chooses among this head and other candidates where none is named."""

    own_loss: ClassVar[str | None] = None
    """Name of the loss of a head that ignores the given criterion."""

    counted_with: ClassVar[Mapping[str, int]] = {}
    """Options that the data decide (`fitted_options`), as `imlgcn params` counts them."""

    neighbour_effect: ClassVar[NeighbourEffect | None] = None
    """For a head with a label graph, the kind of :meth:`neighbours`; else None."""

    has_support: ClassVar[bool] = False
    """Whether a score is a sum over the images it was fitted on (:meth:`support_contributions`)."""

    support_rows: Tensor | None = None
    """After :meth:`fit`, which of the fitted images these are, in their order; None: all."""

    unused_parameters: tuple[str, ...] = ()
    """Parameters the published code stores but never uses: no gradient reaches them."""

    def __init__(self, in_channels: Channels, labels: LabelContext) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.num_labels = labels.num_labels

    @classmethod
    def channels_of(cls, backbone: Backbone, options: Mapping[str, Any]) -> Channels:
        """Return ``in_channels`` for a head on the maps of ``backbone``, made with ``options``."""
        return backbone.channels(cls.feature_levels)

    def notes(self) -> tuple[str, ...]:
        """Return notes for the user, a sentence each; training prints them."""
        if self.own_loss is None:
            return ()
        return (f"the head is trained with {self.own_loss}, not with the loss of the run",)

    def fit(self, features: RowFeatures, targets: Tensor, groups: Tensor | None = None) -> None:
        """Fit a head of :attr:`closed_form` in place, to targets ``(N, L)``: 1, 0, -1 unknown.

        ``groups`` ``(N,)``: images of one number belong together, such as near duplicates. None:
        each is alone.
        """
        raise InputError(f"{type(self).__name__} is trained by gradient steps: use train_head")

    def held_out(
        self, features: RowFeatures, targets: Tensor, *groups: Tensor
    ) -> tuple[Tensor, ...] | None:
        """Return exact held-out scores, for a head that has a formula for them; the head stays.

        Args:
            features, targets: as for :meth:`fit`, of N images.
            groups: each ``(N,)`` numbers; images of one number are held out together.

        Returns:
            For each of ``groups`` scores ``(N, L)``: those of the head fitted without the image's
            group. NaN where the target is unknown. None: there is no formula, fit it anew.
        """
        return None

    def fitted_options(self) -> dict[str, Any]:
        """Return options as fitting left them: a head made with them takes this one's state."""
        return {}

    def support_contributions(self, features: Features, label: int) -> Tensor:
        """Return what each image it was fitted on adds to the score of ``label``, ``(N,)``.

        For one image; in the order of the rows it was fitted on. Exact: the score is their sum plus
        the label's bias, which does not depend on the image.
        """
        raise InputError(f"{type(self).__name__} does not score by the images it was fitted on")

    def support_weights(self) -> Tensor:
        """Return the weights ``(N, L)`` with which the images it was fitted on vote for labels."""
        raise InputError(f"{type(self).__name__} does not score by the images it was fitted on")

    def image_space(self) -> ImageSpace | None:
        """Return the space in which it compares images; None: it does not compare any."""
        return None

    def linear_form(self) -> tuple[Tensor, Tensor | None] | None:
        """Return the weight ``(L, C)`` of the image vector, and the bias ``(L,)`` if any.

        Gradients flow into the parameters behind it: the warm start fits such a head to the
        linear head's weights, any other to its logits. None: the head is not linear.
        """
        return None

    def take_weight(self, weight: Tensor) -> None:
        """Bring the weight of :meth:`linear_form` near this one, ``(L, C)``, where a solve can.

        The warm start fits by gradient steps what remains.
        """

    def linear_path(self, features: Features) -> Tensor | None:
        """Return the part of the logits ``(B, L)`` that a plain linear layer adds to attention.

        None: it has no such layer.
        """
        return None

    def neighbours(self, features: Features, label: int) -> Tensor:
        """Return each label's contribution to the logit of ``label`` through the graph, ``(L,)``.

        For one image. ``parts``: exact contributions, the label itself included, whose sum, plus
        the label's bias, is the logit. ``edges``: the decrease of the logit when the edges
        between the two are removed.
        """
        raise InputError(f"{type(self).__name__} has no label graph")

    def without_graph(self, features: Features) -> Tensor:
        """Return the logits ``(B, L)`` of the same weights without edges between labels."""
        raise InputError(f"{type(self).__name__} has no label graph")
