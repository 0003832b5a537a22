"""The comparison: features once, a search on validation, then every seed.

Shapes: N images, C channels, L labels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from imlgcn.comparison.cells import Cell, Material, run_cell
from imlgcn.comparison.entries import Entry, parse_entries
from imlgcn.comparison.environment import describe
from imlgcn.comparison.figure import cost_figure
from imlgcn.comparison.report import NAME, write_report
from imlgcn.comparison.search import search
from imlgcn.comparison.table import Row, as_csv, as_markdown, make_row
from imlgcn.config import CONTROL, EmbeddingSettings, HeadTraining, LossSettings, train_settings
from imlgcn.data.dataset import Dataset
from imlgcn.data.ready import with_learnable_labels, with_splits
from imlgcn.data.source import DataSource
from imlgcn.errors import InputError
from imlgcn.files import atomic_path, write_atomic
from imlgcn.labels.context import LabelContext
from imlgcn.metrics.ranking import mean_average_precision
from imlgcn.models import HEADS, Backbone, create_backbone, head_options
from imlgcn.numbers import number, plural
from imlgcn.progress import SILENT, Progress
from imlgcn.tagger import load_classifier
from imlgcn.training.extract import extract_features, extract_maps, weights_hash
from imlgcn.training.stages import add_words, embed_labels

TRIALS = 13  # of one head, at most; the search ends earlier where no neighbour is better


@dataclass(frozen=True, eq=False)
class Comparison:
    """The rows of the table and their cells: entry -> one cell for each seed."""

    rows: tuple[Row, ...]
    cells: dict[str, list[Cell]]


def compare(
    data: Any,
    heads: str | Sequence[Entry],
    out: str | Path,
    *,
    backbone: str | Backbone = "efficientnet_lite0",
    size: int | None = None,
    weights: str | Path | None = None,
    preset: str = "small",
    epochs: int | None = None,
    seeds: int = 3,
    split: str = "test",
    words: str | Path | None = None,
    label_embeddings: Mapping[str, Any] | None = None,
    trials: int = TRIALS,
    device: str = "auto",
    progress: Progress = SILENT,
) -> Comparison:
    """Train every head on the same frozen features and write table, CSV and figure to ``out``.

    Learning rate and weight decay of each head are chosen on validation with the first seed, in
    steps of three from its preset (:func:`imlgcn.comparison.search.search`): no choice lies on the
    edge of what was tried, unless ``trials`` ran out. Then every seed is trained with them. All
    heads get the same images, features, rule of search and limit of epochs. A training that is in
    ``out`` already is not run again.

    Args:
        data: what ``imlgcn train`` takes; splits are made as there, with seed 0.
        heads: as in :func:`imlgcn.comparison.parse_entries`, or its result.
        out: the folder to write.
        backbone: a name, the folder of a tagger whose fine-tuned backbone is to be used, or a
            backbone.
        size, weights: of the backbone, as in ``imlgcn train``.
        preset: of the heads and their training.
        epochs: of every training; None takes those of each head's preset, 40 or fewer.
        seeds: how many, from 0.
        split: the split to report; ``val`` leaves the test images alone.
        words: label vectors for heads that take them.
        label_embeddings: fields of `imlgcn.config.EmbeddingSettings` that differ from the defaults.
        trials: of each head in the search, at most; 1 takes its preset.
        device: as for :func:`imlgcn.engines.device.choose_device`.
        progress: receives bars and messages.

    Raises:
        InputError: an unknown head, a missing split, or a folder that cannot be written.
    """
    entries = parse_entries(heads) if isinstance(heads, str) else tuple(heads)
    if split not in ("val", "test"):
        raise InputError(f"split= takes 'val' or 'test'; got {split!r}")
    if seeds < 1 or (epochs is not None and epochs < 1):
        raise InputError(f"seeds and epochs are 1 or more; got {seeds} and {epochs}")
    dataset = DataSource.of(data).load()
    dataset, _ = with_splits(dataset, 0, progress)
    dataset = with_learnable_labels(dataset, progress)
    if split not in dataset.splits:
        raise InputError(
            f"the data has no split {split!r} to report; make one with `imlgcn split` or report val"
        )
    if not (dataset.split(split).targets == 1).any():
        raise InputError(
            f"no image of the split {split!r} is known to show any label: nothing to rank"
        )
    given = {**(label_embeddings or {}), "words": str(words) if words else None}
    settings = train_settings({"label_embeddings": given}).label_embeddings
    network = _open_backbone(backbone, weights, size)
    network.image_settings = network.image_settings.model_copy(
        update={"fit": train_settings(preset=preset).fit}
    )
    material = prepare(dataset, network, entries, settings, preset, progress, device)
    folder = Path(out) / "cells"
    cells, chosen = {}, {}
    for entry in entries:
        cells[entry.name], chosen[entry.name] = _run_entry(
            entry,
            material,
            folder,
            trials,
            preset=preset,
            epochs=epochs,
            seeds=seeds,
            say=progress.say,
        )
    rows = tuple(
        make_row(
            entry.name,
            chosen[entry.name],
            cells[entry.name],
            cells[entries[0].name],
            (material.val.dataset.targets, material.test.dataset.targets),
            dataset.names,
            split=split,
        )
        for entry in entries
    )
    scored = (material.test if split == "test" else material.val).dataset
    note = (
        f"{dataset.reader or 'data'}: {network.name}, frozen, input size "
        f"{network.image_settings.size}, "
        f"{plural(len(scored), 'image')} of the split {split!r}, "
        f"{plural(len(dataset.names), 'label')}, "
        f"mean of {plural(seeds, 'seed')} (± their standard deviation), preset `{preset}`, mAP "
        "with protocol "
        '"default"; metrics in percent, calibration and thresholds from validation. The interval '
        "resamples images, paired. Times were measured on this machine, ms per image of the head "
        "alone."
    )
    environment = describe()
    _write(Path(out), rows, f"{note}\n\n{environment}\n\n")
    write_report(
        Path(out) / NAME,
        rows,
        cells,
        scored.targets,
        dataset.names,
        split=split,
        note=note,
        environment=environment,
    )
    return Comparison(rows, cells)


def _open_backbone(
    backbone: str | Backbone, weights: str | Path | None, size: int | None
) -> Backbone:
    if isinstance(backbone, Backbone):
        return backbone
    if not Path(backbone).is_dir():
        return create_backbone(backbone, weights=weights, size=size)
    if weights is not None:
        raise InputError(f"{backbone} is a tagger with its own weights; leave weights= out")
    network = load_classifier(Path(backbone))[0].backbone
    if size is not None:
        network.check_size(size)
        network.image_settings = network.image_settings.model_copy(update={"size": size})
    return network


def prepare(
    dataset: Dataset,
    backbone: Backbone,
    entries: Sequence[Entry],
    settings: EmbeddingSettings,
    preset: str,
    progress: Progress,
    device: str = "auto",
) -> Material:
    """Extract the features that the entries need, and describe the labels from the train split."""
    features = extract_features(backbone, dataset, device=device, progress=progress)
    levels = {HEADS[entry.head].feature_levels for entry in entries}
    splits = features.dataset.splits
    train = features.split("train")[1]
    context = LabelContext.from_targets(dataset.names, train.dataset.targets)
    context = embed_labels(context, train, settings)
    options = [head_options(entry.head, preset, **entry.options) for entry in entries]
    if any(given.get("embedding") == "words" for given in options):
        context = add_words(context, settings.words, progress)
    if any(given.get("pooling") is None for given in options):
        features = extract_maps(backbone, features, max(levels), progress=progress)
    parts = {name: features.split(name)[1] for name in splits}
    return Material(
        train=parts["train"],
        val=parts["val"],
        test=parts.get("test", parts["val"]),
        context=context,
        backbone=backbone,
        device=device,
        fingerprint=_fingerprint(features.dataset, backbone, context, settings),
    )


def _fingerprint(
    dataset: Dataset, backbone: Backbone, context: LabelContext, settings: EmbeddingSettings
) -> str:
    """Return a hash of what every cell depends on; images count by name, not by content."""
    digest = hashlib.sha256(weights_hash(backbone).encode())
    digest.update(backbone.image_settings.model_dump_json().encode())
    digest.update(settings.model_dump_json(exclude={"words"}).encode())
    digest.update("\0".join(dataset.names).encode())
    for record in dataset.records:
        digest.update(f"{record.name}\0{record.split}\0".encode())
    digest.update(dataset.targets.tobytes())
    if "words" in context.embeddings:  # the others follow from images and targets
        digest.update(context.embeddings["words"].tobytes())
    return digest.hexdigest()


def _run_entry(
    entry: Entry,
    material: Material,
    folder: Path,
    trials: int,
    *,
    preset: str,
    epochs: int | None,
    seeds: int,
    say: Callable[[str], None],
) -> tuple[list[Cell], str]:
    """Search on validation with the first seed; return the cells of all seeds."""
    base, loss = _training(entry.head, preset, epochs)
    options = head_options(entry.head, preset, **entry.options)
    run = partial(run_cell, entry, options, loss=loss, material=material, folder=folder)
    targets = material.val.dataset.targets
    formula = HEADS[entry.head].closed_form  # it has neither rate nor decay

    def with_factors(rate: float, decay: float) -> HeadTraining:
        changed = {
            "learning_rate": base.learning_rate * rate,
            "weight_decay": base.weight_decay * decay,
        }
        return base.model_copy(update=changed)

    def value_of(rate: float, decay: float) -> float:
        cell = run(training=with_factors(rate, decay), seed=0)
        return 100 * mean_average_precision(cell.val, targets)[0]

    value, factors = search(value_of, 1 if formula else trials)
    training = with_factors(*factors)
    text = f"lr {training.learning_rate:.2g}, wd {training.weight_decay:.2g}"
    text = "a closed form" if formula else text
    say(f"{entry.name}: validation mAP {number(value)} with {text}")
    return [run(training=training, seed=seed) for seed in range(seeds)], text


def _training(head: str, preset: str, epochs: int | None) -> tuple[HeadTraining, LossSettings]:
    layer = {"head_training": HEADS[head].TRAINING.get(preset, {})}
    settings = train_settings(layer, preset=preset)
    stage = settings.linear_training if head == CONTROL else settings.head_training
    return stage.model_copy(update={"epochs": epochs or stage.epochs}), settings.loss


def _write(out: Path, rows: Sequence[Row], note: str) -> None:
    write_atomic(out / "compare.csv", as_csv(rows))
    write_atomic(out / "compare.md", note + as_markdown(rows))
    figure = cost_figure(rows)
    for suffix in ("svg", "png"):
        with atomic_path(out / f"compare.{suffix}") as temporary:
            figure.savefig(temporary, format=suffix, dpi=160)
