"""Thousands of labels in the page: a compact table that the page's script searches, sorts, pages.

Letters: L labels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from imlgcn import views
from imlgcn.labels.rules import partners
from imlgcn.numbers import number, percent, plural
from imlgcn.report.labels_table import FEW, LabelRow, calibration_errors, label_row
from imlgcn.report.run import RunFolder
from imlgcn.views.svg import inline_svg

MANY = 1_000  # labels above which the page does not hold a row for each
SHOWN = 50  # rows of one page, and without the script
PARTNERS = 3  # labels named with each label
# key of a label's metrics, decimals; as the columns of the table
COLUMNS = (
    ("AP", 1),
    ("positives", 0),
    ("threshold", 2),
    ("precision", 1),
    ("recall", 1),
    ("F1", 1),
)


class LabelIndex(NamedTuple):
    """All labels in a form for the script, the first rows without it, and how labels spread."""

    data: Markup  # JSON: names, columns, decimals, partners
    rows: list[LabelRow]  # the most frequent labels
    figure: Markup | None
    few: int


def label_index(run: RunFolder) -> LabelIndex | None:
    """Return the table of all labels; None where a row for each is not too much."""
    names = run.info.labels
    if len(names) <= MANY:
        return None
    per_label: Mapping[str, Mapping[str, Any]] = run.metrics.get("per_label") or {}
    values = [per_label.get(name, {}) for name in names]
    columns = {key: _column(values, key, digits) for key, digits in COLUMNS}
    if not run.paper:  # a paper's protocol has its own thresholds
        own = run.info.calibration.threshold
        columns["threshold"] = [
            round(t, 2) if found is None else found
            for t, found in zip(own, columns["threshold"], strict=True)
        ]
    errors = calibration_errors(run)
    columns["error"] = [None if error is None else round(error, 1) for error in errors]
    if not run.imported:
        columns["fitted"] = list(run.info.calibration.positives)
    content = {
        "names": list(names),
        "digits": [*(digits for _, digits in COLUMNS), 1, 0][: len(columns)],
        "columns": list(columns.values()),
        "partners": _partners(run),
    }
    frequency = np.array([count or 0 for count in columns["positives"]])
    first = np.argsort(-frequency, kind="stable")[:SHOWN]
    rows = [label_row(run, int(label), errors[label]) for label in first]
    return LabelIndex(_json(content), rows, _figure(columns), FEW)


def _column(values: Sequence[Mapping[str, Any]], key: str, digits: int) -> list[float | int | None]:
    found = [each.get(key) for each in values]
    return [
        None if value is None or value != value else round(value, digits) if digits else int(value)
        for value in found
    ]


def _partners(run: RunFolder) -> list[list[int]]:
    """Return for each label the labels that are most often with it and in how many percent."""
    if run.context is None or not run.context.num_images:
        return []
    best = partners(run.context, PARTNERS)
    found: list[list[int]] = [[] for _ in run.info.labels]
    percents = np.clip((100 * best.probabilities).round(), 0, 100).astype(int)
    for source, target, p in zip(best.sources, best.targets, percents, strict=True):
        if p:
            found[source] += [int(target), int(p)]
    return found


def _figure(columns: Mapping[str, Sequence[float | None]]) -> Markup | None:
    precision = np.array(columns["AP"], np.float64)
    positives = np.array(columns["positives"], np.float64)
    known = ~np.isnan(precision) & (positives > 0)
    if not known.any():
        return None
    precision, positives = precision[known], positives[known]
    low, middle, high = np.quantile(precision, (0.25, 0.5, 0.75))
    rare = float((positives < FEW).mean())
    description = (
        f"AP of {plural(int(known.sum()), 'label')}: half of them are between {number(low)} and "
        f"{number(high)} %, the median is {number(middle)} %. {percent(rare)} of the labels have "
        f"fewer than {FEW} images."
    )
    figure = views.distribution_figure(precision, positives.astype(np.int64))
    return inline_svg(figure, "distribution", description)


def _json(content: Mapping[str, Any]) -> Markup:
    """Return JSON that may stand in a script element, whatever the names hold."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))
