"""All metrics of one evaluation under a named protocol, and the interval of a difference in mAP.

Letters: N images, L labels. Metrics are in percent, log-loss is in nats per image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imlgcn.errors import InputError
from imlgcn.metrics.calibration import (
    classwise_calibration_error,
    expected_calibration_error,
    log_loss_per_image,
)
from imlgcn.metrics.f1 import F1Scores, thresholded_f1
from imlgcn.metrics.inputs import check_inputs
from imlgcn.metrics.intervals import interval, resampled_map
from imlgcn.metrics.papers import PUBLISHED, PublishedScores, check_protocol, score_published
from imlgcn.metrics.ranking import (
    average_precision,
    get_protocol,
    mean_average_precision,
    mean_over_labels,
    micro_average_precision,
)
from imlgcn.progress import SILENT, Progress

DEFAULT = get_protocol("default")
AT_ONCE = 50  # resamples: bounded memory, and a bar that moves
F1_KEYS = ("CP", "CR", "CF1", "OP", "OR", "OF1", "CF1_per_label")


def evaluate_scores(
    probabilities: ArrayLike,
    targets: ArrayLike,
    names: Sequence[str],
    *,
    thresholds: ArrayLike | None = None,
    protocol: str = "default",
) -> dict[str, Any]:
    """Return every metric as plain numbers ready for JSON; ``None`` where one is undefined.

    Under ``top3`` a label is predicted when it is among the image's three highest *and* reaches its
    threshold, as in published top-3 results. ``left_out`` lists the labels without an average
    precision.

    Under a published protocol (``ml_gcn``, ``asl``, ...) the metrics are those of the paper's code
    (:func:`evaluate_published`): pass raw probabilities, not calibrated ones, and no thresholds.

    Shape:
        - probabilities, targets ``(N, L)``, thresholds ``()`` or ``(L,)``, 0.5 if not given
    """
    check_protocol(protocol)
    probabilities, targets = check_inputs(probabilities, targets)
    if len(names) != targets.shape[1]:
        raise InputError(
            f"expected one label name per column of scores; got {len(names)} names for "
            f"{targets.shape[1]} columns"
        )
    if protocol in PUBLISHED:
        if thresholds is not None:
            raise InputError(f"protocol {protocol!r} has its own threshold: give no thresholds")
        return evaluate_published(probabilities, targets, names, protocol)
    thresholds = 0.5 if thresholds is None else thresholds
    per_label = average_precision(probabilities, targets, protocol)  # (L,)
    mean, left_out = mean_over_labels(per_label)
    scores = thresholded_f1(probabilities, targets, thresholds)
    top3 = thresholded_f1(probabilities, targets, thresholds, top_k=3)
    return {
        "protocol": protocol,
        "num_images": len(targets),
        "mAP": _percent(mean),
        "micro_AP": _percent(micro_average_precision(probabilities, targets, protocol)),
        **_f1_percent(scores),
        "top3": _f1_percent(top3),
        "left_out": [names[i] for i in left_out],
        **_calibration(probabilities, targets),
        "per_label": _per_label(names, per_label, scores, thresholds),
    }


def evaluate_uncalibrated(probabilities: ArrayLike, targets: ArrayLike) -> dict[str, float | None]:
    """Return the metrics that calibration and thresholds can change, at a threshold of 0.5.

    Average precision is not among them: calibration keeps the ranking of each label.

    Shape:
        - probabilities, targets ``(N, L)``
    """
    probabilities, targets = check_inputs(probabilities, targets)
    scores = thresholded_f1(probabilities, targets, 0.5)
    f1 = {key: _percent(getattr(scores, key)) for key in ("OF1", "CF1", "CF1_per_label")}
    return {**_calibration(probabilities, targets), **f1}


def evaluate_published(
    probabilities: ArrayLike, targets: ArrayLike, names: Sequence[str], protocol: str
) -> dict[str, Any]:
    """Return what a paper's code prints for raw probabilities, in percent, ready for JSON.

    Labels without a known target are left out first (``not_judged``). ``empty_labels`` have no
    positive; if there are any, ``without_empty_labels`` holds the same metrics for the others.
    ``undefined`` says which metrics the paper's code divides by zero for, and why.

    Shape:
        - probabilities, targets ``(N, L)``
    """
    probabilities, targets = check_inputs(probabilities, targets)
    rules = PUBLISHED[protocol]
    known = np.asarray((targets >= 0).any(axis=0))  # (L,)
    if not known.any():
        raise InputError("no label has a known target (1 or 0): nothing can be evaluated")
    probabilities, targets = probabilities[:, known], targets[:, known]
    kept = [name for name, has_targets in zip(names, known, strict=True) if has_targets]
    scores = score_published(probabilities, targets, protocol)
    table = _paper_terms(scores)
    filled = np.asarray((targets == 1).any(axis=0))
    empty = [name for name, positive in zip(kept, filled, strict=True) if not positive]
    others = None
    if empty and filled.any():
        others = _paper_terms(
            score_published(probabilities[:, filled], targets[:, filled], protocol)
        )
    return {
        "protocol": protocol,
        "paper": rules.paper,
        "source": rules.source,
        "f1_in_code": rules.f1_in_code,
        "threshold": f"raw probability {'>' if rules.strict else '>='} {rules.threshold:g}",
        "num_images": len(targets),
        **table,
        "undefined": _undefined(table, empty),
        "empty_labels": empty,
        "without_empty_labels": others,
        "not_judged": [name for name in names if name not in kept],
        "per_label": _per_label(kept, scores.average_precision, scores.counts, rules.threshold),
    }


def _paper_terms(scores: PublishedScores) -> dict[str, Any]:
    def percent(values: dict[str, float]) -> dict[str, float | None]:
        return {key: _percent(value) for key, value in values.items()}

    return {
        "mAP": _percent(scores.mean_average_precision),
        **percent(scores.six),
        "top3": None if scores.top3 is None else percent(scores.top3),
        **percent(scores.per_image or {}),
    }


def _undefined(table: dict[str, Any], empty: Sequence[str]) -> list[str]:
    """Return a sentence that names the undefined metrics, and why; empty if all are defined."""
    top3 = {f"top-3 {key}": value for key, value in (table["top3"] or {}).items()}
    missing = [key for key, value in {**table, **top3}.items() if value is None and key != "top3"]
    if not missing:
        return []
    why = f"no positive image for {', '.join(empty)}" if empty else "no label is predicted anywhere"
    return [f"{', '.join(missing)}: divided by zero in the paper's definition, {why}"]


def paired_bootstrap(
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    targets: ArrayLike,
    *,
    protocol: str = "default",
    samples: int = 1000,
    seed: int = 0,
    progress: Progress = SILENT,
) -> tuple[float, float, float]:
    """Return mAP of ``a`` minus mAP of ``b`` in points, with its 95 % bootstrap interval.

    With a leading axis of S seeds, it is the difference of the means over the seeds.

    Both are evaluated on the same resampled images, so the difficulty of the images cancels. The
    interval covers the choice of test images, not of the training seed.

    Shape:
        - scores_a, scores_b ``(N, L)`` or ``(S, N, L)``, targets ``(N, L)``
    """
    rules = get_protocol(protocol)
    runs_a = [check_inputs(run, targets) for run in _runs(scores_a)]
    runs_b = [check_inputs(run, targets) for run in _runs(scores_b)]
    targets = runs_a[0][1]
    generator = np.random.default_rng(seed)

    def difference(rows: NDArray[np.intp] | slice) -> float:
        a, b = (
            np.mean(
                [mean_average_precision(run[rows], known[rows], protocol)[0] for run, known in runs]
            )
            for runs in (runs_a, runs_b)
        )
        return 100 * float(a - b)

    def by_weights(rows: list[NDArray[np.intp]]) -> NDArray[np.float64]:
        drawn = np.array([np.bincount(r, minlength=len(targets)) for r in rows], np.float32)
        a, b = (
            np.mean([resampled_map(run, known, drawn) for run, known in runs], axis=0)
            for runs in (runs_a, runs_b)
        )
        return np.asarray(100 * (a - b))

    draws = (generator.integers(0, len(targets), len(targets)) for _ in range(samples))
    found: list[float] = []
    with progress.bar("bootstrap", samples, "samples") as advance:
        while part := list(islice(draws, AT_ONCE)):
            found += by_weights(part).tolist() if rules == DEFAULT else map(difference, part)
            advance(len(part))
    return difference(slice(None)), *interval(np.array(found))


def _runs(scores: ArrayLike) -> NDArray[Any]:
    runs = np.asarray(scores)
    return runs if runs.ndim == 3 else runs[None]


def _per_label(
    names: Sequence[str], values: NDArray[np.float64], scores: F1Scores, thresholds: ArrayLike
) -> dict[str, dict[str, float | int | None]]:
    limits = np.broadcast_to(np.asarray(thresholds, dtype=np.float64), values.shape)
    return {
        name: {
            "AP": _percent(values[i]),
            "positives": int(scores.positives[i]),
            "threshold": float(limits[i]),
            "precision": _percent(scores.precision[i]),
            "recall": _percent(scores.recall[i]),
            "F1": _percent(scores.f1[i]),
        }
        for i, name in enumerate(names)
    }


def _calibration(probabilities: ArrayLike, targets: ArrayLike) -> dict[str, float | None]:
    return {
        "ECE": _percent(expected_calibration_error(probabilities, targets)),
        "classwise_ECE": _percent(classwise_calibration_error(probabilities, targets)),
        "log_loss": _number(log_loss_per_image(probabilities, targets)),
    }


def _f1_percent(scores: F1Scores) -> dict[str, float | None]:
    return {key: _percent(getattr(scores, key)) for key in F1_KEYS}


def _percent(fraction: float) -> float | None:
    return _number(100 * float(fraction))


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
