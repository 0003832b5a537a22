"""The thresholds of a tagger at any operating point.

Shapes: L labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imlgcn.errors import InputError, unknown_name
from imlgcn.tagger.opened import OpenedTagger

if TYPE_CHECKING:
    from imlgcn.metrics.thresholds import ThresholdFit

Threshold = str | float | Mapping[str, str | float]


class TaggerWithThresholds(OpenedTagger):
    """An opened tagger with its own thresholds, and those of other operating points."""

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """Thresholds on calibrated probabilities (L,): of the label table, else fitted ones."""
        return self.label_table.thresholds(np.array(self.info.calibration.threshold))

    def thresholds_for(self, operating_point: Threshold | None) -> NDArray[np.float64]:
        """Return thresholds (L,) for an operating point, None for the tagger's own.

        ``f1``, ``f1-macro``, ``f1-micro``, ``precision=0.9``, ``recall=0.9`` or a number. Any but
        the stored one is fitted on the scores in ``predictions.parquet`` that calibration was
        fitted on: out-of-fold, or of validation. A threshold of the label table stays. A dictionary
        has one of these for each label that it names: ``{"sea": 0.3, "dog": "recall=0.9"}``; the
        others keep the tagger's own.

        Raises:
            InputError: no such operating point or label, or no scores to fit thresholds on.
        """
        if not isinstance(operating_point, Mapping):
            return self.label_table.thresholds(self._fitted_thresholds(operating_point))
        limits = self.thresholds
        for label, point in operating_point.items():
            if label not in self.labels:
                raise unknown_name("label", label, self.labels)
            index = self.labels.index(label)
            limits[index] = self._fitted_thresholds(point)[index]
        return limits

    def _fitted_thresholds(self, operating_point: str | float | None) -> NDArray[np.float64]:
        if operating_point is None or operating_point == self.info.calibration.operating_point:
            return np.array(self.info.calibration.threshold)
        from imlgcn.metrics.thresholds import parse_operating_point

        point = parse_operating_point(operating_point)
        if point.kind == "fixed":
            return np.full(len(self.labels), point.value)
        if self.info.origin or self.path.is_file():
            kind = "exported file" if self.path.is_file() else "imported checkpoint"
            raise InputError(
                f"an {kind} has no held-out scores to fit thresholds on; give a number, such as "
                "threshold=0.5"
            )
        return self._threshold_fit.thresholds(point)

    @cached_property
    def _threshold_fit(self) -> ThresholdFit:
        from imlgcn.metrics.thresholds import ThresholdFit

        scored = self.folder.scores.fitted()
        return ThresholdFit(scored.probabilities, scored.targets, folds=scored.folds)
