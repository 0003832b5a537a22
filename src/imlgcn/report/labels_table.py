"""The table per label: one row each, ready to print and to sort, with a small curve.

Letters: N images, L labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from imlgcn.metrics.calibration import label_calibration_errors
from imlgcn.numbers import number
from imlgcn.report.run import RunFolder
from imlgcn.tagger.scores import ScoredSplit
from imlgcn.views.curves import PrecisionRecall, precision_recall

FEW = 10  # held-out positives below which threshold and calibration are marked
MOST_CURVES = 1000  # labels; a curve takes up to 1 kB, and the page should stay under 5 MB
WIDTH, HEIGHT = 66, 26  # of a small curve


class Cell(NamedTuple):
    """The printed text and the sort key; None is always last."""

    text: str
    value: float | None


class LabelRow(NamedTuple):
    """One label in the evaluated split."""

    name: str
    curve: Markup
    average_precision: Cell
    positives: Cell
    threshold: Cell
    fitted_on: Cell  # held-out positives behind threshold and calibration; none if imported
    few: bool
    precision: Cell
    recall: Cell
    f1: Cell
    calibration_error: Cell


def label_rows(run: RunFolder) -> list[LabelRow]:
    """Return a row for each label of the tagger, highest average precision first."""
    errors = calibration_errors(run)
    rows = [label_row(run, index, error) for index, error in enumerate(errors)]
    return sorted(rows, key=lambda row: -_or_lowest(row.average_precision.value))


def label_row(run: RunFolder, index: int, error: float | None) -> LabelRow:
    """Return the row of one label; ``error`` is its calibration error in percent."""
    name = run.info.labels[index]
    values: Mapping[str, Any] = (run.metrics.get("per_label") or {}).get(name, {})
    fitted_on = None if run.imported else run.info.calibration.positives[index]
    # a paper's protocol has its own
    own = None if run.paper else run.info.calibration.threshold[index]
    return LabelRow(
        name=name,
        curve=_curve(run.scored, index, name, values),
        average_precision=_cell(values.get("AP")),
        positives=_cell(values.get("positives"), 0),
        threshold=_cell(values.get("threshold", own), 2),
        fitted_on=_cell(fitted_on, 0),
        few=fitted_on is not None and fitted_on < FEW,
        precision=_cell(values.get("precision")),
        recall=_cell(values.get("recall")),
        f1=_cell(values.get("F1")),
        calibration_error=_cell(error),
    )


def sparkline(curve: PrecisionRecall, dot: tuple[float, float] | None, description: str) -> Markup:
    """Draw precision (up) against recall (right), with a dot at (recall, precision)."""
    if not len(curve.recall):
        return Markup("")
    x = np.concatenate([[0.0], curve.recall]) * WIDTH
    y = (1 - np.concatenate([curve.precision[:1], curve.precision])) * HEIGHT
    path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))
    mark = ""
    if dot is not None:
        centre = f'cx="{dot[0] * WIDTH:.1f}" cy="{(1 - dot[1]) * HEIGHT:.1f}"'
        mark = f'<circle {centre} r="3"/>'
    return Markup(
        '<svg class="spark" viewBox="-3 -3 {} {}" role="img" aria-label="{}"><path d="{}"/>{}</svg>'
    ).format(WIDTH + 6, HEIGHT + 6, description, path, Markup(mark))


def _curve(scored: ScoredSplit | None, index: int, name: str, values: Mapping[str, Any]) -> Markup:
    if scored is None or len(scored.targets[0]) > MOST_CURVES:
        return Markup("")
    recall, precision = values.get("recall"), values.get("precision")
    dot = None if recall is None or precision is None else (recall / 100, precision / 100)
    return sparkline(
        precision_recall(scored.probabilities[:, index], scored.targets[:, index]),
        dot,
        _curve_in_words(name, values),
    )


def _curve_in_words(name: str, values: Mapping[str, Any]) -> str:
    """Return the text alternative of a small curve: its area, and its dot."""
    area, limit, p, r = (values.get(key) for key in ("AP", "threshold", "precision", "recall"))
    return (
        f"{name}: average precision {number(area)} %; at the threshold {number(limit, 2)} "
        f"precision {number(p)} % and recall {number(r)} %"
    )


def calibration_errors(run: RunFolder) -> list[float | None]:
    """Return the calibration error of each label in percent; None where it is not known."""
    if run.scored is None:
        return [None] * len(run.info.labels)
    errors = label_calibration_errors(run.scored.probabilities, run.scored.targets)
    return [None if np.isnan(error) else 100 * float(error) for error in errors]


def _cell(value: float | None, digits: int = 1) -> Cell:
    text = number(value, digits)
    return Cell(text, None if value is None else round(value, 6))


def _or_lowest(value: float | None) -> float:
    return -1.0 if value is None else value
