"""A tagger with new labels: its scores, counts and images, wider by these.

Shapes: N images the head was fitted on, M of them that the formulas use, Q images that were added,
H labels of the head, A added ones, L labels of the tagger with the new ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imlgcn.growing.counts import widened_counts
from imlgcn.growing.examples import Known
from imlgcn.growing.learn import Learnt
from imlgcn.growing.pool import Pool
from imlgcn.growing.state import State
from imlgcn.labels.context import LabelContext
from imlgcn.metrics.calibration import sigmoid
from imlgcn.models.grown import AddedLabels
from imlgcn.models.kernel_scorer import KernelScorer
from imlgcn.tagger.info import AddedLabel, TaggerInfo
from imlgcn.tagger.scores import ScoredSplit
from imlgcn.tagger.support import Support, half_precision

VALUES = ("slope", "intercept", "threshold", "positives")  # of a label's calibration
FRESH = 1_000_000_000  # groups of added images are numbered from here: each is alone


def widen(state: State, learnt: Sequence[Learnt], pool: Pool, known: Known | None) -> State:
    """Return the state with labels added, or learnt anew where they were there."""
    places = _places(state, pool, learnt)  # of A
    added = AddedLabels(_state(state, learnt, places, pool, known))
    info = _info(state, learnt, places, pool)
    splits = tuple(_split(state, part, learnt, pool, known) for part in state.splits)
    table = state.table
    for name in pool.labels[len(state.info.labels) :]:
        table = table.with_label(name)
    return replace(
        state,
        info=info,
        added=added,
        splits=splits,
        context=_context(state, pool),
        support=_support(state, pool),
        table=table,
    )


def _places(state: State, pool: Pool, learnt: Sequence[Learnt]) -> list[int]:
    """Return which of the added scores each is: an earlier one that it replaces, or a new one."""
    growth, places = state.growth, []
    count = len(growth.added)
    for one in learnt:
        at = pool.labels.index(one.name)
        place = growth.outputs[at][0] - len(growth.head_labels) if at < len(growth.outputs) else -1
        if place < 0:
            place, count = count, count + 1
        places.append(place)
    return places


def _state(
    state: State,
    learnt: Sequence[Learnt],
    places: Sequence[int],
    pool: Pool,
    known: Known | None,
) -> dict[str, Tensor]:
    """Return the state of `AddedLabels`: earlier labels as they are, beside these."""
    head, old = state.head, state.added
    kernel = isinstance(head, KernelScorer)
    A = max(len(state.growth.added), max(places) + 1)
    C = pool.pooled.shape[1]
    rows = torch.zeros(0, pool.vectors.shape[1], dtype=torch.float16)
    if known is not None and not kernel:
        rows = known.ground.kernel_units.half()
    M = len(head.support) if isinstance(head, KernelScorer) else len(rows)
    Q = len(pool.images) if known is not None else 0
    linear, weights = torch.zeros(C, A), torch.zeros(M, A)
    new, offset = torch.zeros(Q, A), torch.zeros(A)
    rate = torch.tensor(1.0 if known is None else known.ground.rate, dtype=torch.float32)
    if old is not None:
        before = len(old.offset)
        linear[:, :before], offset[:before] = old.linear, old.offset
        weights[: len(old.old), :before] = old.old
        new[: len(old.new), :before] = old.new
    for place, one in zip(places, learnt, strict=True):
        linear[:, place], offset[place] = one.formula.linear.float(), one.formula.offset
        if known is not None:
            whole = one.trained or not kernel
            chosen = torch.arange(M) if whole else torch.from_numpy(known.rows)
            weights[:, place], new[:, place] = 0, 0
            weights[chosen, place] = one.formula.old.float()
            new[torch.from_numpy(one.rows), place] = one.formula.new.float()
    return {
        "linear": linear,
        "old": weights,
        "new": new,
        "rows": rows,
        "new_rows": pool.vectors[:Q].half(),
        "offset": offset,
        "rate": rate,
    }


def _info(state: State, learnt: Sequence[Learnt], places: Sequence[int], pool: Pool) -> TaggerInfo:
    growth, calibration = state.growth, state.info.calibration
    H = len(growth.head_labels)
    facts = {name: list(getattr(calibration, name)) for name in VALUES}
    slope, intercept = list(growth.slope), list(growth.intercept)
    added, outputs = list(growth.added), [list(scores) for scores in growth.outputs]
    for place, one in zip(places, learnt, strict=True):
        fact = AddedLabel(
            name=one.name,
            images=one.images,
            AP=list(one.expectation.AP or ()),
            trials=one.expectation.trials,
            kernel=one.expectation.weights.kernel,
            probe_only=one.expectation.weights.lda == 0 and not one.trained,
            trained=one.trained,
        )
        at = pool.labels.index(one.name)
        positives = calibration.positives[at] if one.trained else one.images
        values = (one.slope, one.intercept, one.expectation.threshold, positives)
        if at >= len(outputs):
            outputs.append([])
            for name in VALUES:
                facts[name].append(0)
        if place >= len(added):
            added.append(fact)
            slope.append(one.slope)
            intercept.append(one.intercept)
        outputs[at] = [H + place]  # of labels that were merged, too: it has learnt from all images
        added[place], slope[H + place], intercept[H + place] = fact, one.slope, one.intercept
        for name, value in zip(VALUES, values, strict=True):
            facts[name][at] = value
    grown = growth.model_copy(
        update={"added": added, "outputs": outputs, "slope": slope, "intercept": intercept}
    )
    return state.info.model_copy(
        update={
            "labels": list(pool.labels),
            "growth": grown,
            "calibration": calibration.model_copy(update=facts),
        }
    )


def _split(
    state: State, part: ScoredSplit, learnt: Sequence[Learnt], pool: Pool, known: Known | None
) -> ScoredSplit:
    """Return stored scores with columns for the new labels.

    Of an image that a formula has used, the score without it; of any other nothing is known here:
    the mean score, with an unknown target.
    """
    N, L = part.logits.shape[0], len(pool.labels)
    logits = np.zeros((N, L), np.float32)
    logits[:, : part.logits.shape[1]] = part.logits
    targets = np.full((N, L), -1, np.int8)
    targets[:, : part.targets.shape[1]] = part.targets
    probabilities = np.zeros((N, L))
    probabilities[:, : part.probabilities.shape[1]] = part.probabilities
    control = None
    if part.control is not None:
        control = np.zeros((N, L), np.float32)
        control[:, : part.control.shape[1]] = part.control
    used = {}
    if known is not None and state.support is not None:
        used = {state.support.images[row]: place for place, row in enumerate(known.rows.tolist())}
    pairs = [(row, used[name]) for row, name in enumerate(part.images) if name in used]
    here, there = np.array(pairs, np.int64).reshape(-1, 2).T
    for one in learnt:
        if one.trained:  # the scores of the training stay what they were
            continue
        at = pool.labels.index(one.name)
        held = one.formula.held_out.numpy()
        logits[:, at] = held.mean()
        logits[here, at] = held[there]
        if known is not None:
            targets[here, at] = pool.answers[known.rows[there], at]
        probabilities[:, at] = sigmoid(one.slope * logits[:, at] + one.intercept)
    return replace(
        part, logits=logits, targets=targets, probabilities=probabilities, control=control
    )


def _context(state: State, pool: Pool) -> LabelContext:
    """Return the counts with those of the new labels, over the images where they are known.

    Where nobody has said what else these images show, a new label is related to no other.
    """
    added = [_is_added(state, pool, at) for at in range(len(pool.labels))]
    targets = np.concatenate([pool.targets, pool.answers])
    return widened_counts(state.context, pool.labels, np.flatnonzero(added), targets)


def _is_added(state: State, pool: Pool, at: int) -> bool:
    return at >= len(state.growth.outputs) or state.growth.is_added(at)


def _support(state: State, pool: Pool) -> Support | None:
    """Return the images of the tagger, those that were added at the end."""
    old = state.support
    if old is None or old.features is None:
        return old
    N, Q = state.fitted, len(pool.images)
    groups = None
    if old.groups is not None:
        groups = np.concatenate([old.groups[:N], FRESH + np.arange(Q)])
    folds = None if old.folds is None else np.concatenate([old.folds[:N], np.full(Q, -1)])
    return replace(
        old,
        labels=pool.labels,
        images=(*old.images[:N], *pool.images),
        targets=np.concatenate([pool.answers, pool.targets]),
        features=_joined(old.features[:N], pool.pooled),
        stages=None if old.stages is None else _joined(old.stages[:N], pool.stages),
        groups=groups,
        folds=folds,
    )


def _joined(old: NDArray[np.float16], new: NDArray[np.float32]) -> NDArray[np.float16]:
    return np.concatenate([old, half_precision(new)])
