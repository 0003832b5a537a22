"""Labels that new data do not have, kept in a training that starts from an older tagger.

The new images say nothing of such labels, and the old images are gone; but the older tagger has
kept their features. On a backbone that has not changed, kernel regression on these
(:mod:`imlgcn.models.kernel_regression`) scores the label beside the new head.

Shapes: N old images, C channels, V length of a kernel vector, K labels that are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imlgcn.evaluation import fit_label_calibration
from imlgcn.growing.examples import MOST, ground_of
from imlgcn.growing.learn import Learnt
from imlgcn.growing.pool import Pool
from imlgcn.growing.state import State, read_state, write_state
from imlgcn.growing.widen import widen
from imlgcn.labels.label_table import LabelTable
from imlgcn.models.image_space import RIDGE
from imlgcn.models.kernel_regression import solve, unit_roots
from imlgcn.models.kernel_scorer import KernelScorer
from imlgcn.models.new_label.formula import Formula, Weights
from imlgcn.models.new_label.ground import Ground
from imlgcn.models.new_label.practice import Expectation
from imlgcn.numbers import plural
from imlgcn.progress import Progress
from imlgcn.tagger import Tagger
from imlgcn.tagger.support import Support


def carry_labels(tagger: Tagger, start: Path, names: Sequence[str], progress: Progress) -> Tagger:
    """Return a new tagger with labels ``names`` of the one it started from, where that is possible.

    It is said which are kept, or why they are not.
    """
    state, old = read_state(tagger.path), read_state(start)
    known = ground_of(state)
    support = old.support
    why = _obstacle(state, old)
    if why or known is None or support is None:
        why = why or "the new tagger keeps no features"
        progress.say(
            f"start=: {', '.join(names)}: not kept, because {why}; to keep them, train on the old "
            "and the new data together"
        )
        return tagger
    rows = np.sort(np.random.default_rng(0).permutation(len(support.images))[:MOST])
    pool = _pool(state, support, rows, names)
    groups = np.arange(len(rows)) if support.groups is None else np.asarray(support.groups)[rows]
    learnt = _learn(known.ground, pool, names, torch.from_numpy(groups), state)
    progress.say(
        f"start=: {', '.join(names)}: kept, from the features of {plural(len(rows), 'image')} of "
        "the older tagger"
    )
    wider = widen(state, learnt, pool, known)
    theirs = {row.label: row for row in old.table.aligned(wider.table.labels).rows}
    table = [theirs[row.label] if row.label in names else row for row in wider.table.rows]
    return write_state(replace(wider, table=LabelTable.of(wider.table.labels, table)), None)


def _obstacle(state: State, old: State) -> str:
    """Return why labels cannot be kept; empty if they can."""
    if old.support is None or old.support.features is None:
        return "the older tagger keeps no features of its images"
    levels = state.head.feature_levels if isinstance(state.head, KernelScorer) else 1
    if levels > 1 and old.support.stages is None:
        return "the older tagger was written by a version that kept no features of stages"
    mine, theirs = (x.classifier.backbone.state_dict() for x in (state, old))
    same = mine.keys() == theirs.keys() and all(torch.equal(mine[k], theirs[k]) for k in mine)
    if not same or state.info.image != old.info.image:
        return "its backbone has changed, and with it what the features mean"
    return ""


def _pool(state: State, support: Support, rows: NDArray[np.int64], names: Sequence[str]) -> Pool:
    assert support.features is not None
    labels = (*state.info.labels, *names)
    targets = np.full((len(rows), len(labels)), -1, np.int8)
    for column, name in enumerate(labels):
        if name in support.labels:
            targets[:, column] = support.targets[rows, support.labels.index(name)]
    pooled = support.features[rows].astype(np.float32)
    fitted = state.support.targets if state.support is not None else np.zeros((0, 0), np.int8)
    return Pool(
        labels=labels,
        images=tuple(support.images[row] for row in rows),
        pooled=pooled,
        stages=_stages(state, support, rows),
        vectors=_vectors(state, support, rows),
        targets=targets,
        answers=np.pad(fitted, ((0, 0), (0, len(names))), constant_values=-1),
    )


def _stages(state: State, support: Support, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    if support.stages is not None:
        return support.stages[rows].astype(np.float32)
    kept = None if state.support is None else state.support.stages
    return np.zeros((len(rows), 0 if kept is None else kept.shape[1]), np.float32)


def _vectors(state: State, support: Support, rows: NDArray[np.int64]) -> Tensor:
    """Return what the new head's kernel takes of the old images ``(N, V)``."""
    assert support.features is not None
    deepest = torch.from_numpy(support.features[rows].astype(np.float64))
    head = state.head
    if not isinstance(head, KernelScorer):
        return unit_roots(deepest)
    before = len(head.stage_mean)
    levels: list[Tensor] = [deepest]
    if before:
        assert support.stages is not None
        stages = torch.from_numpy(support.stages[rows].astype(np.float64))[:, -before:]
        widths = state.classifier.backbone.channels(head.feature_levels, means=True)
        assert isinstance(widths, tuple)
        levels = [*torch.split(stages, list(widths[:-1]), 1), deepest]
    maps = tuple(level[:, :, None, None] for level in levels)
    with torch.no_grad():
        return head.vectors(maps if before else maps[0])


def _learn(
    ground: Ground, pool: Pool, names: Sequence[str], groups: Tensor, state: State
) -> list[Learnt]:
    """Return the formulas of labels by kernel regression on the old images alone."""
    columns = [pool.labels.index(name) for name in names]
    targets = torch.from_numpy(pool.targets[:, columns])
    kernel = ground.kernel_between(pool.vectors, pool.vectors)
    found = solve(kernel, targets, RIDGE, groups)
    held = found.held_out[0].nan_to_num(0.0).numpy().astype(np.float32)  # NaN: unknown
    calibration = fit_label_calibration(
        held, pool.targets[:, columns], state.info.calibration.operating_point
    )
    across = ground.kernel_between(ground.kernel_units, pool.vectors)
    everyone = np.arange(len(pool.images))
    M, C = len(ground.units), pool.pooled.shape[1]
    learnt = []
    for place, name in enumerate(names):
        weights, mean = found.weights[:, place], found.mean[place]
        formula = Formula(
            linear=torch.zeros(C, dtype=torch.float64),
            old=torch.zeros(M, dtype=torch.float64),
            new=weights,
            offset=float(mean),
            held_out=across @ weights + mean,
        )
        slope, intercept = calibration.slope[place], calibration.intercept[place]
        positives = int((pool.targets[:, columns[place]] == 1).sum())
        expected = Expectation(
            images=positives,
            trials=0,
            weights=Weights(kernel=1.0),
            slope=slope,
            intercept=intercept,
            threshold=calibration.threshold[place],
            AP=None,
        )
        learnt.append(Learnt(name, positives, everyone, formula, expected, slope, intercept))
    return learnt
