"""The results in words: no claim beyond the numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from imlgcn.config import CONTROL
from imlgcn.numbers import number, plural, signed


def verdict(metrics: Mapping[str, Any], *, trained: bool = True, imported: bool = False) -> str:
    """Return what the comparison with the control shows, and what it does not.

    ``trained``: the metrics are those of the training, not of an evaluation later on. ``imported``:
    the tagger is a published checkpoint.
    """
    control, difference = metrics.get("control"), metrics.get("difference_to_control")
    if not control and imported:
        return (
            "This tagger is imported: no control was trained beside it, so there is no comparison."
        )
    if not control and not trained:
        return (
            "The control was not scored on these images, so there is no comparison here; the "
            "report of the training compares the two."
        )
    if not control:
        if metrics.get("head") == CONTROL:
            return (
                f"This tagger is a {CONTROL} head: the baseline that other heads are compared "
                "with. No other head was trained in this run, so there is no comparison here."
            )
        return "No control was trained beside this tagger, so there is no comparison."
    if not difference or not _all_finite(difference):
        return (
            "The difference to the control has no interval here, so this report does not say "
            "which of the two is better."
        )
    mean, low, high = (difference[key] for key in ("mAP", "low", "high"))
    images = plural(int(metrics["num_images"]), "image")
    # one decimal, unless it would print a bound beside zero as zero
    digits = 1 if min(abs(low), abs(high)) >= 0.05 else 2
    opening = f"{number(abs(mean))} points {'above' if mean > 0 else 'below'} the control"
    if number(mean) == "0.0":
        opening = "Level with the control"
    interval = (
        f"the 95 % interval of the difference, {signed(low, digits)} to {signed(high, digits)},"
    )
    if low > 0 or high < 0:
        more = "higher" if low > 0 else "lower"
        return (
            f"{opening}; {interval} does not include zero. In this run the tagger scores "
            f"{more} than its control, by more than the sampling of these {images} explains."
        )
    return (
        f"{opening}; {interval} includes zero: these {images} do not show that either of the "
        "two is better."
    )


def caution(metrics: Mapping[str, Any], *, trained: bool = True) -> str | None:
    """Return a caution where the images were used for thresholds and calibration."""
    split = metrics.get("split")
    if not trained and split in ("train", "val", "all"):
        return (
            "If these images were used to train this tagger, all numbers are better than they "
            "would "
            "be on new images."
        )
    if split != "val":
        return None
    return (
        "The data has no test split. All numbers are from the validation images, on which "
        "calibration and thresholds were fitted (and, when fine-tuning, the epoch was chosen): "
        "expect F1 and calibration to be worse on new images."
    )


def _all_finite(difference: Mapping[str, Any]) -> bool:
    values = [difference.get(key) for key in ("mAP", "low", "high")]
    return all(isinstance(value, int | float) and math.isfinite(value) for value in values)
