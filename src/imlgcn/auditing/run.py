"""The audit: features, scores of images that were left out, and what they doubt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from imlgcn.auditing.doubts import find_doubts
from imlgcn.auditing.findings import Audit, make_audit
from imlgcn.config import AUTO
from imlgcn.data.dataset import Dataset
from imlgcn.data.groups import find_duplicates, find_groups
from imlgcn.data.ready import with_learnable_labels
from imlgcn.data.source import DataSource
from imlgcn.data.written_split import keep_splits
from imlgcn.errors import InputError
from imlgcn.evaluation import evaluate
from imlgcn.models import HEADS, create_backbone
from imlgcn.models.kernel_regression import unit_roots
from imlgcn.numbers import plural
from imlgcn.progress import SILENT, Progress
from imlgcn.tagger import Tagger
from imlgcn.tagger.folder import MODEL, SPLIT
from imlgcn.training.extract import ImageFeatures, extract_features, extract_maps
from imlgcn.training.held_out import Lesson, make_lesson, out_of_fold
from imlgcn.training.loop import create_fabric
from imlgcn.training.resolve import plan_run
from imlgcn.training.run import Run
from imlgcn.training.system import System

HEAD = "kernel"  # exact without folds, in about a second


class _Judged(NamedTuple):
    """Images with scores by heads that have not learnt them; vectors say how similar they are."""

    dataset: Dataset
    scores: NDArray[np.floating]  # (N, L)
    groups: NDArray[np.int64]  # (N,)
    vectors: NDArray[np.floating] | None  # (N, C)
    failed: Mapping[str, str]


def audit(
    data: Any,
    *,
    head: str | None = None,
    backbone: str | None = None,
    device: str = "auto",
    progress: Progress = SILENT,
) -> Audit:
    """Find labels that are probably wrong or missing, and near duplicates that disagree.

    Every image is judged by a head that has learnt all images but it and its group; splits play no
    part. Nothing is written.

    Args:
        data: a CSV, COCO JSON, folder, zip, or ``openclipart``; or the folder of a tagger, whose
            stored scores are taken for the data that it was trained on.
        head: any head; ``kernel`` by default. Heads without a formula are fitted on five folds.
        backbone: a name; its features are cached as in training. None: the default of training.
        device: as for :func:`imlgcn.engines.device.choose_device`.
        progress: receives bars and messages.

    Raises:
        InputError: the data or the tagger cannot be used; too few images, or no label to judge.
    """
    folder = Path(data) if isinstance(data, str | Path) else None
    if folder is not None and (folder / MODEL).is_file():
        if head or backbone:
            raise InputError("a tagger is audited by its own scores: give head= with data instead")
        judged = _of_tagger(folder, device, progress)
    else:
        source = DataSource.of(data)
        judged = _of_data(source, head or HEAD, backbone, device, progress)
    dataset = judged.dataset
    if not (dataset.targets == 0).any():
        raise InputError(
            "no label is known to be absent anywhere, so nothing tells right labels from wrong: "
            "give images without the label"
        )
    doubts = find_doubts(judged.scores, dataset.targets, judged.groups)
    duplicates = find_duplicates(dataset, progress=progress)
    return make_audit(
        dataset, doubts, duplicates, judged.groups, judged.vectors, failed=judged.failed
    )


def _of_data(
    source: DataSource, head: str, backbone: str | None, device: str, progress: Progress
) -> _Judged:
    """Judge each image of the data by a head that has not learnt it or its group."""
    if head == AUTO:
        raise InputError(f"head= takes the name of one head: {', '.join(HEADS)}")
    given = {"head": head, "device": device} | ({"backbone": backbone} if backbone else {})
    plan = plan_run(source, given)
    settings = plan.settings("small")
    whole = source.load(progress)
    dataset = with_learnable_labels(whole.with_splits(["train"] * len(whole)), progress)
    network = create_backbone(settings.backbone)
    network.image_settings = network.image_settings.model_copy(update={"fit": settings.fit})
    features = extract_features(network, dataset, device=device, progress=progress)
    system = System(
        Run(settings, {head: settings}, create_fabric(device), device, Path(), progress=progress),
        settings,
        network,
        dataset.names,
    )
    lesson = make_lesson(features, ("train",), progress=progress)
    if not lesson.held_out.any():
        raise InputError(
            f"{plural(len(lesson.groups), 'image')}, all near duplicates or of one group: nothing "
            "can be left out to judge the others; give images of two groups at least"
        )
    probe = system.create(features)[0]
    if probe.pooling is None:
        maps = extract_maps(network, features, probe.feature_levels, progress=progress)
        lesson = Lesson(maps, lesson.groups, lesson.folds)
    scores = _scores(system, head, lesson, progress)
    vectors = unit_roots(torch.from_numpy(_means(features))).numpy()
    return _Judged(features.dataset, scores, lesson.groups, vectors, features.failed)


def _means(features: ImageFeatures) -> NDArray[np.float32]:
    """Return the mean of the last map ``(N, C)``."""
    return features.means()


def _scores(system: System, head: str, lesson: Lesson, progress: Progress) -> NDArray[np.floating]:
    """Return scores ``(N, L)`` without the group, by a formula, or without the fold."""
    if (exact := system.exact(lesson)) is not None:
        return exact[1]
    found = out_of_fold({head: system.fit_head}, lesson, progress=progress)[head]
    if found.error is not None:
        raise found.error
    return found.folds


def _of_tagger(folder: Path, device: str, progress: Progress) -> _Judged:
    """Take the scores of a tagger: out-of-fold of what it has learnt, its own of other images."""
    tagger = Tagger.load(folder, device=device)
    source = DataSource.from_config(tagger.folder.config)
    if source is None:
        raise InputError(f"{folder} does not say which data it was trained on: audit the data")
    dataset = source.load(progress)
    if (folder / SPLIT).is_file():
        dataset, _ = keep_splits(dataset, folder / SPLIT, np.arange(len(dataset)))
    extra = set(dataset.names) - set(tagger.labels)
    dataset = _without(dataset, extra).reordered(tagger.labels)
    found = evaluate(tagger, dataset, split=None, progress=progress)
    rows = {record.name: row for row, record in enumerate(dataset.records)}
    dataset = dataset.select(rows[name] for name in found.scored.images)
    learnt = sum(record.split in ("train", "val") for record in dataset.records)
    if found.get("out_of_fold_images", 0) < learnt:
        raise InputError(
            f"{folder} has learnt images of which it holds no out-of-fold scores, because the data "
            "have changed or it was trained with refit=False: audit the data instead"
        )
    groups = find_groups(dataset, progress=progress)
    return _Judged(dataset, found.scored.logits, groups, None, found.get("failed_images") or {})


def _without(dataset: Dataset, labels: set[str]) -> Dataset:
    """Return the data without some labels."""
    kept = [index for index, name in enumerate(dataset.names) if name not in labels]
    names = tuple(dataset.names[index] for index in kept)
    return replace(dataset, names=names, targets=dataset.targets[:, kept])
