"""Metrics of scores: average precision, F1, calibration and thresholds, by named protocol."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

# where each name lives; imported on first use, so that who needs one does not load them all
_HOMES = {
    "Calibration": ".calibration",
    "F1Scores": ".f1",
    "OperatingPoint": ".thresholds",
    "PROTOCOLS": ".ranking",
    "PUBLISHED": ".papers",
    "Protocol": ".ranking",
    "PublishedProtocol": ".papers",
    "PublishedScores": ".papers",
    "average_precision": ".ranking",
    "classwise_calibration_error": ".calibration",
    "evaluate_published": ".protocol",
    "evaluate_scores": ".protocol",
    "evaluate_uncalibrated": ".protocol",
    "example_scores": ".f1",
    "expected_calibration_error": ".calibration",
    "fit_platt": ".calibration",
    "fit_thresholds": ".thresholds",
    "label_calibration_errors": ".calibration",
    "log_loss_per_image": ".calibration",
    "mean_average_precision": ".ranking",
    "micro_average_precision": ".ranking",
    "paired_bootstrap": ".protocol",
    "parse_operating_point": ".thresholds",
    "precision_recall_f1": ".f1",
    "predict_labels": ".f1",
    "raw_probabilities": ".papers",
    "score_published": ".papers",
}

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


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'imlgcn.metrics' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], "imlgcn.metrics"), name)
