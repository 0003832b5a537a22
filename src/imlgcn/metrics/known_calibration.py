"""Probabilities after an update by known labels: slopes and offsets by how many are known.

:mod:`imlgcn.metrics.known_labels` says why, and fits them. Letters: N images, L labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imlgcn.metrics.calibration import sigmoid

Floats = NDArray[np.float64]
Known = NDArray[np.int8]

NUMBERS = 4  # of known positives that are told apart: 0, 1, 2, 3 or more


@dataclass(frozen=True, eq=False)
class KnownCalibration:
    """Slope and offset of updated logits by the number of known positives, each ``(NUMBERS,)``."""

    slope: Floats
    offset: Floats

    def logits(self, logits: Floats, known: Known) -> Floats:
        """Return calibrated logits ``(N, L)`` of logits as `KnownLabels.update` returns them.

        Those of an image of which nothing is known are unchanged.

        Shape:
            - logits, known (1, 0, -1) ``(N, L)``
        """
        number, told = number_known(known)
        slope = np.where(told, self.slope[number], 1.0)[:, None]  # (N, 1)
        offset = np.where(told, self.offset[number], 0.0)[:, None]
        return np.asarray(slope * logits + offset)

    def apply(self, logits: Floats, known: Known) -> Floats:
        """Return probabilities ``(N, L)``: the sigmoid of :meth:`logits`."""
        return sigmoid(self.logits(logits, known))


def number_known(known: Known) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the number of known positives of each image, 0 to 3, and whether anything is known.

    Shape:
        - known (1, 0, -1) ``(N, L)``, outputs ``(N,)``
    """
    number = np.minimum((known == 1).sum(axis=1), NUMBERS - 1)
    return np.asarray(number, np.int64), np.asarray((known >= 0).any(axis=1))
