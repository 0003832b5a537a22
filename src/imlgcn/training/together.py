"""Training backbone and head together (``--fine-tune``): the method's three stages.

Stage 1 trains a linear head, then the backbone with it. Stage 2 computes the label embeddings from
its features. Stage 3 fits the head to the linear one's scores and trains it with the backbone. The
epoch is chosen on validation, and calibration is fitted there: nothing is learnt again.

Shapes: N images, C channels, L labels.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from imlgcn.config import CONTROL
from imlgcn.labels.context import LabelContext
from imlgcn.models import HEADS, Backbone, Head, MultiLabelClassifier, create_head, head_options
from imlgcn.numbers import percent
from imlgcn.training.checkpoint import Checkpoints
from imlgcn.training.extract import ImageFeatures, extract_features
from imlgcn.training.fine_tune import fine_tune
from imlgcn.training.held_out import ALWAYS_LEARNT, Lesson
from imlgcn.training.loop import score_features
from imlgcn.training.run import Run, Scores, Trained, with_maps
from imlgcn.training.sharing import count_labels
from imlgcn.training.stages import describe_labels, train_head
from imlgcn.training.start import Start, continue_head, say_what_continues, take_over
from imlgcn.training.warm_start import warm_start


def train_together(
    run: Run, backbone: Backbone, frozen: ImageFeatures, probe: Head, start: Start | None
) -> Trained | None:
    """Train the backbone with the head that ``run.settings`` name; ``probe`` is such a head.

    Of several processes only the first returns what was trained.
    """
    settings, dataset = run.settings, frozen.dataset
    context = count_labels(dataset.names, frozen.split("train")[0].stored_targets, run.ranks)
    options = head_options(settings.head, settings.preset, **settings.head_options)
    # a head on maps has no warm start from the linear one: the two need separate backbones
    own = copy.deepcopy(backbone) if probe.pooling is None else backbone
    linear, features = tune_with_linear(run, own, context, frozen, start, options.get("pooling"))
    control = _score(linear, features)
    learnt = _lesson(frozen.split("train")[1])
    if settings.head == CONTROL:
        own_options = head_options(CONTROL, settings.preset, **settings.head_options)
        classifier = MultiLabelClassifier(backbone, linear)
        return Trained(
            classifier, context, CONTROL, own_options, dataset, frozen.failed, control, None, learnt
        )
    old = start.context if start is not None else None
    train = features.split("train")[1]
    context = describe_labels(
        context, options, train, settings, old=old, progress=run.progress, ranks=run.ranks
    )
    features = frozen if probe.pooling is None else features
    head, features = _with_head(run, backbone, context, options, linear, features, start)
    if not run.ranks.first:
        return None
    return Trained(
        MultiLabelClassifier(backbone, head),
        context,
        settings.head,
        options | head.fitted_options(),
        dataset,
        frozen.failed,
        _score(head, features),
        control,
        learnt,
    )


def tune_with_linear(
    run: Run,
    backbone: Backbone,
    context: LabelContext,
    features: ImageFeatures,
    start: Start | None,
    pooling: str | None = None,
) -> tuple[Head, ImageFeatures]:
    """Stage 1: train the linear head, then the backbone with it; return the new features."""
    settings = run.settings
    own = settings.head_options if settings.head == CONTROL else {"pooling": pooling or "avg"}
    options = head_options(CONTROL, settings.preset, **own)
    linear = create_head(CONTROL, backbone.out_channels, context, **options)
    if start is not None:
        take_over(linear, start, context.names)
    _by_first(run, linear, lambda: _train_head(run, "linear", linear, features))
    return linear, _fine_tune(run, "linear", backbone, linear, features)


def _with_head(
    run: Run,
    backbone: Backbone,
    context: LabelContext,
    options: dict[str, Any],
    linear: Head,
    features: ImageFeatures,
    start: Start | None,
) -> tuple[Head, ImageFeatures]:
    """Stage 3: train the head with the backbone."""
    settings = run.settings
    channels = HEADS[settings.head].channels_of(backbone, options)
    head = create_head(settings.head, channels, context, **options)
    for note in head.notes():
        run.progress.say(f"{settings.head}: {note}")
    continues = start is not None and continue_head(head, start, context.names)
    if start is not None and not continues:
        say_what_continues(settings.head, head, run.progress)
    maps = head.pooling is None
    if maps:
        features = with_maps(run, backbone, head, features, use_cache=True)
    if maps and not continues:
        _by_first(run, head, lambda: _train_head(run, "graph", head, features))
    elif not continues:
        _by_first(run, head, lambda: _agree(run, head, linear, features))
    features = _fine_tune(run, "graph", backbone, head, features)
    if maps:
        features = with_maps(run, backbone, head, features, use_cache=False)
    return head, features


def _lesson(learnt: ImageFeatures) -> Lesson:
    images = len(learnt.dataset)
    return Lesson(learnt, np.arange(images), np.full(images, ALWAYS_LEARNT))


def _score(head: Head, features: ImageFeatures) -> Scores:
    splits = (name for name in ("val", "test") if name in features.dataset.splits)
    parts = {name: features.split(name)[1] for name in splits}
    return {name: score_features(head, part.inputs(head)) for name, part in parts.items()}


def _by_first(run: Run, head: Head, work: Callable[[], None]) -> None:
    """Change the head by ``work`` in the first process, and give the others its values."""

    def state() -> dict[str, Tensor]:
        work()
        return head.state_dict()

    head.load_state_dict(run.ranks.state_of_first(state))


def _train_head(run: Run, stage: str, head: Head, features: ImageFeatures) -> None:
    """Train a head on features that stay as they are."""
    train_head(
        head,
        features.split("train")[1],
        features.split("val")[1],
        settings=run.settings.linear_training if stage == "linear" else run.settings.head_training,
        loss=run.settings.loss,
        seed=run.settings.seed,
        fabric=run.fabric,
        log=run.log,
        progress=run.progress,
        stage=f"{stage} head",
    )


def _agree(run: Run, head: Head, linear: Head, features: ImageFeatures) -> None:
    """Fit the head to the linear head's scores."""
    assert head.pooling is not None
    device = run.fabric.device  # where the linear head is
    vectors = features.split("train")[1].pooled(head.pooling)[:].to(device)
    difference = warm_start(head.to(device), linear, vectors)
    run.log({"stage": "warm start", "difference": difference})
    run.progress.say(
        f"warm start: the head gives the linear head's scores, off by {percent(difference, 1)}"
    )


def _fine_tune(
    run: Run, stage: str, backbone: Backbone, head: Head, features: ImageFeatures
) -> ImageFeatures:
    """Train backbone and head together; return the features of the new backbone."""
    fine_tune(
        MultiLabelClassifier(backbone, head),
        features.split("train")[0],
        features.split("val")[0],
        settings=run.settings.fine_tuning,
        loss=run.settings.loss,
        seed=run.settings.seed,
        fabric=run.ranks.fabric or run.fabric,
        checkpoints=Checkpoints(run.checkpoints, stage, run.progress),
        minutes=run.checkpoint_minutes,
        log=run.log,
        progress=run.progress,
        stage=f"fine-tuning, {stage} head",
        ranks=run.ranks,
    )
    # random numbers after this must not depend on how many epochs ran: a resumed run ran fewer
    torch.manual_seed(run.settings.seed)
    return extract_features(
        backbone,
        features.dataset,
        use_cache=False,
        device=run.device,
        progress=run.progress,
        stage="new features",
        ranks=run.ranks,
    )
