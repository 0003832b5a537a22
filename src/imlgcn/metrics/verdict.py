"""Which of two taggers is better, or that these images do not say: the one rule for the word.

A verdict takes :data:`IMAGES` images with :data:`POSITIVES` present labels, and follows the 95 %
intervals of the paired differences: of mAP, and of the F1s that stand beside it. With fewer images
an interval may leave zero out by luck, and near duplicates count as if they were several.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

Interval = tuple[float, float]

IMAGES = 50  # of one label each, an interval of mAP is wrong about twice as often as it says below
POSITIVES = 30
F1_KEYS = ("OF1", "CF1_per_label")
NEEDED = f"a verdict takes {IMAGES} images with {POSITIVES} present labels"


class Verdict(StrEnum):
    """What a comparison shows, in the words that are printed."""

    BETTER = "better"
    WORSE = "worse"
    MIXED = "mixed, mAP and F1 disagree"
    HIGHER_F1 = "no measurable difference in mAP, higher F1"
    LOWER_F1 = "no measurable difference in mAP, lower F1"
    EQUAL = "no measurable difference"
    FEW = "too few images for a verdict"


def direction(low: float, high: float) -> int:
    """Return 1 for an interval above zero, -1 for one below, 0 for one that zero is in.

    >>> direction(0.1, 2.0), direction(-2.0, 0.0), direction(-3.0, -1.0)
    (1, 0, -1)
    """
    return int(low > 0) - int(high < 0)


def enough(images: int, positives: int) -> bool:
    """Return whether so many images, with so many present labels, may support a verdict."""
    return images >= IMAGES and positives >= POSITIVES


def conclude(
    difference: Interval, f1: Sequence[Interval] = (), *, images: int, positives: int
) -> Verdict:
    """Return what the differences to another tagger show.

    Args:
        difference: the 95 % interval of the paired difference in mAP.
        f1: those of F1s.
        images, positives: images of the comparison, and present labels on them.

    >>> conclude((0.6, 3.4), images=400, positives=900).value
    'better'
    >>> conclude((0.6, 3.4), images=6, positives=9).value
    'too few images for a verdict'
    >>> conclude((0.6, 3.4), [(-5.0, -1.0)], images=400, positives=900).value
    'mixed, mAP and F1 disagree'
    """
    if not enough(images, positives):
        return Verdict.FEW
    ranking = direction(*difference)
    seen = {ranking, *(direction(*each) for each in f1)} - {0}
    if len(seen) == 2:
        return Verdict.MIXED
    if not seen:
        return Verdict.EQUAL
    if ranking:
        return Verdict.BETTER if ranking > 0 else Verdict.WORSE
    return Verdict.HIGHER_F1 if seen == {1} else Verdict.LOWER_F1


def verdict_of(metrics: Mapping[str, Any]) -> Verdict | None:
    """Return what metrics say of a tagger beside its control; None: they do not compare the two.

    ``metrics`` is the content of ``metrics.json``; one without intervals of F1 is an older one.
    """
    found = metrics.get("difference_to_control") or {}
    interval = _finite(found.get("low"), found.get("high"))
    if interval is None or _finite(found.get("mAP")) is None:
        return None
    f1 = (_finite(*(found.get(key) or (None,))[1:]) for key in F1_KEYS)
    labels = (metrics.get("per_label") or {}).values()
    return conclude(
        interval,  # type: ignore[arg-type]
        [each for each in f1 if each],  # type: ignore[misc]
        images=int(metrics.get("num_images") or 0),
        positives=sum(int(label.get("positives") or 0) for label in labels),
    )


def _finite(*values: object) -> tuple[float, ...] | None:
    if not values or not all(isinstance(v, int | float) and math.isfinite(v) for v in values):
        return None
    return tuple(float(value) for value in values)  # type: ignore[arg-type]
