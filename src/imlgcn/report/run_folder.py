"""What a tagger folder holds for a report, read without torch; what is missing is None or empty."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imlgcn.config import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.predictions import ScoredSplit, read_predictions

if TYPE_CHECKING:
    from imlgcn.tagger import Tagger, TaggerInfo

Curves = dict[str, dict[str, list[tuple[float, float]]]]  # what -> stage -> (epoch, value)
LOGGED = ("loss", "val_mAP")


@dataclass(frozen=True, eq=False)
class RunFolder:
    """A finished run as the report sees it."""

    name: str
    info: TaggerInfo
    metrics: dict[str, Any]
    config: str  # the text of config.yaml
    curves: Curves
    scored: ScoredSplit | None  # the split that `metrics` judges
    context: LabelContext | None


def read_run_folder(tagger: Tagger) -> RunFolder:
    """Read everything; a piece that is missing or damaged costs its section, never the report."""
    path = tagger.path
    # model.json keeps the headline numbers: enough where metrics.json is gone
    metrics = _read_metrics(path / "metrics.json") or dict(tagger.info.metrics)
    return RunFolder(
        name=path.resolve().name,
        info=tagger.info,
        metrics=metrics,
        config=_read_text(path / "config.yaml"),
        curves=_read_curves(_read_text(path / "log.jsonl")),
        scored=_read_scores(path, tagger.labels, metrics.get("split")),
        context=read_context(path, tagger.labels),
    )


def _read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _read_metrics(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(_read_text(path))
    except json.JSONDecodeError:
        return None
    return content if isinstance(content, dict) else None


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
    from safetensors import SafetensorError, safe_open

    prefix = "labels."
    try:
        with safe_open(path / "model.safetensors", framework="numpy") as file:
            keys = [key for key in file.keys() if key.startswith(prefix)]  # noqa: SIM118
            arrays = {key.removeprefix(prefix): file.get_tensor(key) for key in keys}
        return LabelContext.from_arrays(labels, arrays)
    except (InputError, SafetensorError, OSError):
        return None
