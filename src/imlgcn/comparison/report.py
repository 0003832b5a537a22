"""``report.html`` of a comparison: table, figure, intervals, and a note on every head.

Letters: N images, L labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from imlgcn.comparison.cells import Cell
from imlgcn.comparison.figure import cost_figure
from imlgcn.comparison.table import Row, scores
from imlgcn.config import CONTROL
from imlgcn.files import write_atomic
from imlgcn.metrics.ranking import average_precision
from imlgcn.metrics.verdict import NEEDED, Verdict
from imlgcn.models import HEADS
from imlgcn.numbers import number, plural, signed
from imlgcn.report import render
from imlgcn.views.svg import inline_svg

NAME = "report.html"
ENOUGH = 10  # positives below which a label's difference is not named
NAMED = 3  # labels in a note


class LabelChange(NamedTuple):
    """A label whose AP differs from the control's, in points, mean over seeds."""

    label: str
    difference: str
    positives: int


class HeadNote(NamedTuple):
    """The note on one entry."""

    entry: str
    kind: str  # one line on the head
    options: str  # what differs from its preset; empty for none
    verdict: str
    chosen: str
    gains: list[LabelChange]
    losses: list[LabelChange]


def write_report(
    path: Path,
    rows: Sequence[Row],
    cells: Mapping[str, Sequence[Cell]],
    targets: NDArray[np.int8],
    names: Sequence[str],
    *,
    split: str,
    note: str,
    environment: str,
) -> None:
    """Write the page of a comparison to the file ``path``.

    Args:
        path: the file; one that is there is replaced.
        rows: of the table, the control among them.
        cells: entry -> one cell for each seed.
        targets: of the split that is reported, ``(N, L)``.
        names: L label names.
        split: what is reported.
        note: data, backbone and protocol in words.
        environment: Markdown lines on command, machine and versions.
    """
    precision = {entry: _label_precision(kept, targets, split) for entry, kept in cells.items()}
    positives = (targets == 1).sum(axis=0)
    notes = [
        _head_note(row, precision[row.entry] - precision[CONTROL], names, positives) for row in rows
    ]
    facts = [line.removeprefix("- ").partition(": ") for line in environment.splitlines()]
    parts = {
        "rows": rows,
        "control": CONTROL,
        "split": split,
        "name": path.resolve().parent.name,
        "note": note.replace("`", ""),  # it is Markdown
        "notes": notes,
        "enough": ENOUGH,
        "best": max(rows, key=lambda row: row.mAP),
        "figure": _figure(rows),
        "facts": [(key, value.strip("`")) for key, _, value in facts],
    }
    write_atomic(path, render("compare.html.j2", parts))


def verdict(row: Row) -> str:
    """Say what the interval of the difference to the control shows."""
    if row.difference is None or row.verdict is None:
        return "The control that every other head is measured against."
    interval = f"{signed(row.difference)} mAP points ({signed(row.low)} to {signed(row.high)})"
    if row.verdict in (Verdict.BETTER, Verdict.WORSE):
        return f"{interval}: {row.verdict} than the control on these images."
    if row.verdict == Verdict.FEW:
        return f"{interval}: {row.verdict}; {NEEDED}."
    return f"{interval}: {row.verdict}, beside the control on these images."


def _figure(rows: Sequence[Row]) -> Markup:
    best = max(rows, key=lambda row: row.mAP)
    better = sum(row.low is not None and row.low > 0 for row in rows)
    worse = sum(row.high is not None and row.high < 0 for row in rows)
    description = (
        f"mAP of {plural(len(rows), 'head')} with the interval of the difference to {CONTROL}, "
        "beside "
        f"their parameters. Highest: {best.entry} with {number(best.mAP)} %. Intervals above zero: "
        f"{better}, below: {worse}. The table below holds all numbers."
    )
    return inline_svg(cost_figure(rows), "comparison", description)


def _label_precision(
    cells: Sequence[Cell], targets: NDArray[np.int8], split: str
) -> NDArray[np.float64]:
    """Return the AP of each label (L,) in percent, mean over seeds."""
    found = [average_precision(scores(cell, split), targets) for cell in cells]
    return 100 * np.asarray(np.mean(found, axis=0))


def _head_note(
    row: Row, change: NDArray[np.float64], names: Sequence[str], positives: NDArray[np.int64]
) -> HeadNote:
    head, _, options = row.entry.partition(":")
    enough = np.flatnonzero(positives >= ENOUGH)
    order = enough[np.argsort(-change[enough], kind="stable")]

    def listed(labels: NDArray[np.intp], sign: int) -> list[LabelChange]:
        return [
            LabelChange(names[i], signed(change[i]), int(positives[i]))
            for i in labels[:NAMED]
            if sign * change[i] > 0
        ]

    return HeadNote(
        entry=row.entry,
        kind=(HEADS[head].__doc__ or "").splitlines()[0],
        options=options.replace(":", ", "),
        verdict=verdict(row),
        chosen=row.chosen,
        gains=listed(order, 1),
        losses=listed(order[::-1], -1),
    )
