"""Metrics of scores: average precision, F1, calibration and thresholds, by named protocol."""

from imlgcn.metrics.calibration import (
    Calibration,
    classwise_calibration_error,
    expected_calibration_error,
    fit_platt,
    label_calibration_errors,
    log_loss_per_image,
)
from imlgcn.metrics.f1 import F1Scores, example_scores, precision_recall_f1, predict_labels
from imlgcn.metrics.papers import (
    PUBLISHED,
    PublishedProtocol,
    PublishedScores,
    raw_probabilities,
    score_published,
)
from imlgcn.metrics.protocol import (
    evaluate_published,
    evaluate_scores,
    evaluate_uncalibrated,
    paired_bootstrap,
)
from imlgcn.metrics.ranking import (
    PROTOCOLS,
    Protocol,
    average_precision,
    mean_average_precision,
    micro_average_precision,
)
from imlgcn.metrics.thresholds import OperatingPoint, fit_thresholds, parse_operating_point

__all__ = [
    "PROTOCOLS",
    "PUBLISHED",
    "Calibration",
    "F1Scores",
    "OperatingPoint",
    "Protocol",
    "PublishedProtocol",
    "PublishedScores",
    "average_precision",
    "classwise_calibration_error",
    "evaluate_published",
    "evaluate_scores",
    "evaluate_uncalibrated",
    "example_scores",
    "expected_calibration_error",
    "fit_platt",
    "fit_thresholds",
    "label_calibration_errors",
    "log_loss_per_image",
    "mean_average_precision",
    "micro_average_precision",
    "paired_bootstrap",
    "parse_operating_point",
    "precision_recall_f1",
    "predict_labels",
    "raw_probabilities",
    "score_published",
]
