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
from torch import nn

from imlgcn.config import CONTROL, InputError, TrainSettings
from imlgcn.data.dataset import Dataset
from imlgcn.labels.context import LabelContext
from imlgcn.models import HEADS, Backbone, Head, MultiLabelClassifier, create_head, head_options
from imlgcn.models.layers import FoldedHead
from imlgcn.numbers import percent
from imlgcn.progress import SILENT, Progress
from imlgcn.training.extract import ImageFeatures, extract_features, extract_maps
from imlgcn.training.fine_tune import fine_tune
from imlgcn.training.loop import create_fabric, score_features
from imlgcn.training.stages import Log, add_words, embed_labels, train_head
from imlgcn.training.warm_start import warm_start

if TYPE_CHECKING:
    from lightning.fabric import Fabric

Scores = dict[str, NDArray[np.float32]]  # split -> logits (N, L)


@dataclass(frozen=True, eq=False)
class Start:
    """An existing tagger to go on from; the data may have other labels: they match by name."""

    classifier: MultiLabelClassifier
    context: LabelContext


@dataclass(frozen=True, eq=False)
class Trained:
    """What the three stages leave behind."""

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
    embeddings from its features. Stage 3 trains the head on them; to fine-tune, it starts the head
    where the linear one stands and trains it with the backbone. ``probe`` is what
    :func:`imlgcn.training.checks.check_settings` returned for these settings.
    """
    run = _Run(settings, create_fabric(device), device, checkpoints, log, progress)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        frozen = _extract(run, backbone, dataset)
        dataset = frozen.dataset
        context = LabelContext.from_targets(dataset.names, frozen.split("train")[0].targets)
        options = head_options(settings.head, settings.preset, **settings.head_options)
        # a head on maps cannot start where the linear one stands: it gets a trunk of its own
        trunk = copy.deepcopy(backbone) if probe.pooling is None else backbone
        linear, features = _stage_one(run, trunk, context, options, frozen, start)
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
        _take_over(linear, start, context.names)
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
    channels = backbone.channels(HEADS[settings.head].feature_levels)
    head = create_head(settings.head, channels, context, **options)
    for note in head.notes():
        run.progress.say(f"{settings.head}: {note}")
    goes_on = start is not None and _go_on(head, start, context.names)
    if start is not None and not goes_on:
        why = "it is fitted by a formula" if head.closed_form else "its labels or options differ"
        run.progress.say(
            f"start=: the {settings.head} head starts anew, because {why}; "
            "the backbone and the linear head's classifiers of labels with the same name go on "
            f"(head={CONTROL!r} keeps to these)"
        )
    maps = head.pooling is None
    if maps:
        features = _with_maps(run, backbone, head, features, use_cache=True)
    if head.closed_form or not settings.fine_tune or (maps and not goes_on):
        _train_head(run, "graph", head, features)
    elif not goes_on:
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
    """Start the head where the linear head stands."""
    assert head.pooling is not None
    device = run.fabric.device  # where the linear head is
    vectors = features.split("train")[1].pooled(head.pooling).to(device)
    left = warm_start(head.to(device), linear, vectors)
    run.log({"stage": "warm start", "difference": left})
    run.progress.say(f"the head starts from the linear one's scores (off by {percent(left, 1)})")


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
    # what follows must not depend on how many epochs ran just now: a resumed run ran fewer
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
        return context.with_embeddings(**old.embeddings)  # the old weights were learnt on them
    if kind == "words":
        return add_words(context, run.settings.label_embeddings.words, run.progress)
    if kind in ("image", "image_pca"):
        return embed_labels(context, features.split("train")[1], run.settings.label_embeddings)
    return context


def _score(head: Head, features: ImageFeatures) -> Scores:
    splits = (name for name in ("val", "test") if name in features.dataset.splits)
    parts = {name: features.split(name)[1] for name in splits}
    return {name: score_features(head, part.inputs(head)) for name, part in parts.items()}


def _take_over(linear: Head, start: Start, names: tuple[str, ...]) -> None:
    """Start the linear head from an older head's folded classifiers, label by label."""
    folded = start.classifier.head.fold()
    state = linear.state_dict()
    if not isinstance(folded, FoldedHead) or state.keys() != folded.state_dict().keys():
        return
    known = [name for name in names if name in start.context.names]
    ours, theirs = ([where.index(name) for name in known] for where in (names, start.context.names))
    for key, value in folded.state_dict().items():  # weight (L, C) and bias (L,)
        if state[key].shape[1:] == value.shape[1:]:
            state[key][ours] = value[theirs]


def _go_on(head: Head, start: Start, names: tuple[str, ...]) -> bool:
    """Give the head an older one's weights if they are for the same labels; say whether they were.

    The label graph stays that of the new data and options.
    """
    old = start.classifier.head
    if start.context.names != names or _shapes(head) != _shapes(old):
        return False
    head.load_state_dict(dict(old.named_parameters()), strict=False)
    return True


def _shapes(module: nn.Module) -> dict[str, torch.Size]:
    return {key: value.shape for key, value in module.state_dict().items()}
