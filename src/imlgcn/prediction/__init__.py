"""Tags for many images: paths, folders and patterns in, rows on screen or in a file out."""

from imlgcn.prediction.paths import expand_paths
from imlgcn.prediction.rows import Row
from imlgcn.prediction.run import PredictSummary, predict, predict_rows

__all__ = ["PredictSummary", "Row", "expand_paths", "predict", "predict_rows"]
