"""Tags for many images: files, folders and patterns in, rows to a stream or a file out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imlgcn.prediction.merging import merge_predictions
    from imlgcn.prediction.paths import expand_paths
    from imlgcn.prediction.results import ImageTags, Predictions, PredictSummary
    from imlgcn.prediction.rows import Row
    from imlgcn.prediction.run import predict, predict_rows

# where each name lives; imported on first use, so that who needs one does not load them all
_HOMES = {
    "ImageTags": ".results",
    "PredictSummary": ".results",
    "Predictions": ".results",
    "Row": ".rows",
    "expand_paths": ".paths",
    "merge_predictions": ".merging",
    "predict": ".run",
    "predict_rows": ".run",
}

__all__ = [
    "ImageTags",
    "PredictSummary",
    "Predictions",
    "Row",
    "expand_paths",
    "merge_predictions",
    "predict",
    "predict_rows",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'imlgcn.prediction' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], "imlgcn.prediction"), name)
