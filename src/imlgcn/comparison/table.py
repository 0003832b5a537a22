"""The table of a comparison: one row for each entry, as CSV and Markdown.

Shapes: S seeds, N images, L labels.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from imlgcn.comparison.cells import Cell
from imlgcn.config import CONTROL
from imlgcn.evaluation import evaluate_split, fit_label_calibration
from imlgcn.metrics.f1 import predict_labels
from imlgcn.metrics.intervals import f1_differences
from imlgcn.metrics.protocol import paired_bootstrap
from imlgcn.metrics.verdict import Verdict, conclude
from imlgcn.numbers import MISSING, number, signed

ENTRIES_PER_SAMPLE = 5e7  # bootstrap samples x images x labels: a table of COCO takes minutes


@dataclass(frozen=True)
class Row:
    """The results of one entry; metrics in percent, mean over seeds, on the split scored."""

    entry: str
    mAP: float  # noqa: N815 - the field's name
    mAP_std: float  # noqa: N815 - over seeds
    difference: float | None  # to the control, in mAP points; None: the control itself
    low: float | None  # 95 % interval, paired bootstrap over images
    high: float | None
    cf1: float
    of1: float
    ece: float  # after calibration
    log_loss: float  # nats per image, summed over labels, after calibration
    parameters: int
    folded: int
    seconds: float  # of one training, median over seeds
    milliseconds: float  # per image, of the folded head alone
    chosen: str  # what the grid changed
    verdict: Verdict | None = None  # beside the control; None: the control itself


def make_row(
    entry: str,
    chosen: str,
    cells: Sequence[Cell],
    control: Sequence[Cell],
    targets: tuple[NDArray[np.int8], NDArray[np.int8]],
    names: tuple[str, ...],
    *,
    split: str,
) -> Row:
    """Evaluate the cells of one entry, one per seed; ``targets`` are those of val and test.

    Calibration and thresholds are fitted on validation.
    """
    val_targets, wanted = targets if split == "test" else (targets[0], targets[0])
    evaluated = [
        evaluate_split(scores(c, split), wanted, names, fit_label_calibration(c.val, val_targets))
        for c in cells
    ]
    maps = [found["mAP"] for found in evaluated]
    difference: tuple[float, float, float] | tuple[None, None, None] = (None, None, None)
    verdict = None
    if cells is not control:
        difference = paired_bootstrap(
            np.stack([scores(cell, split) for cell in cells]),
            np.stack([scores(cell, split) for cell in control]),
            wanted,
            samples=int(np.clip(ENTRIES_PER_SAMPLE / wanted.size / len(cells), 100, 1000)),
        )
        f1 = f1_differences(
            _predicted(cells, val_targets, split), _predicted(control, val_targets, split), wanted
        )
        verdict = conclude(
            difference[1:],
            [(low, high) for _, low, high in f1.values()],
            images=len(wanted),
            positives=int((wanted == 1).sum()),
        )

    def mean(metric: str) -> float:
        return float(np.mean([found[metric] for found in evaluated]))

    return Row(
        entry=entry,
        mAP=float(np.mean(maps)),
        mAP_std=float(np.std(maps)),
        difference=difference[0],
        low=difference[1],
        high=difference[2],
        cf1=mean("CF1"),
        of1=mean("OF1"),
        ece=mean("ECE"),
        log_loss=mean("log_loss"),
        parameters=cells[0].stored,
        folded=cells[0].folded,
        seconds=float(np.median([cell.seconds for cell in cells])),
        milliseconds=float(np.median([cell.milliseconds for cell in cells])),
        chosen=chosen,
        verdict=verdict,
    )


def _predicted(
    cells: Sequence[Cell], val_targets: NDArray[np.int8], split: str
) -> NDArray[np.bool_]:
    """Return the tags of each seed (S, N, L), thresholds fitted on validation."""
    found = []
    for cell in cells:
        fitted = fit_label_calibration(cell.val, val_targets)
        probabilities = fitted.platt.apply(scores(cell, split))
        found.append(predict_labels(probabilities, np.array(fitted.threshold)))
    return np.stack(found)


def scores(cell: Cell, split: str) -> NDArray[np.float32]:
    """Return the logits (N, L) of a split."""
    return cell.test if split == "test" else cell.val


def as_csv(rows: Sequence[Row]) -> str:
    """Return all numbers, unrounded."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(asdict(rows[0])), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue()


def as_markdown(rows: Sequence[Row]) -> str:
    """Return the table as Markdown."""
    lines = [
        f"| head | mAP | difference to {CONTROL} (95 % interval) | CF1 | OF1 | ECE | log-loss | "
        "parameters | folded | training s | ms per image | chosen |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row.entry} | {number(row.mAP)} ± {number(row.mAP_std)} | {difference(row)} | "
            f"{number(row.cf1)} | {number(row.of1)} | {number(row.ece, 2)} | "
            f"{number(row.log_loss, 2)} | "
            f"{number(row.parameters, 0)} | {number(row.folded, 0)} | "
            f"{number(row.seconds)} | {number(row.milliseconds, 3)} | {row.chosen} |"
        )
    return "\n".join(lines) + "\n"


def difference(row: Row) -> str:
    """Return the difference to the control with its interval, a dash for the control."""
    if row.difference is None:
        return MISSING
    return f"{signed(row.difference)} ({signed(row.low)} to {signed(row.high)})"
