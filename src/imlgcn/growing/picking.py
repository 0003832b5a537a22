"""The labels of a tagger made of those it has: some left out, renamed, or several as one.

Shapes: N images, L labels.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from imlgcn.evaluation import fit_label_calibration
from imlgcn.growing.counts import merged_counts
from imlgcn.growing.state import State
from imlgcn.labels.context import LabelContext
from imlgcn.tagger import LabelCalibration, TaggerInfo
from imlgcn.tagger.support import Support


def pick_labels(state: State, names: list[str], columns: list[list[int]]) -> State:
    """Return the state with labels made of the present ones: each the largest of ``columns``.

    One column: the label as it is. Several: a merged label, whose targets are present where one of
    them is, and which is calibrated anew.
    """
    growth = state.growth
    outputs = [sorted({o for c in group for o in growth.outputs[c]}) for group in columns]
    single = [len(scores) == 1 for scores in growth.outputs]  # of a merged label: calibrated
    first = [scores[0] for scores in growth.outputs]
    slope = np.where(single, np.array(growth.slope)[first], 1.0)
    intercept = np.where(single, np.array(growth.intercept)[first], 0.0)
    splits = tuple(
        replace(
            part,
            logits=_merge(part.logits, columns, slope, intercept),
            probabilities=np.stack([part.probabilities[:, g].max(1) for g in columns], 1),
            targets=merge_targets(part.targets, columns),
            control=None
            if part.control is None
            else np.stack([part.control[:, g].max(1) for g in columns], 1),
        )
        for part in state.splits
    )
    support = state.support
    if support is not None:
        targets = merge_targets(support.targets, columns)
        support = replace(support, labels=tuple(names), targets=targets)
    info = state.info.model_copy(
        update={
            "labels": names,
            "growth": growth.model_copy(update={"outputs": outputs}),
            "calibration": _calibration(state.info, columns),
        }
    )
    context = _context(state.context, names, columns, support, state.fitted)
    changed = replace(state, info=info, splits=splits, support=support, context=context)
    merged = [label for label, group in enumerate(columns) if len(group) > 1]
    return recalibrate(changed, merged) if merged else changed


def recalibrate(state: State, labels: list[int]) -> State:
    """Return the state with some labels calibrated on their stored scores, where there are any."""
    held = [part for part in state.splits if part.folds is not None]
    held = held or [part for part in state.splits if part.split == "val"]
    if not held:
        return state
    logits = np.concatenate([part.logits for part in held])
    targets = np.concatenate([part.targets for part in held])
    folds = [part.folds for part in held if part.folds is not None]
    old = state.info.calibration
    new = fit_label_calibration(
        logits[:, labels],
        targets[:, labels],
        old.operating_point,
        folds=np.concatenate(folds) if folds else None,
    )
    values = {
        name: _replaced(getattr(old, name), labels, getattr(new, name))
        for name in ("slope", "intercept", "threshold", "positives")
    }
    calibration = old.model_copy(update=values)
    splits = tuple(
        replace(part, probabilities=calibration.platt.apply(part.logits)) for part in state.splits
    )
    info = state.info.model_copy(update={"calibration": calibration})
    return replace(state, info=info, splits=splits)


def merge_targets(targets: NDArray[np.int8], columns: list[list[int]]) -> NDArray[np.int8]:
    """Return targets of merged labels: present where one is, absent where all are, else unknown.

    >>> merge_targets(np.array([[1, -1, 0], [0, -1, 0]], np.int8), [[0, 1], [2]]).tolist()
    [[1, 0], [-1, 0]]
    """
    found = []
    for group in columns:
        part = targets[:, group]
        absent = np.where((part == 0).all(1), 0, -1)
        found.append(np.where((part == 1).any(1), 1, absent))
    return np.stack(found, 1).astype(np.int8)


def _merge(
    logits: NDArray[np.float32],
    columns: list[list[int]],
    slope: NDArray[np.float64],
    intercept: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Return logits as `GrownHead` makes them: of a merged label the largest calibrated one."""
    alike = logits * slope + intercept
    rows = [logits[:, g[0]] if len(g) == 1 else alike[:, g].max(1) for g in columns]
    return np.stack(rows, 1).astype(np.float32)


def _calibration(info: TaggerInfo, columns: list[list[int]]) -> LabelCalibration:
    """Return the calibration of each label; of a merged one its score is calibrated already."""
    old = info.calibration
    single = [len(group) == 1 for group in columns]
    first = [group[0] for group in columns]
    return old.model_copy(
        update={
            "slope": [old.slope[c] if one else 1.0 for c, one in zip(first, single, strict=True)],
            "intercept": [
                old.intercept[c] if one else 0.0 for c, one in zip(first, single, strict=True)
            ],
            "threshold": [min(old.threshold[c] for c in group) for group in columns],
            "positives": [max(old.positives[c] for c in group) for group in columns],
        }
    )


def _context(
    old: LabelContext,
    names: list[str],
    columns: list[list[int]],
    support: Support | None,
    fitted: int,
) -> LabelContext:
    """Return the counts of the labels; of merged ones counted anew where targets are kept.

    Else they are the largest they can be: the sums, and at most what the label itself has.
    """
    if all(len(group) == 1 for group in columns):
        first = [group[0] for group in columns]
        return old.reordered([old.names[c] for c in first]).renamed(names)
    if support is not None:
        return LabelContext.from_targets(names, support.targets[:fitted])
    return merged_counts(old, names, columns)


def _replaced(values: list[float], places: list[int], new: list[float]) -> list[float]:
    found = list(values)
    for place, value in zip(places, new, strict=True):
        found[place] = value
    return found
