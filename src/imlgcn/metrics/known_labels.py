r"""Known labels: what is revealed of an image, and calibrated probabilities after the update.

:class:`imlgcn.labels.known.KnownLabels` orders the images of each label; its logits are no longer
calibrated, because labels that are known together are not independent, and because an image with
known tags has more tags than others. So probabilities have a slope and an offset of their own, by
the number n of known positives,

.. math:: p_c = \sigma(a_n l'_c + b_n)

Within an image that keeps the order of the labels. Between images with different n it does *not*
keep the order, so nothing here is ever used to rank images: mAP is measured on l'.

Both are fitted on scores of images that the head had not learnt. Letters: N images, L labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.errors import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.labels.known import KnownLabels, PairCounts
from imlgcn.labels.known_defaults import BETA
from imlgcn.labels.pairs import diagonal_of
from imlgcn.metrics.calibration import fit_platt
from imlgcn.metrics.known_calibration import NUMBERS, Known, number_known
from imlgcn.metrics.ranking import mean_average_precision

Floats = NDArray[np.float64]

# Chosen out of fold on Open Clip Art (38 labels) and emoji (323), with a kernel and a linear head.
# Against (0, 1) they gain 1.1 and 0.5 mAP with one known tag; it is a plateau: surprise 0.2 to 0.5
# and smoothing 3 to 10 are within 0.3. Only beta differs between data sets, so it is fitted.
SURPRISE, SMOOTHING = 0.3, 5.0
BETAS = tuple(round(0.1 * step, 1) for step in range(2, 11))
ENTRIES = 500_000  # images x labels that are fitted on: seconds
DRAWS = 3
ENOUGH = 20  # positives to fit one pair on


class Reveal(NamedTuple):
    """How much is revealed: so many true labels of each image, or a fraction of all values."""

    tags: int = 0
    fraction: float = 0.0

    def draw(self, targets: NDArray[np.int8], generator: np.random.Generator) -> Known:
        """Return which targets ``(N, L)`` are revealed: 1, 0, and -1 where they are not.

        With ``tags``, that many true labels of each image, or all if it has fewer; nothing else.
        """
        drawn = generator.random(targets.shape)
        if self.tags:
            rank = np.where(targets == 1, drawn, 2.0).argsort(axis=1).argsort(axis=1)
            chosen = (rank < self.tags) & (targets == 1)
        else:
            chosen = (drawn < self.fraction) & (targets >= 0)
        return np.where(chosen, targets, -1).astype(np.int8)


def parse_reveal(text: str) -> Reveal:
    """Return what ``1`` (one true label of each image) or ``25%`` (of all values) stands for.

    >>> parse_reveal("1"), parse_reveal("25 %")
    (Reveal(tags=1, fraction=0.0), Reveal(tags=0, fraction=0.25))

    Raises:
        InputError: it is neither.
    """
    number = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%?)", text.strip())
    value = float(number[1]) if number else 0.0
    if number and number[2] and 0 < value < 100:
        return Reveal(fraction=value / 100)
    if number and not number[2] and value >= 1 and value.is_integer():
        return Reveal(tags=int(value))
    raise InputError(
        "reveal= takes a number of true labels, such as 1, or a percentage of all values, such as "
        f"25%; got {text!r}"
    )


class KnownFit(NamedTuple):
    """What was fitted for known labels: the update's settings, and slopes and offsets."""

    beta: float
    surprise: float
    smoothing: float
    slope: Floats
    offset: Floats


# what people and other programs know: a few tags, or a part of all values; and one absent label
FITTED = (Reveal(tags=1), Reveal(tags=2), Reveal(tags=3), Reveal(fraction=0.25))


def fit_known(
    logits: Floats,
    targets: NDArray[np.int8],
    counts: PairCounts,
    folds: NDArray[np.integer] | None = None,
    *,
    seed: int = 0,
) -> KnownFit:
    """Fit ``beta``, then slope and offset by number of known positives, on scores not learnt.

    ``beta`` is the one with the best mAP of the rest when one true label of each image is revealed.
    With ``folds`` ``(N,)`` of out-of-fold scores, the pairs are counted on the other folds, as
    ``counts`` would hold the answers; without, ``counts`` are of other images already.

    Shape:
        - logits (calibrated), targets ``(N, L)``
    """
    generator = np.random.default_rng(seed)
    known_labels = list(_known_labels(targets, counts, folds))  # before images are left out
    most = max(ENTRIES // max(targets.shape[1], 1), 50)
    kept = np.zeros(len(targets), bool)
    kept[generator.permutation(len(targets))[:most]] = True
    scored = _Held(
        logits[kept], targets[kept], [(rows[kept], known) for rows, known in known_labels]
    )
    beta = _best_beta(scored, generator)
    slope, offset = _fit_pairs(scored, beta, generator)
    return KnownFit(beta, SURPRISE, SMOOTHING, slope, offset)


class _Held(NamedTuple):
    """Scores of images, with the update to use for each: rows ``(N,)`` bool and their update."""

    logits: Floats
    targets: NDArray[np.int8]
    updates: list[tuple[NDArray[np.bool_], KnownLabels]]

    def shift(self, known: Known) -> Floats:
        """Return what known labels add to the logits at beta = 1."""
        shift = np.zeros_like(self.logits)
        for rows, update in self.updates:
            if rows.any():
                shift[rows] = update.update(self.logits[rows], known[rows]) - self.logits[rows]
        return shift


def _known_labels(
    targets: NDArray[np.int8], counts: PairCounts, folds: NDArray[np.integer] | None
) -> Iterator[tuple[NDArray[np.bool_], KnownLabels]]:
    settings = {"beta": 1.0, "surprise": SURPRISE, "smoothing": SMOOTHING}
    if folds is None:
        yield np.ones(len(targets), bool), KnownLabels(counts, **settings)
        return
    names = [str(label) for label in range(targets.shape[1])]
    for fold in np.unique(folds):
        rows = folds == fold
        others = PairCounts.from_context(LabelContext.from_targets(names, targets[~rows]))
        yield rows, KnownLabels(others if diagonal_of(others.known).any() else counts, **settings)


def _best_beta(scored: _Held, generator: np.random.Generator) -> float:
    found = np.zeros(len(BETAS))
    for _ in range(DRAWS):
        known = Reveal(tags=1).draw(scored.targets, generator)
        hidden = np.where(known >= 0, -1, scored.targets)
        if (hidden == 1).sum() < ENOUGH:
            return BETA
        shift = scored.shift(known)
        found += [mean_average_precision(scored.logits + b * shift, hidden)[0] for b in BETAS]
    return BETAS[int(np.argmax(found))]


def _fit_pairs(scored: _Held, beta: float, generator: np.random.Generator) -> tuple[Floats, Floats]:
    draws = [reveal.draw(scored.targets, generator) for reveal in FITTED]
    flipped = np.where(scored.targets >= 0, 1 - scored.targets, -1)
    draws.append(np.where(Reveal(tags=1).draw(flipped, generator) == 1, 0, -1).astype(np.int8))
    logits = np.concatenate([scored.logits + beta * scored.shift(known) for known in draws])
    hidden = np.concatenate([np.where(known >= 0, -1, scored.targets) for known in draws])
    return fit_by_number(logits, hidden, *number_known(np.concatenate(draws)))


def fit_by_number(
    logits: Floats,
    targets: NDArray[np.int8],
    number: NDArray[np.integer],
    told: NDArray[np.bool_],
) -> tuple[Floats, Floats]:
    """Return slope and offset by number of known positives, each ``(NUMBERS,)``.

    A number that is too rare takes the pair of the next lower one, and without one (1, 0).

    Shape:
        - logits, targets (-1: unknown or revealed) ``(N, L)``, number, told (something is known)
          ``(N,)``
    """
    slope, offset = np.ones(NUMBERS), np.zeros(NUMBERS)
    for n in range(NUMBERS):
        rows = told & (number == n)
        x, t = logits[rows].reshape(-1, 1), targets[rows].reshape(-1, 1)
        if min((t == 1).sum(), (t == 0).sum()) >= ENOUGH:
            pair = fit_platt(x, t, strength=np.inf)  # one pair for all labels
            slope[n:], offset[n:] = pair.slope[0], pair.intercept[0]
    return slope, offset
