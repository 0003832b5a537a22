"""The choice of images for the gallery: best, worst, and the most confident errors.

Letters: N images, L labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.tagger.scores import ScoredSplit

SHOWN = 6  # images of each kind
PER_LABEL = 2  # of one label, so that it does not fill its row


class Example(NamedTuple):
    """An image, and the label of it that it is shown for."""

    row: int  # of the scored split
    label: int


class Examples(NamedTuple):
    """The chosen images, each list with the clearest case first."""

    best: list[Example]
    worst: list[Example]
    false_positives: list[Example]
    false_negatives: list[Example]


def choose_examples(scored: ScoredSplit, thresholds: NDArray[np.float64]) -> Examples:
    """Choose images by their tags at ``thresholds`` (L,); unknown targets are ignored.

    - best: all tags correct, those with most tags first, then by log-loss; one for each set of
    tags.
    - worst: the highest log-loss, summed over labels.
    - false positives: the most probable tags of absent labels; negatives: the least probable of
      present ones below their threshold.

    No image is shown twice, nor a copy of it (equal scores mean equal images), and no
    more than two of a kind for the same label.
    """
    p, targets = scored.probabilities, scored.targets
    certain = np.clip(p, 1e-7, 1 - 1e-7)
    loss = -np.log(np.where(targets == 1, certain, 1 - certain)) * (targets >= 0)  # (N, L)
    present, tagged = targets == 1, p >= thresholds
    extra, missed = tagged & (targets == 0), present & ~tagged
    shown: set[bytes] = set()
    return Examples(
        best=_choose(_best(present, extra | missed, loss), p, shown),
        worst=_choose(_worst(loss), p, shown),
        false_positives=_choose(_strongest(np.where(extra, p, -1.0)), p, shown),
        false_negatives=_choose(_strongest(np.where(missed, 1 - p, -1.0)), p, shown),
    )


def _choose(
    candidates: Iterator[Example], probabilities: NDArray[np.float64], shown: set[bytes]
) -> list[Example]:
    """Take the first candidates that are not shown yet, few of each label."""
    found: list[Example] = []
    of_label: Counter[int] = Counter()
    for example in candidates:
        picture = probabilities[example.row].round(3).tobytes()
        if picture in shown or of_label[example.label] == PER_LABEL:
            continue
        shown.add(picture)
        of_label[example.label] += 1
        found.append(example)
        if len(found) == SHOWN:
            break
    return found


def _best(
    present: NDArray[np.bool_], wrong: NDArray[np.bool_], loss: NDArray[np.float64]
) -> Iterator[Example]:
    count, total = present.sum(axis=1), loss.sum(axis=1)  # (N,)
    frequency = present.sum(axis=0)  # (L,)
    right = np.flatnonzero(~wrong.any(axis=1) & (count > 0))
    seen: set[bytes] = set()
    for row in right[np.lexsort((total[right], -count[right]))]:
        tags = present[row].tobytes()
        if tags in seen:
            continue
        seen.add(tags)
        own = np.flatnonzero(present[row])
        # shown for its rarest tag, whose map is the most informative
        yield Example(int(row), int(own[np.argmin(frequency[own])]))


def _worst(loss: NDArray[np.float64]) -> Iterator[Example]:
    total = loss.sum(axis=1)
    for row in np.argsort(-total, kind="stable"):
        if total[row] > 0:
            yield Example(int(row), int(loss[row].argmax()))


def _strongest(surprise: NDArray[np.float64]) -> Iterator[Example]:
    """Yield the entries of (N, L) that are 0 or more, the highest first."""
    rows, labels = np.nonzero(surprise >= 0)
    for index in np.argsort(-surprise[rows, labels], kind="stable"):
        yield Example(int(rows[index]), int(labels[index]))
