r"""Average precision under named protocols; the published ones do not agree, so each has a name.

.. math:: AP_l = \frac{1}{P} \sum_{i:\,t_{il} = 1} precision(s_{il})

with ``precision(s)`` the fraction of positives among the images scored at least ``s``. References:
scikit-learn's ``average_precision_score`` for tied scores; for the interpolated curves the PASCAL
VOC development kit, http://host.robots.ox.ac.uk/pascal/VOC/.

Letters: N images, L labels, P positives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imlgcn.errors import unknown_name
from imlgcn.metrics.blocks import columns, row_blocks
from imlgcn.metrics.inputs import Floats, check_inputs


@dataclass(frozen=True)
class Protocol:
    """One definition of average precision."""

    summary: str
    # together: the result does not depend on the order of the images
    ties: Literal["together", "stable"] = "together"
    curve: Literal["points", "envelope", "eleven"] = "points"
    # a label without a positive has no average precision; some codes count it as 0 in the mean
    empty: Literal["left_out", "zero"] = "left_out"


PROTOCOLS: dict[str, Protocol] = {
    "default": Protocol("mean precision at the positives; tied scores are counted together"),
    "sklearn": Protocol("as default, but a label without positives counts as 0", empty="zero"),
    "rank": Protocol("as default, but images are counted one by one, stably sorted", ties="stable"),
    "voc07": Protocol("mean of the best precision at 11 recalls", curve="eleven"),
    "voc12": Protocol("area under the monotone precision envelope", curve="envelope"),
}


def average_precision(
    scores: ArrayLike, targets: ArrayLike, protocol: str = "default"
) -> NDArray[np.float64]:
    """Return the average precision of each label as a fraction.

    Unknown entries (-1) are left out for their label. A label without a positive is NaN
    (0 under ``sklearn``).

    Shape:
        - scores, targets ``(N, L)``, output ``(L,)``

    >>> average_precision([[0.9], [0.8], [0.7], [0.6]], [[1], [0], [-1], [1]]).round(3)
    array([0.833])
    """
    rules = get_protocol(protocol)
    scores, targets = check_inputs(scores, targets)
    pairs = zip(columns(scores), columns(targets), strict=True)
    return np.array([_label_precision(s, t, rules) for s, t in pairs], dtype=np.float64)  # (L,)


def mean_average_precision(
    scores: ArrayLike, targets: ArrayLike, protocol: str = "default"
) -> tuple[float, list[int]]:
    """Return the mean over the labels that have a value, and the indices of those left out.

    >>> mean_average_precision([[0.9, 0.1], [0.8, 0.2]], [[0, 0], [1, 0]])
    (0.5, [1])
    """
    return mean_over_labels(average_precision(scores, targets, protocol))


def mean_over_labels(values: NDArray[np.float64]) -> tuple[float, list[int]]:
    """Return the mean of the values ``(L,)`` that are not NaN, and the indices of those that are.

    >>> mean_over_labels(np.array([0.5, np.nan, 1.0]))
    (0.75, [1])
    """
    left_out = np.isnan(values)
    mean = float("nan") if left_out.all() else float(values[~left_out].mean())
    return mean, np.flatnonzero(left_out).tolist()


def micro_average_precision(
    scores: ArrayLike, targets: ArrayLike, protocol: str = "default"
) -> float:
    """Return the average precision of all known entries, ranked together, as a fraction."""
    scores, targets = check_inputs(scores, targets)
    blocks = list(row_blocks(scores.shape))
    rules = get_protocol(protocol)
    if len(blocks) == 1 or rules.ties == "stable":
        return float(average_precision(scores.reshape(-1, 1), targets.reshape(-1, 1), protocol)[0])
    found = np.sort(np.concatenate([scores[rows][targets[rows] == 1] for rows in blocks]))  # (P,)
    retrieved = np.zeros(len(found), np.intp)
    for rows in blocks:
        known = np.sort(scores[rows][targets[rows] >= 0])
        retrieved += len(known) - np.searchsorted(known, found, side="left")
    true_positives = len(found) - np.searchsorted(found, found, side="left")
    return _mean_precision(true_positives[::-1], retrieved[::-1], rules)


def get_protocol(name: str) -> Protocol:
    """Return the protocol of that name; InputError suggests the nearest spelling."""
    if name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]


def _label_precision(scores: Floats, targets: NDArray[np.int8], rules: Protocol) -> float:
    known = targets >= 0
    if not known.all():
        scores, targets = scores[known], targets[known]
    return _mean_precision(*_at_positives(scores, targets == 1, rules.ties), rules)


def _mean_precision(
    true_positives: NDArray[np.intp], retrieved: NDArray[np.intp], rules: Protocol
) -> float:
    """Return the average precision of counts at each positive ``(P,)``, of falling score."""
    if not len(true_positives):
        return 0.0 if rules.empty == "zero" else float("nan")
    precision = true_positives / retrieved
    if rules.curve != "points":  # the best precision at this recall or a higher one
        precision = np.maximum.accumulate(precision[::-1])[::-1]
    if rules.curve == "eleven":
        # recall >= r/10 in whole numbers: 3/10 >= 0.3 must not depend on rounding
        recalls = np.arange(11) * len(true_positives)
        precision = precision[np.searchsorted(10 * true_positives, recalls)]
    return float(precision.mean())


def _at_positives(
    scores: Floats, positive: NDArray[np.bool_], ties: str
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return true positives and retrieved images at each positive, in order of falling score."""
    if ties == "stable":
        order = np.argsort(-scores, kind="stable")
        retrieved = np.flatnonzero(positive[order]) + 1
        return np.arange(1, len(retrieved) + 1), retrieved
    found = np.sort(scores[positive])
    true_positives = len(found) - np.searchsorted(found, found, side="left")
    retrieved = len(scores) - np.searchsorted(np.sort(scores), found, side="left")
    return true_positives[::-1], retrieved[::-1]
