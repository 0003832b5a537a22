"""Evaluation of scores and taggers: calibration and thresholds fitted on validation, metrics.

Shapes: N images, L labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imlgcn.config import InputError
from imlgcn.data.dataset import Dataset, load_dataset
from imlgcn.data.features import features_for
from imlgcn.metrics.calibration import fit_platt, sigmoid
from imlgcn.metrics.f1 import predict_labels
from imlgcn.metrics.intervals import f1_intervals
from imlgcn.metrics.papers import PUBLISHED, check_protocol, raw_probabilities
from imlgcn.metrics.protocol import evaluate_scores, evaluate_uncalibrated
from imlgcn.metrics.thresholds import fit_thresholds
from imlgcn.progress import SILENT, Progress
from imlgcn.tagger import LabelCalibration, Tagger
from imlgcn.tagger.folder import SPLIT
from imlgcn.tagger.scores import ScoredSplit


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
    probabilities = calibration.apply(logits)
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
    metrics = evaluate_scores(
        calibration.platt.apply(logits),
        targets,
        names,
        thresholds=np.array(calibration.threshold),
        protocol=protocol,
    )
    metrics["before_calibration"] = evaluate_uncalibrated(sigmoid(logits), targets)
    predicted = predict_labels(calibration.platt.apply(logits), np.array(calibration.threshold))
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


def evaluate(
    tagger: Tagger | str | Path,
    data: Dataset | str | Path,
    *,
    split: str | None = "test",
    protocol: str = "default",
    progress: Progress = SILENT,
) -> Evaluation:
    """Score ``data`` with a tagger and return its metrics; labels are matched by name.

    A label of the tagger that the data lacks is left out; a label of the data that the tagger lacks
    is listed under ``ignored_labels``, an image that cannot be read under ``failed_images``.

    Args:
        tagger: a tagger, or its folder.
        data: a data set, or what :func:`imlgcn.load_dataset` reads.
        split: ``train``, ``val`` or ``test``; None takes all images.
        protocol: a definition of mAP (``default``, ``voc07``, ...), or a paper's scoring
            (``ml_gcn``, ``asl``, ...).
        progress: told how many images are scored.

    Raises:
        InputError: unknown protocol, no such split, no label in common, or no readable image.
    """
    check_protocol(protocol)  # before any work
    tagger = tagger if isinstance(tagger, Tagger) else Tagger.load(tagger)
    dataset = data if isinstance(data, Dataset) else load_dataset(data)
    own = tagger.path / SPLIT
    if split is not None and not dataset.splits and own.is_file():
        raise InputError(
            f"the data has no splits; training made the ones in {own}: evaluate that file"
        )
    part = dataset if split is None else dataset.split(split)
    targets = _own_targets(tagger, part)
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
    metrics = evaluate_split(
        table.features, targets, tagger.labels, tagger.info.calibration, protocol
    )
    metrics["split"] = split or "all"
    metrics["failed_images"] = {part.records[row].name: why for row, why in table.failed.items()}
    metrics["ignored_labels"] = [name for name in part.names if name not in tagger.labels]
    records = [part.records[row] for row in table.rows]
    scored = ScoredSplit(
        metrics["split"],
        tuple(record.name for record in records),
        table.features,
        tagger.calibration.apply(table.features),
        targets,
    )
    return Evaluation(metrics, scored, {record.name: record.path for record in records})


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
    return targets
