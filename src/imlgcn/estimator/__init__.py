"""A tagger as an estimator of scikit-learn: ``fit``, ``predict``, ``predict_proba``, ``score``."""

from imlgcn.estimator.classifier import TaggerClassifier

__all__ = ["TaggerClassifier"]
