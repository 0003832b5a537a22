"""The method, start to finish: linear head, label embeddings, graph head, with the control kept.

Shapes: N images, C channels, L labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from imlgcn.config import TrainSettings
from imlgcn.data.dataset import Dataset
from imlgcn.labels.context import LabelContext
from imlgcn.models import Backbone, Head, MultiLabelClassifier, create_head, head_options
from imlgcn.models.layers import FoldedHead
from imlgcn.progress import SILENT, Progress
from imlgcn.training.extract import PooledFeatures, extract_features
from imlgcn.training.fine_tune import fine_tune
from imlgcn.training.loop import create_fabric, score_features
from imlgcn.training.stages import Log, add_words, embed_labels, train_head
from imlgcn.training.warm_start import warm_start

if TYPE_CHECKING:
    from lightning.fabric import Fabric

Scores = dict[str, NDArray[np.float32]]  # split -> logits (N, L)


@dataclass(frozen=True, eq=False)
class Start:
    """An existing tagger to go on from; its labels are in the order of the data set's."""

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
    checkpoints: Path
    log: Log
    progress: Progress


def train_method(
    backbone: Backbone,
    dataset: Dataset,
    settings: TrainSettings,
    *,
    checkpoints: Path,
    start: Start | None = None,
    log: Log = lambda row: None,
    progress: Progress = SILENT,
) -> Trained:
    """Run the stages that ``settings.head`` needs and return the classifier with its scores.

    Stage 1 trains a linear head (and, to fine-tune, the backbone). Stage 2 computes the label
    embeddings from its features. Stage 3 trains the head on them; to fine-tune, it starts the head
    where the linear one stands and trains it with the backbone.
    """
    run = _Run(settings, create_fabric(), checkpoints, log, progress)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        features = extract_features(
            backbone, dataset, strict=settings.strict, progress=progress, stage="features"
        )
        dataset = features.dataset
        train, _ = features.split("train")
        context = LabelContext.from_targets(dataset.names, train.targets)
        options = head_options(settings.head, settings.preset, **settings.head_options)
        linear_options = options
        if settings.head != "linear":
            pooling = options.get("pooling", "avg")
            linear_options = head_options("linear", settings.preset, pooling=pooling)
        linear = create_head("linear", backbone.out_channels, context, **linear_options)
        if start is not None:
            _take_over(linear, start.classifier.head)
        _train_head(run, "linear", linear, features)
        if settings.fine_tune:
            features = _fine_tune(run, "linear", backbone, linear, features)
        scores = _score(linear, features)
        if settings.head == "linear":
            classifier = MultiLabelClassifier(backbone, linear)
            return Trained(classifier, context, options, dataset, features.failed, scores, None)

        context = _describe_labels(run, context, options, features, start)
        head = create_head(settings.head, backbone.out_channels, context, **options)
        goes_on = start is not None and _same_shapes(head, start.classifier.head)
        if start is not None and goes_on:
            head.load_state_dict(start.classifier.head.state_dict())
        if not settings.fine_tune:
            _train_head(run, "graph", head, features)
        else:
            if not goes_on:
                _agree(run, head, linear, features)
            features = _fine_tune(run, "graph", backbone, head, features)
        classifier = MultiLabelClassifier(backbone, head)
        final = _score(head, features)
    return Trained(classifier, context, options, dataset, features.failed, final, scores)


def _train_head(run: _Run, stage: str, head: Head, features: PooledFeatures) -> None:
    """Train a head on features that stay as they are."""
    train_head(
        head,
        features.split("train")[1],
        features.split("val")[1],
        settings=run.settings.linear if stage == "linear" else run.settings.graph,
        loss=run.settings.loss,
        seed=run.settings.seed,
        fabric=run.fabric,
        log=run.log,
        progress=run.progress,
        stage=f"{stage} head",
    )


def _agree(run: _Run, head: Head, linear: Head, features: PooledFeatures) -> None:
    """Start the head where the linear head stands."""
    assert head.pooling is not None
    left = warm_start(head, linear, features.split("train")[1].pooled(head.pooling))
    run.log({"stage": "warm start", "difference": left})
    run.progress.say(f"the head starts from the linear one's scores (off by {left:.1%})")


def _fine_tune(
    run: _Run, stage: str, backbone: Backbone, head: Head, features: PooledFeatures
) -> PooledFeatures:
    """Train backbone and head together; return the features of the new backbone."""
    fine_tune(
        MultiLabelClassifier(backbone, head),
        features.split("train")[0],
        features.split("val")[0],
        settings=run.settings.tuning,
        loss=run.settings.loss,
        seed=run.settings.seed,
        fabric=run.fabric,
        checkpoint=run.checkpoints / f"{stage}.safetensors",
        log=run.log,
        progress=run.progress,
        stage=f"fine-tuning, {stage} head",
    )
    return extract_features(
        backbone, features.dataset, use_cache=False, progress=run.progress, stage="new features"
    )


def _describe_labels(
    run: _Run,
    context: LabelContext,
    options: dict[str, Any],
    features: PooledFeatures,
    start: Start | None,
) -> LabelContext:
    """Stage 2: the embeddings that the head's options ask for."""
    if start is not None and set(start.context.names) == set(context.names):
        # the weights to go on from were learnt on these nodes
        return context.with_embeddings(**start.context.reordered(context.names).embeddings)
    kind = options.get("embedding")
    if kind == "words":
        return add_words(context, run.settings.embedding.words, run.progress)
    if kind in ("image", "image_pca"):
        return embed_labels(context, features.split("train")[1], run.settings.embedding)
    return context


def _score(head: Head, features: PooledFeatures) -> Scores:
    assert head.pooling is not None
    splits = (name for name in ("val", "test") if name in features.dataset.splits)
    parts = {name: features.split(name)[1] for name in splits}
    return {name: score_features(head, part.pooled(head.pooling)) for name, part in parts.items()}


def _take_over(linear: Head, old: nn.Module) -> None:
    """Start the linear head from an older head's folded classifiers, where they fit."""
    folded = old.fold() if isinstance(old, Head) else old
    if isinstance(folded, FoldedHead) and _same_shapes(linear, folded, only="linear."):
        state = folded.state_dict()
        linear.load_state_dict({k: state[k] for k in linear.state_dict()})


def _same_shapes(new: nn.Module, old: nn.Module, only: str = "") -> bool:
    ours = {k: v.shape for k, v in new.state_dict().items() if k.startswith(only)}
    theirs = {k: v.shape for k, v in old.state_dict().items() if k.startswith(only)}
    return ours == theirs
