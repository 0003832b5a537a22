"""The method, start to finish: features, the head, its control, and scores of unlearnt images.

Shapes: N images, C channels, L labels.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from imlgcn.config import AUTO, CONTROL
from imlgcn.data.ready import unknown_as_absent
from imlgcn.errors import InputError
from imlgcn.models import HEADS, Backbone, Head, MultiLabelClassifier
from imlgcn.numbers import number, plural
from imlgcn.progress import Progress
from imlgcn.training.choice import Attempt, choose, count_multiply_adds, why
from imlgcn.training.extract import ImageFeatures
from imlgcn.training.held_out import (
    ALWAYS_LEARNT,
    Lesson,
    make_lesson,
    out_of_fold,
)
from imlgcn.training.loop import score_features
from imlgcn.training.run import Run, Scores, Trained, extract, with_maps
from imlgcn.training.sharing import count_labels
from imlgcn.training.start import Start
from imlgcn.training.system import Fitted, System
from imlgcn.training.together import train_together, tune_with_linear

WORTH_A_PROCESS = 500  # images


def train_method(
    run: Run,
    backbone: Backbone,
    dataset: Any,
    *,
    probe: Head | None = None,
    start: Start | None = None,
) -> Trained | None:
    """Train what ``run`` asks for and return the classifier with the scores it is judged by.

    Of several processes only the first returns it: heads on features that stay as they are take
    seconds, and it trains them alone.

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
        judged = features.dataset
        if run.settings.unknown_as == "negative":
            features = replace(features, dataset=unknown_as_absent(judged, run.learnt))
        trained = _train(run, backbone, features, probe, start)
        return None if trained is None else replace(trained, dataset=judged)


def _train(
    run: Run, backbone: Backbone, features: ImageFeatures, probe: Head | None, start: Start | None
) -> Trained | None:
    """Train on features whose unknown targets are as they are to be learnt."""
    tune = run.settings.fine_tune
    if tune and probe is not None and not probe.closed_form:
        return train_together(run, backbone, features, probe, start)
    failed = features.failed
    if tune:
        names, train = features.dataset.names, features.split("train")[0]
        context = count_labels(names, train.stored_targets, run.ranks)
        _, features = tune_with_linear(run, backbone, context, features, start)
    if probe is not None and probe.pooling is None:
        features = with_maps(run, backbone, probe, features, use_cache=True)
    if not run.ranks.first:
        return None
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
        name: System(run, settings, backbone, features.dataset.names)
        for name, settings in run.heads.items()
    }
    unseen = _unseen(run, features) if choice else {}
    held = _hold_out(run, systems, lesson, unseen) if lesson.held_out.any() else {}
    fitted = {}

    def fit(name: str) -> Fitted:
        if name not in fitted:
            fitted[name] = systems[name].fit(
                lesson.features, groups=lesson.groups, start=start, final=True, features=features
            )
        return fitted[name]

    winner = next(reversed(systems))  # the control is first
    attempts: tuple[Attempt, ...] = ()
    if choice:
        attempts = _choose(systems, held, lesson, fit)
        winner = next(each.head for each in attempts if each.chosen)
        _say_choice(attempts, run.progress)
    control, best = fit(CONTROL), fit(winner)

    def scores_of(name: str, head: Head) -> Scores:
        own = held[name].calibrated if name in held and run.settings.refit else None
        return _scores(head, features, lesson, own)

    scores = {name: scores_of(name, each.head) for name, each in fitted.items()}
    for name in held.keys() - scores.keys():
        learnt = _by_split(lesson, held[name].calibrated) if run.settings.refit else {}
        scores[name] = learnt | held[name].unseen
    return Trained(
        classifier=MultiLabelClassifier(backbone, best.head),
        context=best.context,
        head=winner,
        options=run.heads[winner].head_options | best.head.fitted_options(),
        dataset=features.dataset,
        failed=failed,
        scores=scores[winner],
        control=None if best is control else scores[CONTROL],
        lesson=lesson,
        folds=_by_split(lesson, lesson.folds) if run.settings.refit else {},
        attempts=attempts,
        tried=scores if choice else {},
    )


@dataclass(frozen=True, eq=False)
class _Held:
    """Scores of one head: without the fold, to calibrate on, of unseen images; and seconds.

    The first two differ where a head has a formula for leaving out a group: it learns more then.
    """

    folds: NDArray[Any]
    calibrated: NDArray[Any]
    unseen: Scores
    seconds: float


def _unseen(run: Run, features: ImageFeatures) -> dict[str, ImageFeatures]:
    """Return the images that no head learns, by split."""
    names = ("test",) if run.settings.refit else ("val", "test")
    return {name: features.split(name)[1] for name in names if name in features.dataset.splits}


def _hold_out(
    run: Run, systems: Mapping[str, System], lesson: Lesson, unseen: Mapping[str, ImageFeatures]
) -> dict[str, _Held]:
    """Return the scores of each head for images that it has not learnt."""
    held: dict[str, _Held] = {}
    for name, system in systems.items():
        began = time.perf_counter()
        if (exact := system.exact(lesson)) is not None:
            held[name] = _Held(*exact, {}, time.perf_counter() - began)
    others = {name: system.fit_head for name, system in systems.items() if name not in held}
    if not others:
        return held
    # on vectors a head uses one thread; a copy of the process costs as much as a small training
    vectors = not lesson.features.maps
    parallel = vectors and run.fabric.device.type == "cpu" and len(lesson.folds) >= WORTH_A_PROCESS
    found = out_of_fold(others, lesson, unseen=unseen, parallel=parallel, progress=run.progress)
    for name, each in found.items():
        if each.error is None:
            held[name] = _Held(each.folds, each.folds, each.unseen, each.seconds)
        elif name == CONTROL or run.settings.head == name:
            raise each.error
        else:
            run.progress.say(f"the {name} head cannot be tried on these images: {each.error}")
    return held


def _choose(
    systems: Mapping[str, System],
    held: Mapping[str, _Held],
    lesson: Lesson,
    fit: Callable[[str], Fitted],
) -> tuple[Attempt, ...]:
    """Return what was tried; a head with a formula is fitted for its costs, it takes no time."""
    costs, seconds = {}, {}
    for name in held:
        system, began = systems[name], time.perf_counter()
        formula = HEADS[name].closed_form
        head = fit(name).head if formula else system.create(lesson.features)[0]
        costs[name] = count_multiply_adds(head, lesson.features.inputs(head))
        seconds[name] = held[name].seconds + (time.perf_counter() - began if formula else 0)
    return choose({name: held[name].folds for name in held}, costs, seconds, lesson)


def _lesson(run: Run, features: ImageFeatures, *, tuned: bool) -> Lesson:
    """Return what the heads learn; images are held out of it where something is fitted on that."""
    settings, splits = run.settings, features.dataset.splits
    learnt = tuple(name for name in run.learnt if name in splits)
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
        f"head {chosen.head!r}: out-of-fold mAP {number(chosen.mAP)}, {why(attempts)}; "
        "head= chooses another"
    )
