"""The method, start to finish: features, the head, its control, and scores of unlearnt images.

Shapes: N images, C channels, L labels.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from imlgcn.config import AUTO, CONTROL, InputError, TrainSettings
from imlgcn.labels.context import LabelContext
from imlgcn.models import HEADS, Backbone, Head, MultiLabelClassifier, create_head
from imlgcn.numbers import number, plural, signed
from imlgcn.progress import SILENT, Progress
from imlgcn.training.choice import Attempt, choose, count_multiply_adds
from imlgcn.training.extract import ImageFeatures
from imlgcn.training.held_out import (
    ALWAYS_LEARNT,
    Lesson,
    exact_out_of_fold,
    make_lesson,
    out_of_fold,
)
from imlgcn.training.loop import score_features
from imlgcn.training.run import Run, Scores, Trained, extract, with_maps
from imlgcn.training.stages import Log, describe_labels, train_head
from imlgcn.training.start import Start, continue_head, say_what_continues, take_over
from imlgcn.training.together import train_together, tune_with_linear


def train_method(
    run: Run,
    backbone: Backbone,
    dataset: Any,
    *,
    probe: Head | None = None,
    start: Start | None = None,
) -> Trained:
    """Train what ``run`` asks for and return the classifier with the scores it is judged by.

    On frozen features each head of ``run.heads`` is scored out of fold, one is chosen where there
    is a choice, and it learns the images of train and, with ``settings.refit``, of val. To
    fine-tune, a head that a formula fits, or the choice of one, follows the tuning of the backbone
    with the linear head; any other head is tuned with the backbone
    (:func:`imlgcn.training.together.train_together`).

    Args:
        run: settings and surroundings.
        backbone: pretrained; it is tuned in place.
        dataset: with the splits that the settings need.
        probe: what :func:`imlgcn.training.checks.check_settings` returned for the head, if one is
            named.
        start: the tagger to continue from.
    """
    with torch.random.fork_rng():
        torch.manual_seed(run.settings.seed)
        features = extract(run, backbone, dataset)
        tune = run.settings.fine_tune
        if tune and probe is not None and not probe.closed_form:
            return train_together(run, backbone, features, probe, start)
        failed = features.failed
        if tune:
            names, train = features.dataset.names, features.split("train")[0]
            context = LabelContext.from_targets(names, train.targets)
            _, features = tune_with_linear(run, backbone, context, features, start)
        if probe is not None and probe.pooling is None:
            features = with_maps(run, backbone, probe, features, use_cache=True)
        tuned = tune or (start is not None and start.tuned)
        return _train_heads(run, backbone, features, failed, start, tuned=tuned)


def _train_heads(
    run: Run,
    backbone: Backbone,
    features: ImageFeatures,
    failed: dict[str, str],
    start: Start | None,
    *,
    tuned: bool,
) -> Trained:
    """Train every head of the run on features that stay as they are."""
    choice = run.settings.head == AUTO
    lesson = _lesson(run, features, tuned=tuned)
    systems = {
        name: _System(run, settings, backbone, features.dataset.names)
        for name, settings in run.heads.items()
    }
    folds, held, seconds = {}, {}, {}
    if lesson.held_out.any():
        for name, system in systems.items():
            began = time.perf_counter()
            folds[name], held[name] = system.out_of_fold(lesson)
            seconds[name] = time.perf_counter() - began
    fitted = {}
    for name, system in systems.items():
        began = time.perf_counter()
        fitted[name] = system.fit(lesson.features, start=start, final=True, features=features)
        seconds[name] = seconds.get(name, 0) + time.perf_counter() - began
    attempts: tuple[Attempt, ...] = ()
    winner = next(reversed(systems))  # the control is first
    if choice:
        costs = {
            name: count_multiply_adds(each.head, lesson.features.inputs(each.head))
            for name, each in fitted.items()
        }
        attempts = choose(folds, costs, seconds, lesson)
        winner = next(each.head for each in attempts if each.chosen)
        _say_choice(attempts, run.progress)
    scores = {
        name: _scores(each.head, features, lesson, held.get(name) if run.settings.refit else None)
        for name, each in fitted.items()
    }
    best = fitted[winner]
    return Trained(
        classifier=MultiLabelClassifier(backbone, best.head),
        context=best.context,
        head=winner,
        options=run.heads[winner].head_options | best.head.fitted_options(),
        dataset=features.dataset,
        failed=failed,
        scores=scores[winner],
        control=None if winner == CONTROL else scores[CONTROL],
        lesson=lesson,
        folds=_by_split(lesson, lesson.folds) if run.settings.refit else {},
        attempts=attempts,
        tried=scores if choice else {},
    )


def _lesson(run: Run, features: ImageFeatures, *, tuned: bool) -> Lesson:
    """Return what the heads learn; images are held out of it where something is fitted on that."""
    settings, splits = run.settings, features.dataset.splits
    wanted = ("train", "val") if settings.refit else ("train",)
    learnt = tuple(name for name in wanted if name in splits)
    if settings.refit or settings.head == AUTO:
        lesson = make_lesson(
            features, learnt, tuned=tuned, seed=settings.seed, progress=run.progress
        )
        if lesson.held_out.any():
            return lesson
        raise InputError(
            f"{plural(len(lesson.groups), 'image')} to learn from, all near duplicates or of one "
            "group: nothing can be held out to calibrate on; give images of two groups at least"
        )
    train = features.split("train")[1]
    images = len(train.dataset)
    return Lesson(train, np.arange(images), np.full(images, ALWAYS_LEARNT))


@dataclass(frozen=True, eq=False)
class _Fitted:
    head: Head
    context: LabelContext


class _System:
    """A head with its settings; it can be fitted on any rows of the features."""

    def __init__(
        self, run: Run, settings: TrainSettings, backbone: Backbone, names: tuple[str, ...]
    ) -> None:
        self.run, self.settings, self.names = run, settings, names
        self.channels = backbone.channels(HEADS[settings.head].feature_levels)
        self._words: LabelContext | None = None

    def out_of_fold(self, lesson: Lesson) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return scores ``(N, L)`` without the fold, and those to calibrate on."""
        found = None
        if HEADS[self.settings.head].closed_form:
            head, _ = self._create(lesson.features, None)
            found = exact_out_of_fold(head, lesson)
        if found is None:
            stage = f"{self.settings.head} head, out of fold"
            fit = partial(self._fit_quietly, lesson)
            scores = out_of_fold(fit, lesson, progress=self.run.progress, stage=stage)
            found = scores, scores
        return found

    def fit(
        self,
        learnt: ImageFeatures,
        *,
        start: Start | None = None,
        final: bool = False,
        features: ImageFeatures | None = None,
    ) -> _Fitted:
        """Fit on ``learnt``; validation images of ``features`` that are not among them are watched.

        ``final``: say and log what happens.
        """
        head, context = self._create(learnt, start)
        run, name = self.run, self.settings.head
        progress = run.progress if final else SILENT
        if final and run.settings.head == name:
            for note in head.notes():
                progress.say(f"{name}: {note}")
        if start is not None:
            if name == CONTROL:
                take_over(head, start, self.names)
            elif not continue_head(head, start, self.names):
                say_what_continues(name, head, progress)
        val = None
        if features is not None and "val" in features.dataset.splits and not run.settings.refit:
            val = features.split("val")[1]
        log: Log = run.log if final else lambda row: None
        train_head(
            head,
            learnt,
            val,
            settings=self.settings.linear_training
            if name == CONTROL
            else self.settings.head_training,
            loss=self.settings.loss,
            seed=self.settings.seed,
            fabric=run.fabric,
            log=log,
            progress=progress,
            stage=f"{name} head",
        )
        return _Fitted(head, context)

    def _fit_quietly(self, lesson: Lesson, learnt: ImageFeatures) -> Head:
        return self.fit(learnt).head

    def _create(self, learnt: ImageFeatures, start: Start | None) -> tuple[Head, LabelContext]:
        """Return a new head, made for these rows; the same rows and seed give the same head."""
        options = self.settings.head_options
        context = LabelContext.from_targets(self.names, learnt.dataset.targets)
        context = describe_labels(
            context,
            options,
            learnt,
            self.settings,
            old=start.context if start is not None else None,
            words=self._words,
            progress=self.run.progress,
        )
        if options.get("embedding") == "words":
            self._words = context  # read once
        torch.manual_seed(self.settings.seed)
        return create_head(self.settings.head, self.channels, context, **options), context


def _scores(
    head: Head, features: ImageFeatures, lesson: Lesson, held: NDArray[np.float32] | None
) -> Scores:
    """Return the scores by split: out-of-fold of images that the head has learnt, else its own."""
    found: Scores = {}
    if held is not None:
        found = _by_split(lesson, held)
    for name in ("val", "test"):
        if name in features.dataset.splits and name not in found:
            part = features.split(name)[1]
            found[name] = score_features(head, part.inputs(head))
    return found


def _by_split(lesson: Lesson, rows: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return the rows ``(N, ...)`` of the images that are held out, by split."""
    splits = np.array([record.split for record in lesson.features.dataset.records])
    return {
        str(name): rows[splits == name]
        for name in ("train", "val")
        if lesson.held_out[splits == name].any()
    }


def _say_choice(attempts: tuple[Attempt, ...], progress: Progress) -> None:
    chosen = next(each for each in attempts if each.chosen)
    progress.say(
        f"head {chosen.head!r}: out-of-fold mAP {number(chosen.mAP)}, {signed(chosen.difference)} "
        f"to the {CONTROL} head ({signed(chosen.low)} to {signed(chosen.high)}); head= chooses "
        "another"
    )
