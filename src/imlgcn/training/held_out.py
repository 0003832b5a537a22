r"""Scores of images by heads that have not learnt them: what calibration and choices rest on.

Every image of train and val is learnt by the final head, and is also scored for calibration, by a
head fitted without it: without its fold, or without its group where the head has a formula for
that. Such scores are called *out-of-fold*. Stone, Cross-Validatory Choice and Assessment of
Statistical Predictions (1974).

A tuned backbone has learnt the training images by heart: a head on its features says nothing of new
images, whatever images the head has seen. Then only validation images are held out, and every fold
learns all training images.

Letters: N images, L labels, k folds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from imlgcn.data.folds import grouped_folds
from imlgcn.data.groups import find_groups
from imlgcn.errors import InputError
from imlgcn.models import Head
from imlgcn.progress import SILENT, Progress
from imlgcn.training.extract import ImageFeatures
from imlgcn.training.loop import score_features
from imlgcn.training.parallel import each

FOLDS = 5
ALWAYS_LEARNT = -1  # in place of a fold


@dataclass(frozen=True, eq=False)
class Lesson:
    """The images that a head learns, and in which parts they are held out.

    Attributes:
        features: of the N images.
        groups: ``(N,)``; near duplicates, and what the data groups, have one number.
        folds: ``(N,)`` from 0, or :data:`ALWAYS_LEARNT`; a group is in one fold.
    """

    features: ImageFeatures
    groups: NDArray[np.int64]
    folds: NDArray[np.int64]

    @property
    def targets(self) -> NDArray[np.int8]:
        """Targets ``(N, L)``."""
        return self.features.dataset.targets

    @property
    def held_out(self) -> NDArray[np.bool_]:
        """Which images are held out in some fold ``(N,)``."""
        return np.asarray(self.folds != ALWAYS_LEARNT)


def make_lesson(
    features: ImageFeatures,
    splits: tuple[str, ...],
    *,
    tuned: bool = False,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Lesson:
    """Return the images of ``splits`` as a lesson of :data:`FOLDS` folds, or of fewer groups.

    Args:
        features: of the whole data.
        splits: what is learnt.
        tuned: the backbone has learnt the training images: only those of val are held out.
        seed: of the folds.
        progress: receives a bar while near duplicates are looked for.
    """
    records = features.dataset.records
    part = features.select(np.flatnonzero([record.split in splits for record in records]))
    groups = find_groups(part.dataset, progress=progress)
    folds = np.full(len(groups), ALWAYS_LEARNT)
    of_val = np.array([record.split == "val" for record in part.dataset.records])
    rows = np.flatnonzero(of_val if tuned else np.ones(len(groups), bool))
    count = min(FOLDS, len(np.unique(groups[rows])))
    if count > 1:
        held = part.dataset.select(rows)
        folds[rows] = grouped_folds(held, count, seed, groups=groups[rows])
    return Lesson(part, groups, folds)


@dataclass(frozen=True, eq=False)
class Scored:
    """What fits of one head gave.

    Attributes:
        folds: ``(N, L)`` scores of the lesson's images without their fold; NaN if always learnt.
        unseen: name -> scores of other images, by the head fitted on all of the lesson.
        seconds: of all these fits.
        error: why it cannot be fitted on these images; None where it can.
    """

    folds: NDArray[np.float32]
    unseen: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    seconds: float = 0.0
    error: InputError | None = None


def out_of_fold(
    fits: Mapping[str, Callable[[ImageFeatures], Head]],
    lesson: Lesson,
    *,
    unseen: Mapping[str, ImageFeatures] | None = None,
    parallel: bool = False,
    progress: Progress = SILENT,
) -> dict[str, Scored]:
    """Return the scores of each image by heads fitted without its fold.

    A head that cannot be fitted on some fold has an ``error`` instead.

    Args:
        fits: name of a head -> a function that returns it fitted on the features it gets.
        lesson: what is learnt.
        unseen: other images, scored by each head fitted on the whole lesson; none by default.
        parallel: fit on all cores at once (:mod:`imlgcn.training.parallel`).
        progress: receives a bar.
    """
    folds: list[int | None] = [int(fold) for fold in np.unique(lesson.folds[lesson.held_out])]
    folds += [None] if unseen else []
    found = {name: Scored(np.full(lesson.targets.shape, np.nan, np.float32)) for name in fits}
    pieces = [(name, fold) for name in fits for fold in folds]
    tasks = [partial(_score, fits[name], lesson, fold, unseen or {}) for name, fold in pieces]
    with progress.bar(f"out of fold: {', '.join(fits)}", len(tasks), "fits") as advance:
        for index, (scores, seconds) in each(tasks, parallel=parallel):
            name, fold = pieces[index]
            before = found[name]
            if isinstance(scores, InputError):
                found[name] = replace(before, error=scores)
            elif fold is None:
                found[name] = replace(before, unseen=scores, seconds=before.seconds + seconds)
            else:
                before.folds[lesson.folds == fold] = scores[""]
                found[name] = replace(before, seconds=before.seconds + seconds)
            advance(1)
    return found


def _score(
    fit: Callable[[ImageFeatures], Head],
    lesson: Lesson,
    fold: int | None,
    unseen: Mapping[str, ImageFeatures],
) -> tuple[dict[str, NDArray[np.float32]] | InputError, float]:
    """Return the scores of a fold without it; for None, of ``unseen`` by a head fitted on all.

    An error of the input is returned as well.
    """
    began = time.perf_counter()
    learnt = lesson.features
    if fold is not None:
        learnt = learnt.select(np.flatnonzero(lesson.folds != fold))
        unseen = {"": lesson.features.select(np.flatnonzero(lesson.folds == fold))}
    try:
        head = fit(learnt)
    except InputError as error:
        return error, 0.0
    scores = {name: score_features(head, part.inputs(head)) for name, part in unseen.items()}
    return scores, time.perf_counter() - began


def exact_out_of_fold(
    head: Head, lesson: Lesson
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Return the scores of each image without its fold, and without its group, by a formula.

    NaN for images that are always learnt. The formula has no score where the target is unknown: the
    mean of the label's scores stands there, and counts nowhere. A head that has a formula for few
    groups only gives the scores without the fold twice. None: the head has no formula.
    """
    # an image that is always learnt is a group of its own, and its scores are not used
    alone = lesson.groups.max(initial=0) + 1 + np.arange(len(lesson.groups))
    folds, groups = (
        torch.from_numpy(np.where(lesson.held_out, each, alone))
        for each in (lesson.folds, lesson.groups)
    )
    given = lesson.features.inputs(head), torch.from_numpy(lesson.targets)
    found = head.held_out(*given, folds, groups)
    if found is None and (few := head.held_out(*given, folds)):  # a formula for few groups only
        found = few * 2
    if found is None:
        return None
    by_fold, by_group = (scores.numpy().copy() for scores in found)
    for scores in (by_fold, by_group):
        mean = np.nanmean(np.vstack([scores, np.zeros_like(scores[:1])]), axis=0)  # (L,)
        scores[:] = np.where(np.isnan(scores), mean, scores)
        scores[~lesson.held_out] = np.nan
    return by_fold, by_group
