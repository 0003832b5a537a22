"""A tagger's way with known labels: the closed form with its counts, or the head's own.

Shapes: N images, L labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.errors import InputError, unknown_name
from imlgcn.tagger.info import KnownSettings

if TYPE_CHECKING:
    from imlgcn.labels.known import KnownLabels, PairCounts
    from imlgcn.metrics.known_calibration import KnownCalibration
    from imlgcn.tagger.opened import OpenedTagger

PAIR_COUNTS = "pair_counts"  # of an exported file's metadata
Way = Literal["counts", "head"]


class KnownUpdate(NamedTuple):
    """The update by counts: one part ranks images, the other makes probabilities."""

    labels: KnownLabels
    calibration: KnownCalibration
    counts: PairCounts

    def probabilities(
        self, logits: NDArray[np.float64], known: NDArray[np.int8]
    ) -> NDArray[np.float64]:
        """Return probabilities of calibrated logits; shapes ``(N, L)``."""
        return self.calibration.apply(self.labels.update(logits, known), known)


def way_of(tagger: OpenedTagger) -> Way:
    """Return what uses known labels: the ``head`` where it takes them, unless told otherwise."""
    settings = tagger.info.known
    own = tagger.engine.takes_known and (settings is None or settings.by == "head")
    return "head" if own else "counts"


def make_update(tagger: OpenedTagger) -> KnownUpdate:
    """Return the update of a tagger.

    Raises:
        InputError: the tagger has no counts of label pairs.
    """
    from imlgcn.labels.known import KnownLabels

    settings = tagger.info.known or KnownSettings()
    counts = _counts(tagger)
    if counts is None:
        raise _without_counts(tagger)
    labels = KnownLabels(
        counts,
        beta=settings.beta,
        surprise=settings.surprise,
        smoothing=settings.smoothing,
    )
    return KnownUpdate(labels, settings.calibration, counts)


def _counts(tagger: OpenedTagger) -> PairCounts | None:
    from imlgcn.labels.known import PairCounts

    if tagger.path.is_file():
        text = tagger.engine.metadata.get(PAIR_COUNTS)
        return None if text is None else PairCounts.from_text(text, len(tagger.labels))
    context = tagger.folder.context
    if context is None or not context.num_images:
        return None
    return PairCounts.from_context(context)


def _without_counts(tagger: OpenedTagger) -> InputError:
    if tagger.info.origin:
        return InputError(
            "known labels need counts of label pairs in training images, and an imported "
            "checkpoint has none; leave the known labels out"
        )
    if tagger.path.is_file():
        return InputError(
            f"{tagger.path} holds no counts of label pairs, which known labels need: an earlier "
            "version exported it; export the tagger's folder again"
        )
    return InputError(
        f"{tagger.path} holds no counts of label pairs, which known labels need; train again"
    )


def known_row(known: Mapping[str, int], labels: Sequence[str]) -> NDArray[np.int8]:
    """Return known labels as a row (L,): 1 present, 0 absent, -1 not known.

    Raises:
        InputError: there is no such label, or a value is neither 1 nor 0.
    """
    row = np.full(len(labels), -1, np.int8)
    place = {name: index for index, name in enumerate(labels)}
    for name, value in known.items():
        if name not in place:
            raise unknown_name("label", name, labels)
        if value not in (0, 1):
            raise InputError(f"a known label is 1 (present) or 0 (absent); got {name!r}: {value}")
        row[place[name]] = value
    return row
