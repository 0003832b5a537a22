r"""Labels learnt from what people say of images, one image after another; each may be corrected.

New labels are learnt as :mod:`imlgcn.growing.add` learns them, once enough images show them. Labels
that a kernel head was trained with are solved anew on its images and those that people labelled:

.. math:: A = (K + \lambda I)^{-1} (T - \bar T)

the formula of :class:`imlgcn.models.heads.kernel.KernelHead`, with its own vectors, m, gamma and
lambda. Labels of which nobody says anything new keep their scores to the last bit.

Shapes: N images the head was fitted on, Q images that were added, L labels of the tagger with the
new ones, C channels, K labels that are solved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from imlgcn.errors import InputError
from imlgcn.growing.add import usual_share, with_learnt
from imlgcn.growing.alone import alone
from imlgcn.growing.edit import checked_name
from imlgcn.growing.examples import DecodedFile, Known, features_of, ground_of
from imlgcn.growing.exports import finish
from imlgcn.growing.history import changes
from imlgcn.growing.learn import Learnt, learn
from imlgcn.growing.picking import pick_labels
from imlgcn.growing.pool import NewLabel, Pool, gather, was_added
from imlgcn.growing.state import State, read_state
from imlgcn.growing.widen import widen
from imlgcn.models.kernel_regression import squared_distances
from imlgcn.models.new_label.formula import Formula, Weights
from imlgcn.models.new_label.practice import Expectation
from imlgcn.progress import SILENT, Progress
from imlgcn.tagger import Tagger

WHAT = "learn from annotations"  # one change, however many images: undo takes back all of them
ENOUGH = 3  # images that show a label which the tagger does not know
MOST = 8000  # images that are solved for: some ten seconds on two cores
SAME = 1e-4  # squared distance below which two vectors are of one image: halves of precision differ
OTHER_HEAD = "only labels of a kernel head learn so; train with these images to correct the others"
TOO_MANY = f"beyond {MOST:,} images it takes too long; train with these images to correct them"
MERGED = "labels that were merged do not learn"

Answers = Mapping[str, Mapping[str, int]]  # image -> label -> 1 present, 0 absent, -1 not known


@dataclass(frozen=True)
class Taught:
    """What came of the answers.

    Attributes:
        learnt: labels whose scores have changed, new ones included.
        added: those of them that the tagger did not have.
        gone: labels that were taken out, because no image shows them any longer.
        waiting: new labels that too few images show yet, with their number.
        fixed: labels that cannot be learnt so, with the reason.
    """

    learnt: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    waiting: Mapping[str, int] | None = None
    fixed: Mapping[str, str] | None = None


class _Said(NamedTuple):
    """The images with all that is said of them, and the labels of which something new is said."""

    pool: Pool
    changed: list[str]


@alone
def learn_answers(
    tagger: str | Path,
    answers: Answers,
    decoded: Mapping[str, DecodedFile],
    *,
    progress: Progress = SILENT,
) -> tuple[Tagger, Taught]:
    """Have a tagger learn what people say of images; what they said before is replaced.

    Args:
        tagger: a tagger folder; files exported into it are written and proved anew.
        answers: all that is said of each image, by the image's name. A label that is left out stays
            as it was said before; -1 takes that back.
        decoded: the images that the tagger has not learnt from yet, by name.
        progress: told what is done.

    Returns:
        The tagger, and what came of the answers.

    Raises:
        InputError: a tagger that keeps no features of its images, or an image that is neither known
            nor decoded; nothing is changed.
    """
    state = read_state(tagger)
    if state.support is None or state.support.features is None:
        raise InputError(
            "the tagger keeps no features of its images (keep_support=False), and learning from "
            "annotations needs them"
        )
    counts = _counts(state, answers)
    fresh = [name for name, count in counts.items() if count >= ENOUGH]
    waiting = {name: count for name, count in counts.items() if count < ENOUGH}
    said = _gathered(state, answers, decoded, fresh, progress)
    fixed = {name: why for name in said.changed if (why := _refusal(state, said.pool, name))}
    known = ground_of(state)
    assert known is not None
    learnt, gone = _learnt(state, known, said, fixed)
    added = tuple(name for name in fresh if name not in state.info.labels)
    names = tuple(one.name for one in learnt)
    if not learnt and not gone:
        return Tagger.load(state.path), Taught(waiting=waiting, fixed=fixed)
    paths = [Path(name) for name in said.pool.images if name in decoded]
    files = {Path(name): file for name, file in decoded.items()}
    wider = widen(state, learnt, said.pool, known) if learnt else state
    wider = _without(with_learnt(wider, paths, files), gone)
    earlier = changes(state.path)
    is_first = not earlier or earlier[-1].what != WHAT
    changed = finish(wider, WHAT, progress, keep=is_first)
    return changed, Taught(names, added, tuple(gone), waiting, fixed)


def _counts(state: State, answers: Answers) -> dict[str, int]:
    """Return how many images show each label that the tagger does not have."""
    shown = [name for values in answers.values() for name, value in values.items() if value == 1]
    return {name: n for name, n in sorted(Counter(shown).items()) if name not in state.info.labels}


def _gathered(
    state: State,
    answers: Answers,
    decoded: Mapping[str, DecodedFile],
    fresh: Sequence[str],
    progress: Progress,
) -> _Said:
    assert state.support is not None
    there = set(state.support.images[state.fitted :])
    new = [name for name in answers if name not in there]
    if missing := [name for name in new if name not in decoded]:
        raise InputError(f"the image {missing[0]!r} is neither known nor decoded")
    paths = [Path(name) for name in new]
    features = features_of(state, paths, progress, {Path(name): decoded[name] for name in new})
    labels = [NewLabel(checked_name(name)) for name in fresh]
    pool = gather(state, labels, paths, features, {}, dict(zip(paths, new, strict=True)))
    before, targets = pool.targets, pool.targets.copy()
    row = {name: place for place, name in enumerate(pool.images)}
    column = {name: place for place, name in enumerate(pool.labels)}
    for image, values in answers.items():
        for label, value in values.items():
            if label in column:
                targets[row[image], column[label]] = value
    changed = [pool.labels[at] for at in np.flatnonzero((targets != before).any(0))]
    return _Said(replace(pool, targets=targets), changed)


def _refusal(state: State, pool: Pool, name: str) -> str:
    """Return why a label cannot be learnt; nothing where it can."""
    if name not in state.info.labels:
        return ""
    if len(state.growth.outputs[state.place(name)]) > 1:
        return MERGED
    if was_added(state, name):
        return ""
    if state.head.num_solvable != state.fitted:
        return OTHER_HEAD
    return TOO_MANY if state.fitted + len(pool.images) > MOST else ""


def _learnt(
    state: State, known: Known, said: _Said, fixed: Mapping[str, str]
) -> tuple[list[Learnt], list[str]]:
    """Return what is learnt, and the labels that no image shows any longer."""
    names = [name for name in said.changed if name not in fixed]
    trained = [n for n in names if n in state.info.labels and not was_added(state, n)]
    added = [name for name in names if name not in trained]
    pool, same = said.pool, _same_images(state, said.pool)
    columns = [pool.labels.index(name) for name in added]
    answers = pool.answers.copy()
    for fitted, row in same:  # what is said of an image holds for its copy among the negatives
        values = pool.targets[row, columns]
        answers[fitted, columns] = np.where(values >= 0, values, answers[fitted, columns])
    pool = replace(pool, answers=answers)
    shows = (pool.targets == 1).any(0) | (pool.answers == 1).any(0)
    gone = [name for name, at in zip(added, columns, strict=True) if not shows[at]]
    added = [name for name in added if name not in gone]
    found = learn(known.ground, known, pool, added, usual_share(state)) if added else []
    return [*found, *(_solved(state, pool, trained, same) if trained else ())], gone


def _solved(
    state: State, pool: Pool, names: Sequence[str], same: Sequence[tuple[int, int]]
) -> list[Learnt]:
    """Return labels of the head, solved on its images and those that were added."""
    calibration = state.info.calibration
    columns = [pool.labels.index(name) for name in names]
    answers = pool.answers[:, columns]  # (N, K)
    targets = pool.targets[:, columns]  # (Q, K)
    for fitted, row in same:  # an image that the head was fitted on: what is said last counts
        answers[fitted] = np.where(targets[row] >= 0, -1, answers[fitted])
    every = np.concatenate([answers, targets])
    found = state.head.solve_beside(pool.vectors, torch.from_numpy(every))
    N, nothing = state.fitted, torch.zeros(pool.pooled.shape[1], dtype=torch.float64)
    learnt = []
    for k, name in enumerate(names):
        at, weights = state.place(name), found.weights[:, k]
        formula = Formula(nothing, weights[:N], weights[N:], float(found.mean[k]), nothing[:0])
        slope, intercept = calibration.slope[at], calibration.intercept[at]
        threshold = calibration.threshold[at]
        usual = Expectation(0, 0, Weights(1.0, 0.0, 0.0, 0.0), slope, intercept, threshold, None)
        images, rows = int((every[:, k] == 1).sum()), np.arange(len(pool.images))
        learnt.append(Learnt(name, images, rows, formula, usual, slope, intercept, trained=True))
    return learnt


def _same_images(state: State, pool: Pool) -> list[tuple[int, int]]:
    """Return pairs of an image that the head was fitted on and the same one among those added."""
    vectors: NDArray[np.float32] = pool.pooled
    if state.support is None or state.support.features is None or not len(vectors):
        return []
    fitted = _units(state.support.features[: state.fitted].astype(np.float32))
    distances = squared_distances(torch.from_numpy(fitted), torch.from_numpy(_units(vectors)))
    pairs: list[tuple[int, int]] = (distances < SAME).nonzero().tolist()
    return [(fitted_row, row) for fitted_row, row in pairs]


def _units(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12), np.float32)


def _without(state: State, gone: Sequence[str]) -> State:
    """Return the state without some labels."""
    if not gone:
        return state
    left = [at for at, name in enumerate(state.info.labels) if name not in gone]
    names = [state.info.labels[at] for at in left]
    table = state.table
    for name in gone:
        table = table.without(name)
    return replace(pick_labels(state, names, [[at] for at in left]), table=table)
