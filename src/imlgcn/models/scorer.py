"""The contract of everything that scores features: heads, folded heads and scaled heads.

Shapes: B batch, C channels, H W feature map, h w activation map, L labels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor, nn

from imlgcn.activation_maps import MapKind
from imlgcn.errors import InputError

if TYPE_CHECKING:
    from imlgcn.models.kernel_regression import Solution

Features = Tensor | tuple[Tensor, ...]  # one map, or those of several stages, deepest last
Criterion = Callable[[Tensor, Tensor], Tensor]


class Scorer(nn.Module):
    """Backbone features in, one logit per label out; subclasses override the defaults.

    ``forward(features, known=None)`` returns logits ``(B, L)``. ``features`` is ``(B, C, H, W)`` of
    any H x W or, where :attr:`feature_levels` is more than one, a tuple of maps, deepest last.
    ``known`` is ``(B, L)`` with 1 present, 0 absent, -1 unknown; a head that cannot use it raises
    (:func:`refuse_known`).
    """

    feature_levels: int = 1
    """How many maps of the backbone ``forward`` takes: the deepest and those before it."""

    uses_known: bool = False
    """Whether ``forward`` can condition on labels that are already known."""

    pooling: str | None = None
    """How the map is pooled first (``avg``, ``max``), or None if the whole map is needed.

    A pooled ``(B, C, 1, 1)`` map has the same logits, so pooled vectors can be cached. Of several
    maps each is averaged; those before the deepest are then of blocks (``means`` of
    `imlgcn.models.backbones.Backbone`).
    """

    closed_form: bool = False
    """Whether it is fitted by `fit`, a formula, not by gradient steps.

    It then has no parameters: its numbers are buffers, and count as parameters (scalars do not).
    """

    exported_batch: int = 1
    """How many images at a time tag fastest in an exported file, on the CPU.

    More than one take memory, and pay where every run reads many numbers.
    """

    label_vectors: str | None = None
    """The state-dict entry ``(L, D)`` that holds one vector per label, for the report's plane.

    Only used for a head without label embeddings.
    """

    def forward(self, features: Features, known: Tensor | None = None) -> Tensor:
        """Return the logits ``(B, L)`` of a batch."""
        raise NotImplementedError

    @property
    def map_kind(self) -> MapKind | None:
        """The kind of :meth:`activation_maps`; None where there are none."""
        return None

    def activation_maps(
        self, features: Features, known: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the logits ``(B, L)`` as ``forward`` does, and one map per label ``(B, L, h, w)``.

        The mean of a map of kind ``score`` or ``winner``, plus the label's bias, is the logit; a
        map of kind ``attention`` sums to one; one of kind ``occlusion`` is how far the logit falls
        without each position (:func:`imlgcn.models.occlusion.occlusion_maps`). h and w may be
        smaller or larger than H and W.
        """
        raise InputError(f"{type(self).__name__} has no activation maps")

    def divisor(self, targets: Tensor, criterion: Criterion) -> Tensor | int:
        """Return what :meth:`loss` is divided by; ``criterion`` is one of :mod:`imlgcn.losses`."""
        divisor: Tensor | int = criterion.divisor(targets)  # type: ignore[attr-defined]
        return divisor

    def loss(self, features: Features, targets: Tensor, criterion: Criterion) -> Tensor:
        """Return the training loss; heads with masks, sequences or auxiliary logits override it."""
        return criterion(self(features), targets)

    @property
    def num_solvable(self) -> int:
        """How many images its labels can be solved anew with, beside others; 0: they cannot."""
        return 0

    def solve_beside(self, vectors: Tensor, targets: Tensor) -> Solution:
        """Return labels solved by the head's formula on the N images it was fitted on and Q others.

        ``vectors`` ``(Q, V)`` are those of the others, float64; ``targets`` ``(N + Q, K)``: 1
        present, 0 absent, -1 unknown. Only where :attr:`num_solvable` is N.
        """
        raise InputError(f"{type(self).__name__} cannot solve labels anew")

    def fold(self) -> Scorer:
        """Return an equal module that computes only once what does not depend on the image."""
        return self


def single_map(features: Features) -> Tensor:
    """Return the map ``(B, C, H, W)`` of features of one level; a tuple of several is refused."""
    if isinstance(features, Tensor):
        return features
    raise InputError(f"this head takes one feature map; got {len(features)}")


def refuse_known(module: nn.Module, known: Tensor | None) -> None:
    """Raise `InputError` if known labels are given to a module that would ignore them."""
    if known is not None:
        raise InputError(
            f"{type(module).__name__} cannot use known labels: leave them out, "
            "or use a head that conditions on them"
        )
