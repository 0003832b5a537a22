"""`TaggerClassifier` on rows of numbers, each drawn as an image: what scikit-learn's checks need.

Its checks give a classifier tables of numbers. Here each number of a row is the grey of a stripe,
under noise that is the row's own, so that no two rows are near duplicates.
"""

from __future__ import annotations

import hashlib

import numpy as np
from sklearn.utils.validation import validate_data

from imlgcn import TaggerClassifier

SIDE = 32


class OnRows(TaggerClassifier):
    """Takes rows of so many finite numbers; everything else is inherited."""

    def fit(self, X, y):
        validate_data(self, X, dtype=None)  # n_features_in_, which images do not have
        return super().fit(X, y)

    def _images(self, X):
        return [drawn(row) for row in validate_data(self, X, reset=False, dtype=np.float64)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.one_d_array = tags.input_tags.string = False
        return tags


def drawn(row: np.ndarray) -> np.ndarray:
    """Return the image (32, 32, 3) of a row of numbers."""
    own = np.random.default_rng(list(hashlib.sha256(row.tobytes()).digest()))
    grey = 255 / (1 + np.exp(-np.clip(row, -8, 8) / 2))
    stripes = grey[np.arange(SIDE) * len(row) // SIDE]
    image = stripes[:, None, None] + own.normal(0, 25, (SIDE, SIDE, 3))
    return np.clip(image, 0, 255).astype(np.uint8)
