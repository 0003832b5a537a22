"""Evaluation of scores and taggers: calibration and thresholds fitted on validation, metrics.

Shapes: N images, L labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from json import dumps
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imlgcn.data.dataset import Dataset
from imlgcn.data.features import features_for
from imlgcn.data.formats.base import Record
from imlgcn.data.source import DataSource
from imlgcn.errors import InputError
from imlgcn.files import write_atomic
from imlgcn.labels.label_rows import LabelRow
from imlgcn.labels.label_table import LabelTable
from imlgcn.metrics.blocks import by_rows
from imlgcn.metrics.calibration import fit_platt, sigmoid
from imlgcn.metrics.f1 import predict_labels
from imlgcn.metrics.intervals import f1_intervals
from imlgcn.metrics.known_labels import parse_reveal
from imlgcn.metrics.papers import PUBLISHED, check_protocol, raw_probabilities
from imlgcn.metrics.protocol import evaluate_scores, evaluate_uncalibrated
from imlgcn.metrics.thresholds import fit_thresholds
from imlgcn.numbers import number, plural
from imlgcn.progress import SILENT, Progress
from imlgcn.revealed import evaluate_revealed
from imlgcn.tagger import LabelCalibration, Tagger
from imlgcn.tagger.folder import SPLIT
from imlgcn.tagger.given import given_tagger
from imlgcn.tagger.learnt import LearntImagesError as LearntImagesError
from imlgcn.tagger.learnt import contents_of, refuse_learnt
from imlgcn.tagger.scores import ScoredSplit

ALL = "all"  # images, of whatever split


def fit_label_calibration(
    logits: NDArray[np.float32],
    targets: NDArray[np.int8],
    operating_point: str = "f1",
    *,
    folds: NDArray[np.integer] | None = None,
) -> LabelCalibration:
    """Fit Platt calibration, then thresholds, on scores ``(N, L)`` of images not learnt.

    ``folds`` as for :func:`imlgcn.metrics.fit_thresholds`.
    """
    calibration = fit_platt(logits, targets)
    probabilities = by_rows(calibration.apply, logits, np.float64)
    thresholds = fit_thresholds(probabilities, targets, operating_point, folds=folds)
    return LabelCalibration(
        slope=calibration.slope.tolist(),
        intercept=calibration.intercept.tolist(),
        threshold=thresholds.tolist(),
        operating_point=operating_point,
        positives=calibration.positives.tolist(),
    )


def evaluate_split(
    logits: NDArray[np.float32],
    targets: NDArray[np.int8],
    names: tuple[str, ...],
    calibration: LabelCalibration,
    protocol: str = "default",
) -> dict[str, Any]:
    """Return all metrics of calibrated scores, in percent, and those before calibration.

    A published protocol evaluates the raw logits at the paper's threshold, without ``calibration``.

    Shape:
        - logits, targets ``(N, L)``
    """
    if protocol in PUBLISHED:
        probabilities = raw_probabilities(logits, protocol)
        return evaluate_scores(probabilities, targets, names, protocol=protocol)
    probabilities = by_rows(calibration.platt.apply, logits, np.float64)
    metrics = evaluate_scores(
        probabilities,
        targets,
        names,
        thresholds=np.array(calibration.threshold),
        protocol=protocol,
    )
    metrics["before_calibration"] = evaluate_uncalibrated(
        by_rows(sigmoid, logits, np.float64), targets
    )
    thresholds = np.array(calibration.threshold)
    predicted = by_rows(lambda part: predict_labels(part, thresholds), probabilities, np.bool_)
    metrics["intervals"] = f1_intervals(predicted, targets)
    return metrics


class Evaluation(dict[str, Any]):
    """The metrics of a tagger on data, as a dictionary ready for JSON, with the scores behind them.

    Attributes:
        scored: names of the evaluated images, logits, calibrated probabilities and targets.
        images: name in ``scored`` -> image file.
    """

    def __init__(
        self, metrics: Mapping[str, Any], scored: ScoredSplit, images: Mapping[str, Path]
    ) -> None:
        super().__init__(metrics)
        self.scored, self.images = scored, dict(images)

    def _repr_html_(self) -> str:
        """Return a card of the headline numbers, and the average precision of each label."""
        from imlgcn.notebook import Bar, bars, card, note, sides, tiles

        named = {"mAP": "mAP", "OF1": "OF1", "CF1": "CF1", "ECE": "calibration error"}
        quality = [(number(self[key]), called) for key, called in named.items() if key in self]
        found = {name: each.get("AP") for name, each in self.get("per_label", {}).items()}
        known = sorted((ap, name) for name, ap in found.items() if ap is not None)[::-1]
        rows = [Bar(name, ap / 100) for ap, name in known]
        title = f"{plural(self['num_images'], 'image')}, split {self.get('split') or 'all'}"
        parts = tiles(quality), note("average precision by label"), sides(bars(rows))
        return card(title, f"protocol {self['protocol']!r}, in percent", *parts)


def evaluate(
    tagger: Tagger | str | Path,
    data: Any,
    *,
    split: str | None = "test",
    protocol: str = "default",
    threshold: str | None = None,
    reveal: str | None = None,
    anyway: bool = False,
    device: str = "auto",
    known_by: str | None = None,
    json: str | Path | None = None,
    progress: Progress = SILENT,
    **how: Any,
) -> Evaluation:
    """Score ``data`` with a tagger and return its metrics; labels are matched by name.

    A label of the tagger that the data lacks is left out; a label of the data that the tagger lacks
    is listed under ``ignored_labels``, an image that cannot be read under ``failed_images``.
    Metrics are of the network and its fitted thresholds: of a label table, only the parents that
    the training gave its targets are used, for the same targets.

    Images that the tagger has learnt, by their names, splits and targets, keep the out-of-fold
    scores of the training: its own would be too good. ``out_of_fold_images`` counts them.
    ``learnt_images`` counts all images that the tagger has learnt, by the content of their files;
    it is None where a tagger does not know. More than one in a hundred that have no out-of-fold
    scores are refused: the result would be no test.

    Args:
        tagger: a tagger, or its folder.
        data: a data set, or what :func:`imlgcn.load_dataset` reads: files, or data in Python.
        split: ``train``, ``val`` or ``test``; None, or ``all``, takes all images.
        protocol: a definition of mAP (``default``, ``voc07``, ...), or a paper's scoring
            (``ml_gcn``, ``asl``, ...).
        threshold: ``f1``, ``f1-macro``, ``f1-micro``, ``precision=0.9``, ``recall=0.9`` or a
            number; None takes the tagger's own thresholds.
        reveal: also measure what known labels are worth, under the key ``reveal``
            (`imlgcn.revealed`): ``1``, one true label of each image, or ``25%`` of all values.
        anyway: evaluate also images that the tagger has learnt.
        device: as for :meth:`imlgcn.Tagger.load`, of a tagger that is given as its folder.
        known_by: as for :meth:`imlgcn.Tagger.with_known_by`.
        json: a file to write the metrics to as well.
        progress: told how many images are scored.
        how: how the data is read, as for :func:`imlgcn.load_dataset`, such as ``label_names``.

    Raises:
        InputError: unknown protocol, no such split, no label in common, or no readable image.
        LearntImagesError: the tagger has learnt images of the data.
    """
    check_protocol(protocol)  # before any work
    if reveal is not None:
        parse_reveal(reveal)
    tagger = given_tagger(tagger, device=device, known_by=known_by)
    dataset = DataSource.of(data, **how).load(progress)
    split = None if split == ALL else split
    part = _part(dataset, split, own=tagger.path / SPLIT)
    calibration = tagger.at(threshold).info.calibration
    targets = _own_targets(tagger, part)
    stored = _out_of_fold(tagger, part.records, targets)
    known = tagger.learnt_images()
    learnt = None if known is None else known.include(contents_of(part.paths))
    if split != "train":
        refuse_learnt(learnt, stored, progress, anyway=anyway)
    with tagger.engine.streaming() as streams:
        table = features_for(
            part.paths,
            extractor=tagger.engine.logits,
            settings=tagger.info.image,
            key="",
            cache=None,
            streams=streams,
            progress=progress,
            stage="scoring",
        )
    if not len(table.rows):
        raise InputError(f"no image can be read; first: {next(iter(table.failed.values()), '')}")
    targets = targets[table.rows]
    records = [part.records[row] for row in table.rows]
    logits = table.array  # its own: nothing is cached
    held = [at for at, row in enumerate(table.rows) if row in stored]
    for at in held:
        logits[at] = stored[int(table.rows[at])]
    if held:
        progress.say(
            f"{plural(len(held), 'image')} of {number(len(records), 0)} were learnt by the tagger: "
            "they keep the out-of-fold scores of the training"
        )
    metrics = evaluate_split(logits, targets, tagger.labels, calibration, protocol)
    metrics["split"] = split or ALL
    metrics["out_of_fold_images"] = len(held)
    metrics["learnt_images"] = None if learnt is None else int(learnt[table.rows].sum())
    metrics["failed_images"] = {part.records[row].name: why for row, why in table.failed.items()}
    metrics["ignored_labels"] = [name for name in part.names if name not in tagger.labels]
    scored = ScoredSplit(
        metrics["split"],
        tuple(record.name for record in records),
        logits,
        by_rows(tagger.calibration.apply, logits, np.float64),
        targets,
    )
    images = {record.name: record.path for record in records}
    if reveal is not None:
        metrics["reveal"] = evaluate_revealed(tagger, scored, images, reveal, progress=progress)
    _write(metrics, json)
    return Evaluation(metrics, scored, images)


def _part(dataset: Dataset, split: str | None, *, own: Path) -> Dataset:
    """Return a split; ``own`` is the file of those that the tagger's training has made."""
    if split is None:
        return dataset
    if not dataset.splits and own.is_file():
        raise InputError(
            f"the data has no splits; training made the ones in {own}: evaluate that file"
        )
    return dataset.split(split)


def _write(metrics: Mapping[str, Any], file: str | Path | None) -> None:
    if file is not None:
        write_atomic(Path(file), dumps(metrics, indent=1) + "\n")


def _out_of_fold(
    tagger: Tagger, records: Sequence[Record], targets: NDArray[np.int8]
) -> dict[int, NDArray[Any]]:
    """Return the stored scores ``(L,)`` of learnt images, by the row of their record.

    An image of data without splits is looked for in every split that was learnt.
    """
    stored: dict[tuple[str | None, str], tuple[NDArray[Any], NDArray[Any]]] = {}
    folder = tagger.training_folder
    for name in ("train", "val"):
        scored = None if folder is None else folder.scored(name)
        if scored is not None and scored.folds is not None:
            rows = zip(scored.images, scored.logits, scored.targets, strict=True)
            for image, own, truth in rows:
                stored[name, image] = stored[None, image] = (own, truth)
    kept = {}
    for row, record in enumerate(records):
        found = stored.get((record.split, record.name))
        if found is not None and np.array_equal(found[1], targets[row]):
            kept[row] = found[0]
    return kept


def _own_targets(tagger: Tagger, part: Dataset) -> NDArray[np.int8]:
    """Return targets (N, L) in the tagger's order of labels; unknown where the data lacks one."""
    common = [name for name in tagger.labels if name in part.names]
    if not common:
        raise InputError(
            f"the data has none of the tagger's labels ({', '.join(tagger.labels[:5])}, ...); "
            f"it has {', '.join(part.names[:5])}, ...: rename them to match"
        )
    targets = np.full((len(part), len(tagger.labels)), -1, np.int8)
    columns = [tagger.labels.index(name) for name in common]
    targets[:, columns] = part.targets[:, [part.names.index(name) for name in common]]
    targets[:, columns] = _learnt_parents(tagger).close_targets(targets)[:, columns]
    return targets


def _learnt_parents(tagger: Tagger) -> LabelTable:
    """Return a table with the parents that the training gave its targets."""
    if tagger.path.is_file():
        found: Mapping[str, Sequence[str]] = tagger.label_table.parents
    else:
        found = tagger.folder.config.get("label_parents") or {}
    rows = [LabelRow(label, parents=tuple(above)) for label, above in found.items()]
    old = [name for label, above in found.items() for name in (label, *above)]  # some may be gone
    return LabelTable.of(dict.fromkeys([*tagger.labels, *old]), rows).aligned(tagger.labels)
