"""The stages of :mod:`benchmarks.scale` that look at scores: the choice, calibration, metrics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.scale_stages import Data, Work
from imlgcn.training.extract import ImageFeatures


def choose(data: Data) -> Work:
    """The choice between two heads by their out-of-fold scores."""
    from imlgcn.training.choice import choose as choose_head

    none = np.zeros((data.N, 2, 1), np.float32)
    lesson = replace(data.lesson, features=ImageFeatures(data.dataset, none, {}))
    scores = {"linear": data.scores, "kernel": data.scores + data.scores[::-1] / 9}
    costs, seconds = dict.fromkeys(scores, 1), dict.fromkeys(scores, 1.0)
    return lambda: choose_head(scores, costs, seconds, lesson)


def calibrate(data: Data) -> Work:
    """Calibration and thresholds."""
    from imlgcn.evaluation import fit_label_calibration

    scores, targets, folds = data.scores, data.targets, data.folds
    return lambda: fit_label_calibration(scores, targets, folds=folds)


def known(data: Data) -> Work:
    """What known labels say, fitted."""
    from imlgcn.labels.known import PairCounts
    from imlgcn.metrics.known_labels import fit_known

    counts = PairCounts.from_context(data.context)
    scores, targets, folds = data.scores.astype(np.float64), data.targets, data.folds
    return lambda: fit_known(scores, targets, counts, folds)


def evaluate(data: Data) -> Work:
    """All metrics and their intervals."""
    from imlgcn.evaluation import evaluate_split
    from imlgcn.tagger import LabelCalibration

    ones = [1.0] * data.L
    calibration = LabelCalibration(
        slope=ones,
        intercept=[0.0] * data.L,
        threshold=[0.4] * data.L,
        positives=data.context.occurrences.tolist(),
    )
    scores, targets = data.scores, data.targets
    return lambda: evaluate_split(scores, targets, data.names, calibration)


def difference(data: Data) -> Work:
    """The difference to the control with its intervals."""
    from imlgcn.metrics.intervals import f1_differences, number_of_samples
    from imlgcn.metrics.protocol import paired_bootstrap

    a, targets = data.scores, data.targets
    b = a + a[::-1] / 9

    def work() -> None:
        paired_bootstrap(a, b, targets, samples=number_of_samples(targets))
        f1_differences(a > 0, b > 0, targets)

    return work


def audit(data: Data) -> Work:
    """What is doubtful about targets."""
    from imlgcn.auditing.doubts import find_doubts

    scores, targets, groups = data.scores, data.targets, np.arange(data.N)
    return lambda: find_doubts(scores, targets, groups)
