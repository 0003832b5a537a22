"""All numbers of one evaluation under a named protocol, and the interval of a difference.

Letters: N images, L labels. What is printed is in percent; log-loss is in nats per image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imlgcn.config import InputError
from imlgcn.metrics.average_precision import (
    average_precision,
    get_protocol,
    mean_average_precision,
    micro_average_precision,
)
from imlgcn.metrics.calibration import (
    classwise_calibration_error,
    expected_calibration_error,
    log_loss_per_image,
)
from imlgcn.metrics.f1 import F1Scores, precision_recall_f1, predict_labels
from imlgcn.metrics.inputs import check_inputs
from imlgcn.progress import SILENT, Progress

F1_KEYS = ("CP", "CR", "CF1", "OP", "OR", "OF1", "CF1_per_label")


def evaluate_scores(
    probabilities: ArrayLike,
    targets: ArrayLike,
    names: Sequence[str],
    *,
    thresholds: ArrayLike = 0.5,
    protocol: str = "default",
) -> dict[str, Any]:
    """Return every metric as plain numbers ready for JSON; ``None`` where one is undefined.

    ``top3`` says a label when it is among the image's three highest *and* reaches its threshold, as
    the published top-3 numbers do. ``left_out`` names the labels without an average precision.

    Shape:
        - probabilities, targets ``(N, L)``, thresholds ``()`` or ``(L,)``
    """
    probabilities, targets = check_inputs(probabilities, targets)
    if len(names) != targets.shape[1]:
        raise InputError(f"{len(names)} label names came for {targets.shape[1]} columns of scores")
    mean, left_out = mean_average_precision(probabilities, targets, protocol)
    scores = precision_recall_f1(predict_labels(probabilities, thresholds), targets)
    top3 = precision_recall_f1(predict_labels(probabilities, thresholds, top_k=3), targets)
    return {
        "protocol": protocol,
        "num_images": len(targets),
        "mAP": _percent(mean),
        "micro_AP": _percent(micro_average_precision(probabilities, targets, protocol)),
        **_f1_percent(scores),
        "top3": _f1_percent(top3),
        "left_out": [names[i] for i in left_out],
        "ECE": _percent(expected_calibration_error(probabilities, targets)),
        "classwise_ECE": _percent(classwise_calibration_error(probabilities, targets)),
        "log_loss": _number(log_loss_per_image(probabilities, targets)),
        "per_label": _per_label(
            names, average_precision(probabilities, targets, protocol), scores, thresholds
        ),
    }


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
    """Return mAP of ``a`` minus ``b`` in points with its 95 % interval over resampled images.

    With a leading axis of S seeds, it is the difference of the means over the seeds.

    Both are measured on the same resampled images, so what makes images hard cancels. The interval
    covers the choice of test images, not of the training seed.

    Shape:
        - scores_a, scores_b ``(N, L)`` or ``(S, N, L)``, targets ``(N, L)``
    """
    get_protocol(protocol)
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

    differences = np.empty(samples)
    with progress.bar("bootstrap", samples, "samples") as advance:
        for i in range(samples):
            differences[i] = difference(generator.integers(0, len(targets), len(targets)))
            advance(1)
    low, high = np.nanquantile(differences, [0.025, 0.975])
    return difference(slice(None)), float(low), float(high)


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


def _f1_percent(scores: F1Scores) -> dict[str, float | None]:
    return {key: _percent(getattr(scores, key)) for key in F1_KEYS}


def _percent(fraction: float) -> float | None:
    return _number(100 * float(fraction))


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
