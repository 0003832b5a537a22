"""The results in words: no claim beyond the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from imlgcn.config import CONTROL
from imlgcn.metrics.verdict import NEEDED, Verdict, direction, verdict_of
from imlgcn.numbers import number, plural, signed
from imlgcn.tagger.scores_sample import OUT_OF_FOLD

FOLDS = 5
LEARNT_SPLITS = ("train", "val", "all")  # whose images a tagger may have learnt

FEW_IMAGES = 100  # below, a single image moves mAP by points


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
        if metrics.get("head") == CONTROL and metrics.get("tried"):
            return (
                f"This tagger is the {CONTROL} head, the baseline that other heads are compared "
                "with: it was chosen among those under “What was tried”."
            )
        if metrics.get("head") == CONTROL:
            return (
                f"This tagger is a {CONTROL} head: the baseline that other heads are compared "
                "with. No other head was trained in this run, so there is no comparison here."
            )
        return "No control was trained beside this tagger, so there is no comparison."
    shown = verdict_of(metrics)
    if not difference or shown is None:
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
    includes = "does not include" if direction(low, high) else "includes"
    return f"{opening}; {interval} {includes} zero{_conclusion(shown, images)}"


def _conclusion(shown: Verdict, images: str) -> str:
    """Return the end of the sentence."""
    if shown == Verdict.FEW:
        return f". These are too few images to say which of the two is better: {NEEDED}."
    if shown == Verdict.MIXED:
        return (
            f". But the F1s point both ways or the other way by more than the sampling of these "
            f"{images} explains: neither of the two is better throughout."
        )
    if shown == Verdict.EQUAL:
        return f": these {images} do not show that either of the two is better."
    more = "higher" if shown in (Verdict.BETTER, Verdict.HIGHER_F1) else "lower"
    if shown in (Verdict.BETTER, Verdict.WORSE):
        return (
            f". In this run the tagger scores {more} than its control, by more than the sampling "
            f"of these {images} explains."
        )
    return (
        f": these {images} do not show that either of the two ranks better. Its F1 is {more}, by "
        "more than their sampling explains."
    )


def choice(attempts: Sequence[Mapping[str, Any]]) -> str:
    """Return why the head was chosen among those that were tried, best first."""
    best, chosen = attempts[0], next(row for row in attempts if row["chosen"])
    opening = (
        f"Each head was scored on the same {FOLDS} folds, always on images that it had not learnt. "
    )
    if chosen is best:
        return (
            f"{opening}The {best['head']} head ranks best, with an mAP of {number(best['mAP'])}; "
            "no head that needs less work per image is within one standard error of it."
        )
    return (
        f"{opening}The {chosen['head']} head is {number(chosen['behind'])} points behind the "
        f"{best['head']} head, within one standard error ({number(chosen['error'])}), and needs "
        "less work per image: it was chosen."
    )


def _few(metrics: Mapping[str, Any]) -> str | None:
    """Return a caution where a test has few images; the out-of-fold number rests on more."""
    images = int(metrics.get("num_images", FEW_IMAGES))
    if images >= FEW_IMAGES:
        return None
    more = metrics.get("out_of_fold") or {}
    beside = ""
    if isinstance(more.get("mAP"), int | float) and more.get("num_images", 0) > images:
        beside = (
            f" Out of fold, over {plural(int(more['num_images']), 'image')}, mAP is "
            f"{number(more['mAP'])}: the more reliable number."
        )
    return f"Only {plural(images, 'test image')}: these numbers are uncertain.{beside}"


def caution(metrics: Mapping[str, Any], *, trained: bool = True) -> str | None:
    """Return a caution where images were used for thresholds and calibration, or are few."""
    split = metrics.get("split")
    learnt = metrics.get("out_of_fold_images", 0)
    if not trained and learnt:
        return (
            f"{plural(learnt, 'image')} of {number(metrics['num_images'], 0)} were learnt by this "
            "tagger: they keep their out-of-fold scores, of heads that had not learnt them."
        )
    if not trained and metrics.get("learnt_images"):
        return (
            f"{plural(metrics['learnt_images'], 'image')} of {number(metrics['num_images'], 0)} "
            "were in the training data of this tagger: all numbers are better than they would be "
            "on new images, and this is not a test."
        )
    if not trained and metrics.get("learnt_images") is None and split in LEARNT_SPLITS:
        return (
            "If these images were used to train this tagger, all numbers are better than they "
            "would "
            "be on new images."
        )
    if split == OUT_OF_FOLD:
        return (
            "The data has no test split. Each image was scored by a head that had not learnt it "
            "(out of fold), but calibration and thresholds were fitted on these scores: expect F1 "
            "and calibration to be slightly worse on new images."
        )
    if split != "val":
        return _few(metrics)
    return (
        "The data has no test split. All numbers are from the validation images, on which "
        "calibration and thresholds were fitted (and, when fine-tuning, the epoch was chosen): "
        "expect F1 and calibration to be worse on new images."
    )
