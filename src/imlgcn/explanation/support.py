"""The training images that speak for and against a label, where a head scores by them.

Letters: N images that the head was fitted on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.errors import InputError

if TYPE_CHECKING:
    from imlgcn.tagger import Tagger
    from imlgcn.tagger.support import Support

SHOWN = 4  # images on each side
NOT_KEPT = (
    "the training images have no names here, because the tagger folder does not hold them: "
    "training with keep_support=True keeps them"
)
NOT_ITS_OWN = (
    "the training images have no names here, because the file of them is not this network's: copy "
    "the whole folder again"
)


@dataclass(frozen=True)
class SupportImage:
    """A training image and what it adds to a label's score.

    Attributes:
        row: its position among the images that the head was fitted on, from 0.
        effect: in units of the score.
        name: as the data set writes it; None where the tagger keeps no names.
        present: whether it shows the label; None where that is unknown, or not kept.
        thumbnail: a WebP, where the tagger keeps one.
    """

    row: int
    effect: float
    name: str | None = None
    present: bool | None = None
    thumbnail: bytes | None = None


@dataclass(frozen=True)
class SupportEffect:
    """The score of a label as a sum over the images that the head was fitted on.

    ``bias``, the effects of the images in ``speaks_for`` and ``speaks_against``, and ``rest`` add
    up to the score.

    Attributes:
        bias: the score without any image.
        speaks_for, speaks_against: up to 4 images each, the strongest first.
        rest: what all others add.
        others: how many these are.
    """

    bias: float
    speaks_for: tuple[SupportImage, ...]
    speaks_against: tuple[SupportImage, ...]
    rest: float
    others: int

    @property
    def shown(self) -> tuple[SupportImage, ...]:
        """The images that are named: for, then against."""
        return self.speaks_for + self.speaks_against


def support_effect(
    parts: NDArray[np.float64], score: float, describe: Callable[[int, float], SupportImage]
) -> SupportEffect:
    """Return the sum of one label's ``score`` from what each image adds, ``(N,)``.

    >>> found = support_effect(np.array([0.5, -0.25, 0.0]), 1.0, SupportImage)
    >>> found.bias, [image.row for image in found.shown], found.rest, found.others
    (0.75, [0, 1], 0.0, 1)
    """
    bias = score - float(parts.sum())
    order = np.argsort(-parts, kind="stable")
    strongest = [int(row) for row in order[:SHOWN] if parts[row] > 0]
    weakest = [int(row) for row in order[::-1][:SHOWN] if parts[row] < 0]
    named = [[describe(row, float(parts[row])) for row in rows] for rows in (strongest, weakest)]
    rest = score - bias - sum(image.effect for side in named for image in side)
    others = len(parts) - len(strongest) - len(weakest)
    return SupportEffect(bias, tuple(named[0]), tuple(named[1]), rest if others else 0.0, others)


class SupportNames:
    """Names, targets and thumbnails of the images that a tagger's head was fitted on.

    ``note`` says why there are none, and what would keep them; else it is empty.
    """

    def __init__(self, tagger: Tagger, images: int) -> None:
        self.note = ""
        self._kept: Support | None = None
        try:
            self._kept = tagger.folder.support(features=False)
        except InputError as error:
            self.note = str(error)
            return
        if self._kept is None:
            self.note = NOT_KEPT
        elif (
            len(self._kept.images) < images
        ):  # with landmarks there are more: the first are its own
            self._kept, self.note = None, NOT_ITS_OWN

    def describer(self, label: int) -> Callable[[int, float], SupportImage]:
        """Return the function that makes a `SupportImage` for a label of a row and its effect."""

        def describe(row: int, effect: float) -> SupportImage:
            if self._kept is None:
                return SupportImage(row, effect)
            target = int(self._kept.targets[row, label])
            return SupportImage(
                row,
                effect,
                name=self._kept.images[row],
                present=None if target < 0 else bool(target),
                thumbnail=self._kept.thumbnails.get(row),
            )

        return describe


class Ledger(NamedTuple):
    """The parts of a score in two decimals, rounded so that they add up to the rounded score."""

    shown: tuple[float, ...]  # one of each image in `SupportEffect.shown`
    rest: float
    bias: float
    score: float

    @classmethod
    def of(cls, support: SupportEffect) -> Ledger:
        """Round all parts but one, which takes what is left: the others or, without any, the bias.

        >>> images = (SupportImage(0, 0.333), SupportImage(1, 0.333))
        >>> Ledger.of(SupportEffect(0.001, images, (), 0.333, others=5))
        Ledger(shown=(0.33, 0.33), rest=0.34, bias=0.0, score=1.0)
        """
        effects = [image.effect for image in support.shown]
        shown = tuple(round(effect, 2) for effect in effects)
        score = round(support.bias + sum(effects) + support.rest, 2)
        named = sum(shown)
        if not support.others:
            return cls(shown, 0.0, round(score - named, 2), score)
        bias = round(support.bias, 2)
        return cls(shown, round(score - named - bias, 2), bias, score)
