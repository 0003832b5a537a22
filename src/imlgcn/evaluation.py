"""Judging scores and taggers: calibration and thresholds from validation, metrics by protocol.

Shapes: N images, L labels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.config import InputError
from imlgcn.data.dataset import Dataset, load_dataset
from imlgcn.data.features import features_for
from imlgcn.metrics.calibration import Calibration, fit_platt, sigmoid
from imlgcn.metrics.papers import PUBLISHED, check_protocol, raw_probabilities
from imlgcn.metrics.protocol import evaluate_scores
from imlgcn.metrics.thresholds import fit_thresholds
from imlgcn.progress import SILENT, Progress
from imlgcn.tagger import LabelScale, Tagger
from imlgcn.tagger.folder import SPLIT
from imlgcn.tagger.scores import ScoredSplit


def fit_scale(
    logits: NDArray[np.float32], targets: NDArray[np.int8], goal: str = "f1"
) -> LabelScale:
    """Fit Platt calibration, then thresholds for ``goal``, on validation ``(N, L)``."""
    calibration = fit_platt(logits, targets)
    thresholds = fit_thresholds(calibration.apply(logits), targets, goal)
    return LabelScale(
        slope=calibration.slope.tolist(),
        intercept=calibration.intercept.tolist(),
        threshold=thresholds.tolist(),
        goal=goal,
        positives=calibration.positives.tolist(),
    )


def judge(
    logits: NDArray[np.float32],
    targets: NDArray[np.int8],
    names: tuple[str, ...],
    scale: LabelScale,
    protocol: str = "default",
) -> dict[str, Any]:
    """Return all metrics of calibrated scores, in percent, and what calibration changed.

    A published protocol judges the raw logits with the paper's threshold; ``scale`` is not used.
    """
    if protocol in PUBLISHED:
        probabilities = raw_probabilities(logits, protocol)
        return evaluate_scores(probabilities, targets, names, protocol=protocol)
    calibration = Calibration(
        np.array(scale.slope), np.array(scale.intercept), np.array(scale.positives)
    )
    metrics = evaluate_scores(
        calibration.apply(logits),
        targets,
        names,
        thresholds=np.array(scale.threshold),
        protocol=protocol,
    )
    raw = evaluate_scores(
        sigmoid(logits.astype(np.float64)), targets, names, thresholds=0.5, protocol=protocol
    )
    kept = ("ECE", "classwise_ECE", "log_loss", "OF1", "CF1", "CF1_per_label")
    metrics["before_calibration"] = {key: raw[key] for key in kept}
    return metrics


class Evaluation(NamedTuple):
    """What a tagger scored on data: all metrics, the scores behind them, and the image files."""

    metrics: dict[str, Any]
    scored: ScoredSplit
    images: dict[str, Path]  # name in `scored` -> file


def evaluate(
    tagger: Tagger | str | Path,
    data: Dataset | str | Path,
    *,
    split: str | None = "test",
    protocol: str = "default",
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Score ``data`` with a tagger and return its metrics; labels are matched by name.

    A label of the tagger that the data does not have is left out; a label of the data that the
    tagger does not have is listed under ``ignored_labels``. ``split=None`` takes all images.
    ``protocol`` names a way to compute mAP, or the scoring of a paper (``ml_gcn``, ``asl``, ...).

    Raises:
        InputError: no such split, no label in common, or no image that can be read.
    """
    return evaluate_images(tagger, data, split=split, protocol=protocol, progress=progress).metrics


def evaluate_images(
    tagger: Tagger | str | Path,
    data: Dataset | str | Path,
    *,
    split: str | None = "test",
    protocol: str = "default",
    progress: Progress = SILENT,
) -> Evaluation:
    """Do what :func:`evaluate` does and keep the scores, for a report."""
    check_protocol(protocol)  # before the work: an InputError for an unknown one
    tagger = tagger if isinstance(tagger, Tagger) else Tagger.load(tagger)
    dataset = data if isinstance(data, Dataset) else load_dataset(data)
    own = tagger.path / SPLIT
    if split is not None and not dataset.splits and own.is_file():
        raise InputError(f"the data has no splits; those made in training are in {own}: give that")
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
    metrics = judge(table.features, targets, tagger.labels, tagger.info.scale, protocol)
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
    """Return the targets of the tagger's labels (N, L), unknown where the data lacks a label."""
    common = [name for name in tagger.labels if name in part.names]
    if not common:
        raise InputError(
            f"the data has none of the tagger's labels ({', '.join(tagger.labels[:5])}, ...); "
            f"it has {', '.join(part.names[:5])}, ..."
        )
    targets = np.full((len(part), len(tagger.labels)), -1, np.int8)
    columns = [tagger.labels.index(name) for name in common]
    targets[:, columns] = part.targets[:, [part.names.index(name) for name in common]]
    return targets
