"""What a training has reached: calibration, metrics, the control and what was tried beside it.

Shapes: N images, L labels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.config import AUTO, CONTROL, TrainSettings
from imlgcn.evaluation import evaluate_split, fit_label_calibration
from imlgcn.labels.known import PairCounts
from imlgcn.metrics.f1 import predict_labels
from imlgcn.metrics.intervals import f1_differences, number_of_samples
from imlgcn.metrics.known_labels import fit_known
from imlgcn.metrics.protocol import paired_bootstrap
from imlgcn.progress import Progress
from imlgcn.tagger import LabelCalibration
from imlgcn.tagger.info import KnownSettings
from imlgcn.tagger.scores import ScoredSplit
from imlgcn.tagger.scores_sample import OUT_OF_FOLD
from imlgcn.training.run import Scores, Trained

TESTED = ("mAP", "OF1", "CF1_per_label", "ECE", "log_loss")  # of a head that was tried
CONTROL_NOTE = "linear head on the same features, its own calibration and thresholds"
FINE_TUNED_NOTE = (
    "linear head of stage 1 with the backbone as tuned in that stage, half of all epochs; "
    "its own calibration and thresholds"
)


def judge(
    trained: Trained, settings: TrainSettings, progress: Progress
) -> tuple[LabelCalibration, dict[str, Any]]:
    """Return the calibration and what ``metrics.json`` says.

    Metrics are of the test split; without one, of the images that calibration is fitted on.
    """
    names = trained.dataset.names
    fitted = _fitted_on(trained, trained.scores)
    calibration = _calibrate(fitted, settings)
    split = "test" if "test" in trained.scores else fitted.name
    scored = _test(trained, trained.scores) if split == "test" else fitted
    final = evaluate_split(scored.logits, scored.targets, names, calibration)
    metrics: dict[str, Any] = {"split": split, **final, "head": trained.head}
    if split == "test":
        found = evaluate_split(fitted.logits, fitted.targets, names, calibration)
        metrics["out_of_fold" if trained.folds else "validation"] = found
    if trained.control is not None:
        beside = trained, trained.control, scored, calibration, settings, progress
        metrics |= _beside_control(*beside)
    if trained.attempts:
        metrics["tried"] = [
            _attempt(trained, settings, attempt.to_json()) for attempt in trained.attempts
        ]
    metrics["failed_images"] = trained.failed
    return calibration, metrics


def fit_known_settings(
    trained: Trained, calibration: LabelCalibration, preset: str
) -> KnownSettings:
    """Return how known labels move the others, fitted on the images calibration is fitted on.

    A head that takes known labels as an input keeps its own way where the two have not been
    compared: with the preset ``paper``. With ``small``, counts gain 15.1 mAP on Open Clip Art with
    one known tag, the head C-Tran itself 3.3.
    """
    fitted = _fitted_on(trained, trained.scores)
    logits = calibration.platt.logits(fitted.logits)
    counts = PairCounts.from_context(trained.context)
    found = fit_known(logits, fitted.targets, counts, fitted.folds)
    return KnownSettings(
        by="head" if trained.classifier.uses_known and preset == "paper" else "counts",
        beta=found.beta,
        surprise=found.surprise,
        smoothing=found.smoothing,
        slope=found.slope.tolist(),
        offset=found.offset.tolist(),
    )


def scored_splits(
    trained: Trained, calibration: LabelCalibration, *, named: bool = True
) -> list[ScoredSplit]:
    """Return what ``predictions.parquet`` holds; without ``named``, learnt images have numbers."""
    parts = []
    for name, logits in trained.scores.items():
        part = trained.dataset.split(name)
        images = tuple(record.name for record in part.records)
        if name in trained.folds and not named:
            images = tuple(f"{name} {number + 1}" for number in range(len(images)))
        parts.append(
            ScoredSplit(
                name,
                images,
                logits,
                calibration.platt.apply(logits),
                part.targets,
                control=None if trained.control is None else trained.control[name],
                folds=trained.folds.get(name),
            )
        )
    return parts


class _Scored(NamedTuple):
    name: str
    logits: NDArray[Any]  # (N, L)
    targets: NDArray[np.int8]  # (N, L)
    folds: NDArray[Any] | None = None  # (N,)


def _fitted_on(trained: Trained, scores: Scores) -> _Scored:
    """Return the scores that calibration is fitted on: out-of-fold, or of validation."""
    names = list(trained.folds) or ["val"]
    targets = [trained.dataset.split(name).targets for name in names]
    folds = [trained.folds[name] for name in names if name in trained.folds]
    return _Scored(
        OUT_OF_FOLD if folds else "val",
        np.concatenate([scores[name] for name in names]),
        np.concatenate(targets),
        np.concatenate(folds) if folds else None,
    )


def _test(trained: Trained, scores: Scores) -> _Scored:
    return _Scored("test", scores["test"], trained.dataset.split("test").targets)


def _calibrate(scored: _Scored, settings: TrainSettings) -> LabelCalibration:
    return fit_label_calibration(
        scored.logits, scored.targets, settings.threshold, folds=scored.folds
    )


def _beside_control(
    trained: Trained,
    control: Scores,
    scored: _Scored,
    calibration: LabelCalibration,
    settings: TrainSettings,
    progress: Progress,
) -> dict[str, Any]:
    """Return the control's metrics, calibrated on its own scores, and the difference to it."""
    own = _calibrate(_fitted_on(trained, control), settings)
    theirs = _test(trained, control) if scored.name == "test" else _fitted_on(trained, control)
    together = settings.fine_tune and settings.head != AUTO and not trained.folds
    found = evaluate_split(theirs.logits, theirs.targets, trained.dataset.names, own)
    note = FINE_TUNED_NOTE if together else CONTROL_NOTE
    metrics: dict[str, Any] = {"control": {"head": CONTROL, "note": note, **found}}
    if found["mAP"] is not None:  # None: no label of the split has a positive image
        difference = paired_bootstrap(
            scored.logits,
            theirs.logits,
            scored.targets,
            samples=number_of_samples(scored.targets),
            progress=progress,
        )
        metrics["difference_to_control"] = dict(
            zip(("mAP", "low", "high"), difference, strict=True),
            interval="95 %, paired bootstrap",
            **f1_differences(
                _predicted(scored, calibration), _predicted(theirs, own), scored.targets
            ),
        )
    return metrics


def _predicted(scored: _Scored, calibration: LabelCalibration) -> NDArray[np.bool_]:
    """Return the tags (N, L)."""
    probabilities = calibration.platt.apply(scored.logits)
    return predict_labels(probabilities, np.array(calibration.threshold))


def _attempt(trained: Trained, settings: TrainSettings, row: dict[str, Any]) -> dict[str, Any]:
    """Return a head that was tried with its metrics on the test split, which played no part."""
    scores = trained.tried[row["head"]]
    if "test" not in scores:
        return row
    own = _calibrate(_fitted_on(trained, scores), settings)
    test = _test(trained, scores)
    found = evaluate_split(test.logits, test.targets, trained.dataset.names, own)
    return row | {"test": {key: found[key] for key in TESTED}}
