"""The method's three stages: a linear head, label embeddings from its features, a graph head.

Each stage is a function of what it needs; :mod:`imlgcn.pipeline` joins them.
Shapes: N images, C channels, L labels, D node width.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imlgcn.config import EmbeddingSettings, HeadTraining, LossSettings, TrainSettings
from imlgcn.engines.torch import torch_threads
from imlgcn.labels.context import LabelContext
from imlgcn.labels.embeddings import image_embeddings, pca_embeddings
from imlgcn.labels.sparse import MANY_LABELS
from imlgcn.labels.targets import Targets
from imlgcn.labels.word_vectors import word_embeddings
from imlgcn.losses import create_loss
from imlgcn.metrics.ranking import mean_average_precision
from imlgcn.models import Head
from imlgcn.numbers import number, plural
from imlgcn.progress import SILENT, Progress
from imlgcn.training.extract import ImageFeatures
from imlgcn.training.levels import Batch, Inputs, MappedLevel
from imlgcn.training.loop import score_features, take, train_epoch
from imlgcn.training.optimization import Group, create_optimizer
from imlgcn.training.ranks import ALONE, Ranks

if TYPE_CHECKING:
    from lightning.fabric import Fabric

Log = Callable[[dict[str, Any]], None]


def train_head(
    head: Head,
    train: ImageFeatures,
    val: ImageFeatures | None,
    *,
    settings: HeadTraining,
    loss: LossSettings,
    seed: int,
    fabric: Fabric,
    groups: NDArray[np.int64] | None = None,
    log: Log = lambda row: None,
    progress: Progress = SILENT,
    stage: str = "head",
) -> None:
    """Train ``head`` in place on features that do not change (stages 1 and 3, frozen backbone).

    The last epoch is kept: OneCycle ends at a rate of almost zero, and on a few hundred validation
    images the best epoch would be the best by chance. The mAP of ``val`` is logged, if it is given.
    A head of closed form is fitted instead (:func:`fit_head`): settings, loss and seed change
    nothing then, but ``groups`` of the images ``(N,)`` may.
    """
    if head.closed_form:
        return fit_head(
            head,
            train,
            val,
            device=fabric.device,
            groups=groups,
            log=log,
            progress=progress,
            stage=stage,
        )
    torch.manual_seed(seed)
    features = train.inputs(head)  # (N, C, 1, 1), or maps (N, C, H, W)
    kept = train.dataset.stored_targets  # (N, L)
    targets = kept if isinstance(kept, Targets) else torch.from_numpy(kept)
    steps = settings.epochs * math.ceil(len(targets) / settings.batch_size)
    group = Group(head, settings.learning_rate, settings.weight_decay)
    optimizer, scheduler = create_optimizer([group], steps)
    model, optimizer = fabric.setup(head, optimizer)
    model.mark_forward_method("loss")
    criterion = create_loss(loss.name, **loss.options)

    # a step on vectors and few labels is too small for two threads: one would mostly wait
    small = head.pooling and head.num_labels <= MANY_LABELS
    threads = torch_threads(1) if small else nullcontext()
    with threads, progress.bar(stage, settings.epochs * len(targets)) as advance:
        for epoch in range(settings.epochs):
            model.train()
            mean_loss = train_epoch(
                model,
                _shuffled(features, targets, settings.batch_size, fabric.device),
                criterion,
                optimizer,
                scheduler,
                fabric=fabric,
                after_step=advance,
            )
            watched = {} if val is None else {"val_mAP": _map_of(head, val)}
            rate = scheduler.get_last_lr()[0]  # after the last step of the epoch
            row = {"stage": stage, "epoch": epoch + 1, "loss": mean_loss, "learning_rate": rate}
            log(row | watched)
    head.eval()


def fit_head(
    head: Head,
    train: ImageFeatures,
    val: ImageFeatures | None,
    *,
    device: torch.device,
    groups: NDArray[np.int64] | None = None,
    log: Log = lambda row: None,
    progress: Progress = SILENT,
    stage: str = "head",
) -> None:
    """Fit a head of closed form in place; say the seconds it took, log validation mAP."""
    started = time.perf_counter()
    together = None if groups is None else torch.from_numpy(groups)
    head.fit(train.inputs(head), torch.from_numpy(train.dataset.targets), together)
    seconds = number(time.perf_counter() - started)
    progress.say(f"{stage}: fitted on {plural(len(train.dataset), 'image')} in {seconds} s")
    head.to(device)
    watched = {} if val is None else {"val_mAP": _map_of(head, val)}
    log({"stage": stage, **watched})


def _map_of(head: Head, part: ImageFeatures) -> float:
    """Return the mAP of a head in percent."""
    value, _ = mean_average_precision(score_features(head, part.inputs(head)), part.dataset.targets)
    return 100 * value


def describe_labels(
    context: LabelContext,
    options: Mapping[str, Any],
    learnt: ImageFeatures,
    settings: TrainSettings,
    *,
    old: LabelContext | None = None,
    words: LabelContext | None = None,
    progress: Progress = SILENT,
    ranks: Ranks = ALONE,
) -> LabelContext:
    """Stage 2: add the embeddings that a head's options ask for.

    Those of ``old``, the tagger that training starts from, are kept for the same labels: its
    weights were trained on them. ``words`` has word vectors that were read before.
    """
    kind = options.get("embedding")
    if old is not None and old.names == context.names and kind in old.embeddings:
        return context.with_embeddings(**old.embeddings)
    if kind == "words":
        if words is not None:
            return context.with_embeddings(words=words.embeddings["words"])
        return add_words(context, settings.label_embeddings.words, progress)
    if kind in ("image", "image_pca"):
        return embed_labels(context, learnt, settings.label_embeddings, ranks)
    return context


def embed_labels(
    context: LabelContext,
    train: ImageFeatures,
    settings: EmbeddingSettings,
    ranks: Ranks = ALONE,
) -> LabelContext:
    """Stage 2: add F_I and F_PCA, computed from the average-pooled training features.

    Of several processes each sums the features of its share.
    """
    own = train.select(np.arange(len(train.dataset))[ranks.mine]) if ranks.world > 1 else train
    pooled = own.pooled("avg")
    # (N_r, C); of mapped ones a block at a time is taken
    features: Any = pooled.rows if isinstance(pooled, MappedLevel) else pooled.flatten(1).numpy()
    f_i = image_embeddings(
        features,
        own.dataset.stored_targets,
        total=lambda part: ranks.add([part])[0],
        images=settings.images,
        centred=settings.centred,
        unit_rms=settings.unit_rms,
    )
    f_pca = pca_embeddings(
        f_i,
        settings.dimension,
        centred=settings.centred,
        unit_rms=settings.unit_rms,
        whiten=settings.whiten,
    )
    return context.with_embeddings(image=f_i, image_pca=f_pca)


def add_words(context: LabelContext, path: str | None, progress: Progress) -> LabelContext:
    """Add word vectors of the label names; report the names without one."""
    vectors, missing = word_embeddings(context.names, path, progress=progress)
    if missing:
        progress.say(
            f"no word vector for: {', '.join(missing)} (replaced by the mean of the others)"
        )
    return context.with_embeddings(words=vectors)


def _shuffled(
    features: Inputs, targets: Tensor | Targets, size: int, device: torch.device
) -> Iterator[tuple[Batch, Tensor]]:
    for rows in torch.split(torch.randperm(len(targets)), size):
        yield take(features, rows, device), torch.as_tensor(targets[rows]).to(device)
