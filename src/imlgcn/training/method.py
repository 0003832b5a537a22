"""The method, start to finish: linear head, label embeddings, graph head, with the control kept.

Shapes: N images, C channels, L labels.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from imlgcn.config import CONTROL, InputError, TrainSettings
from imlgcn.data.dataset import Dataset
from imlgcn.labels.context import LabelContext
from imlgcn.models import HEADS, Backbone, Head, MultiLabelClassifier, create_head, head_options
from imlgcn.numbers import percent
from imlgcn.progress import SILENT, Progress
from imlgcn.training.extract import ImageFeatures, extract_features, extract_maps
from imlgcn.training.fine_tune import fine_tune
from imlgcn.training.loop import create_fabric, score_features
from imlgcn.training.stages import Log, add_words, embed_labels, train_head
from imlgcn.training.start import Start, continue_head, take_over
from imlgcn.training.warm_start import warm_start

if TYPE_CHECKING:
    from lightning.fabric import Fabric

Scores = dict[str, NDArray[np.float32]]  # split -> logits (N, L)


@dataclass(frozen=True, eq=False)
class Trained:
    """The results of the three stages."""

    classifier: MultiLabelClassifier
    context: LabelContext
    options: dict[str, Any]  # of the head, complete
    dataset: Dataset  # without the images that could not be read
    failed: dict[str, str]
    scores: Scores
    control: Scores | None  # of the linear head of stage 1; None if that is the head


@dataclass(frozen=True, eq=False)
class _Run:
    """What every stage shares."""

    settings: TrainSettings
    fabric: Fabric
    device: str
    checkpoints: Path
    log: Log
    progress: Progress


def train_method(
    backbone: Backbone,
    dataset: Dataset,
    settings: TrainSettings,
    *,
    probe: Head,
    checkpoints: Path,
    start: Start | None = None,
    device: str = "auto",
    log: Log = lambda row: None,
    progress: Progress = SILENT,
) -> Trained:
    """Run the stages that ``settings.head`` needs and return the classifier with its scores.

    Stage 1 trains a linear head (and, to fine-tune, the backbone). Stage 2 computes the label
    embeddings from its features. Stage 3 trains the head on them; to fine-tune, it fits the head to
    the linear one's scores and trains it with the backbone. ``probe`` is what
    :func:`imlgcn.training.checks.check_settings` returned for these settings.
    """
    run = _Run(settings, create_fabric(device), device, checkpoints, log, progress)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        frozen = _extract(run, backbone, dataset)
        dataset = frozen.dataset
        context = LabelContext.from_targets(dataset.names, frozen.split("train")[0].targets)
        options = head_options(settings.head, settings.preset, **settings.head_options)
        # a head on maps has no warm start from the linear one: the two need separate backbones
        own = copy.deepcopy(backbone) if probe.pooling is None else backbone
        linear, features = _stage_one(run, own, context, options, frozen, start)
        scores = _score(linear, features)
        if settings.head == CONTROL:
            classifier = MultiLabelClassifier(backbone, linear)
            return Trained(classifier, context, options, dataset, frozen.failed, scores, None)
        context = _describe_labels(run, context, options, features, start)
        features = frozen if probe.pooling is None else features
        head, features = _stage_three(run, backbone, context, options, linear, features, start)
        final = _score(head, features)
    classifier, options = MultiLabelClassifier(backbone, head), options | head.fitted_options()
    return Trained(classifier, context, options, dataset, frozen.failed, final, scores)


def _stage_one(
    run: _Run,
    backbone: Backbone,
    context: LabelContext,
    options: dict[str, Any],
    features: ImageFeatures,
    start: Start | None,
) -> tuple[Head, ImageFeatures]:
    """Train the linear head, the control of every other; to fine-tune, the backbone with it."""
    settings = run.settings
    if settings.head != CONTROL:
        pooling = options.get("pooling") or "avg"
        options = head_options(CONTROL, settings.preset, pooling=pooling)
    linear = create_head(CONTROL, backbone.out_channels, context, **options)
    if start is not None:
        take_over(linear, start, context.names)
    _train_head(run, "linear", linear, features)
    if settings.fine_tune:
        features = _fine_tune(run, "linear", backbone, linear, features)
    return linear, features


def _stage_three(
    run: _Run,
    backbone: Backbone,
    context: LabelContext,
    options: dict[str, Any],
    linear: Head,
    features: ImageFeatures,
    start: Start | None,
) -> tuple[Head, ImageFeatures]:
    """Train the head, on frozen features or with the backbone."""
    settings = run.settings
    channels = HEADS[settings.head].channels_of(backbone, options)
    head = create_head(settings.head, channels, context, **options)
    for note in head.notes():
        run.progress.say(f"{settings.head}: {note}")
    continues = start is not None and continue_head(head, start, context.names)
    if start is not None and not continues:
        why = "a formula fits it" if head.closed_form else "its labels or options differ"
        run.progress.say(
            f"start=: the {settings.head} head is trained from scratch, because {why}; "
            "the backbone, and the linear head's classifiers of labels with the same name, are "
            f"kept (head={CONTROL!r} trains only these)"
        )
    maps = head.pooling is None
    if maps:
        features = _with_maps(run, backbone, head, features, use_cache=True)
    if head.closed_form or not settings.fine_tune or (maps and not continues):
        _train_head(run, "graph", head, features)
    elif not continues:
        _agree(run, head, linear, features)
    if settings.fine_tune and not head.closed_form:
        features = _fine_tune(run, "graph", backbone, head, features)
        if maps:
            features = _with_maps(run, backbone, head, features, use_cache=False)
    return head, features


def _with_maps(
    run: _Run, backbone: Backbone, head: Head, features: ImageFeatures, *, use_cache: bool
) -> ImageFeatures:
    levels = head.feature_levels
    return extract_maps(backbone, features, levels, use_cache=use_cache, progress=run.progress)


def _extract(run: _Run, backbone: Backbone, dataset: Dataset) -> ImageFeatures:
    """Return the features of the images that can be read; there must be some in train and val."""
    features = extract_features(
        backbone,
        dataset,
        strict=run.settings.strict,
        device=run.device,
        progress=run.progress,
        stage="features",
    )
    for split in ("train", "val"):
        if split not in features.dataset.splits:
            first = next(iter(features.failed.values()))
            raise InputError(f"no image of the split {split!r} can be read; first: {first}")
    return features


def _train_head(run: _Run, stage: str, head: Head, features: ImageFeatures) -> None:
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


def _agree(run: _Run, head: Head, linear: Head, features: ImageFeatures) -> None:
    """Fit the head to the linear head's scores."""
    assert head.pooling is not None
    device = run.fabric.device  # where the linear head is
    vectors = features.split("train")[1].pooled(head.pooling).to(device)
    difference = warm_start(head.to(device), linear, vectors)
    run.log({"stage": "warm start", "difference": difference})
    run.progress.say(
        f"warm start: the head gives the linear head's scores, off by {percent(difference, 1)}"
    )


def _fine_tune(
    run: _Run, stage: str, backbone: Backbone, head: Head, features: ImageFeatures
) -> ImageFeatures:
    """Train backbone and head together; return the features of the new backbone."""
    fine_tune(
        MultiLabelClassifier(backbone, head),
        features.split("train")[0],
        features.split("val")[0],
        settings=run.settings.fine_tuning,
        loss=run.settings.loss,
        seed=run.settings.seed,
        fabric=run.fabric,
        checkpoint=run.checkpoints / f"{stage}.safetensors",
        log=run.log,
        progress=run.progress,
        stage=f"fine-tuning, {stage} head",
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
    )


def _describe_labels(
    run: _Run,
    context: LabelContext,
    options: dict[str, Any],
    features: ImageFeatures,
    start: Start | None,
) -> LabelContext:
    """Stage 2: the embeddings that the head's options ask for."""
    kind = options.get("embedding")
    old = start.context if start is not None and start.context.names == context.names else None
    if old is not None and kind in old.embeddings:
        return context.with_embeddings(**old.embeddings)  # the old weights were trained on them
    if kind == "words":
        return add_words(context, run.settings.label_embeddings.words, run.progress)
    if kind in ("image", "image_pca"):
        return embed_labels(context, features.split("train")[1], run.settings.label_embeddings)
    return context


def _score(head: Head, features: ImageFeatures) -> Scores:
    splits = (name for name in ("val", "test") if name in features.dataset.splits)
    parts = {name: features.split(name)[1] for name in splits}
    return {name: score_features(head, part.inputs(head)) for name, part in parts.items()}
