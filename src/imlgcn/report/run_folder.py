"""What a report is made from: a tagger folder, read without torch; what is missing is empty."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray

from imlgcn.config import InputError
from imlgcn.data.dataset import load_dataset
from imlgcn.labels.context import LabelContext
from imlgcn.predictions import ScoredSplit, read_predictions

if TYPE_CHECKING:
    from imlgcn.evaluate import Evaluation
    from imlgcn.tagger import Tagger, TaggerInfo

Curves = dict[str, dict[str, list[tuple[float, float]]]]  # what -> stage -> (epoch, value)
LOGGED = ("loss", "val_mAP")
STORED = "labels."  # prefix of what model.safetensors holds of the labels
LINEAR_WEIGHT = "head.weight"  # (L, C) of the linear head
VECTORS = {  # kind -> what to call it
    "image_pca": "principal components of image-based label embeddings (F_PCA)",
    "image": "image-based label embeddings (F_I)",
    "words": "word vectors of the label names",
}


class LabelVectors(NamedTuple):
    """One vector per label (L, D), and what to call them."""

    what: str
    values: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class RunFolder:
    """A tagger and the scores it is judged by, as the report sees them."""

    name: str
    info: TaggerInfo
    metrics: dict[str, Any]
    config: str  # the text of config.yaml
    curves: Curves
    scored: ScoredSplit | None  # the split that `metrics` judges
    context: LabelContext | None
    vectors: LabelVectors | None
    images: Mapping[str, Path] = field(default_factory=dict)  # name in `scored` -> file
    data: str | None = None  # what was judged, where that is not the data of the training

    @property
    def imported(self) -> bool:
        """A published checkpoint: nothing of it was trained, fitted or calibrated here."""
        return bool(self.info.origin)

    @property
    def paper(self) -> bool:
        """Judged by a paper's own protocol: raw scores at its threshold, not calibrated ones."""
        return "paper" in self.metrics

    @property
    def settings(self) -> dict[str, Any]:
        """The content of config.yaml; empty where it cannot be read."""
        try:
            content = yaml.safe_load(self.config)
        except yaml.YAMLError:
            return {}
        return content if isinstance(content, dict) else {}


def read_run_folder(tagger: Tagger) -> RunFolder:
    """Read everything but the images.

    A piece that is missing or damaged costs its section, never the report.
    """
    path = tagger.path
    # model.json keeps the headline numbers: enough where metrics.json is gone
    metrics = _read_metrics(path) or dict(tagger.info.metrics)
    arrays = _read_arrays(path)
    context = _context(arrays, tagger.labels)
    return RunFolder(
        name=path.resolve().name,
        info=tagger.info,
        metrics=metrics,
        config=_read_text(path / "config.yaml"),
        curves=_read_curves(_read_text(path / "log.jsonl")),
        scored=_read_scores(path, tagger.labels, metrics.get("split")),
        context=context,
        vectors=_vectors(context, arrays, tagger.info),
    )


def find_images(run: RunFolder) -> dict[str, Path]:
    """Return the files of the images a run was judged by; empty where its data is not at hand."""
    settings = run.settings
    if run.scored is None or not isinstance(settings.get("data"), str):
        return {}
    try:
        dataset = load_dataset(
            settings["data"],
            reader=settings.get("reader"),
            variant=settings.get("variant"),
            delimiter=settings.get("delimiter"),
        )
    except (InputError, OSError):
        return {}
    return dataset.files


def with_evaluation(run: RunFolder, evaluation: Evaluation, data: str) -> RunFolder:
    """Return the run judged by an evaluation instead of by its own training.

    The control's numbers are kept where the very same images are judged by the same protocol.
    """
    metrics, scored, own = dict(evaluation.metrics), evaluation.scored, run.scored
    metrics.setdefault("head", run.info.head.name)
    if (
        own is not None
        and own.images == scored.images
        and np.array_equal(own.targets, scored.targets)
        and run.metrics.get("protocol") == metrics["protocol"]
    ):
        scored = replace(scored, control=own.control)
        kept = ("control", "difference_to_control")
        metrics |= {key: run.metrics[key] for key in kept if key in run.metrics}
    return replace(run, metrics=metrics, scored=scored, images=evaluation.images, data=data)


def _read_metrics(path: Path) -> dict[str, Any] | None:
    """Return the content of ``metrics.json`` in a tagger folder, or None."""
    try:
        content = json.loads(_read_text(path / "metrics.json"))
    except json.JSONDecodeError:
        return None
    return content if isinstance(content, dict) else None


def _read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _read_curves(text: str) -> Curves:
    """Return the logged values by stage; a stage that was begun twice keeps its later lines."""
    found: dict[str, dict[str, dict[float, float]]] = {key: {} for key in LOGGED}
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:  # the last line of a run that was cut off
            continue
        for key in LOGGED:
            if isinstance(row, dict) and row.get(key) is not None and "epoch" in row:
                stage = found[key].setdefault(str(row.get("stage", "training")), {})
                stage[float(row["epoch"])] = float(row[key])
    return {
        key: {stage: sorted(points.items()) for stage, points in stages.items()}
        for key, stages in found.items()
    }


def _read_scores(path: Path, labels: tuple[str, ...], split: object) -> ScoredSplit | None:
    try:
        return read_predictions(path / "predictions.parquet", labels, str(split))
    except (InputError, ValueError, KeyError, OSError):  # pyarrow's errors are ValueErrors
        return None


def read_context(path: Path, labels: tuple[str, ...]) -> LabelContext | None:
    """Return what the weights file of a tagger folder says of its labels; None without one."""
    return _context(_read_arrays(path), labels)


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return what the weights file holds of the labels, and the linear head's weight."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path / "model.safetensors", framework="numpy") as file:
            keys = [k for k in file.keys() if k.startswith(STORED) or k == LINEAR_WEIGHT]  # noqa: SIM118
            return {key: file.get_tensor(key) for key in keys}
    except (SafetensorError, OSError):
        return {}


def _context(arrays: Mapping[str, NDArray[Any]], labels: tuple[str, ...]) -> LabelContext | None:
    stored = {k.removeprefix(STORED): v for k, v in arrays.items() if k.startswith(STORED)}
    try:
        return LabelContext.from_arrays(labels, stored)
    except InputError:
        return None


def _vectors(
    context: LabelContext | None, arrays: Mapping[str, NDArray[Any]], info: TaggerInfo
) -> LabelVectors | None:
    """Return the embedding that the head was built on, or another, or a linear head's weight."""
    stored = {} if context is None else dict(context.embeddings)
    kinds = [str(info.head.options.get("embedding")), *VECTORS]
    for kind in kinds:
        if kind in stored and kind in VECTORS:
            return LabelVectors(VECTORS[kind], stored[kind])
    weight = arrays.get(LINEAR_WEIGHT)
    if (
        info.head.name == "linear"
        and weight is not None
        and weight.shape[:1] == (len(info.labels),)
    ):
        values = weight.astype(np.float32)
        return LabelVectors("classifiers of the linear head, one vector per label", values)
    return None
