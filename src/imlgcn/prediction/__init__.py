"""Tags for many images: files, folders and patterns in, rows to a stream or a file out."""

from imlgcn.prediction.merging import merge_predictions
from imlgcn.prediction.paths import expand_paths
from imlgcn.prediction.results import ImageTags, Predictions, PredictSummary
from imlgcn.prediction.rows import Row
from imlgcn.prediction.run import predict, predict_rows

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
