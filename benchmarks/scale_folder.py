"""The stages of :mod:`benchmarks.scale` that read or write a tagger folder, head linear."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from benchmarks.report import draw_images
from benchmarks.scale_stages import Data, Work
from imlgcn.evaluation import evaluate_split
from imlgcn.models import MultiLabelClassifier, create_backbone, create_head
from imlgcn.report import write_report
from imlgcn.tagger import LabelCalibration, Part, Tagger, TaggerInfo, save_tagger
from imlgcn.tagger.info import library_versions
from imlgcn.tagger.scores import ScoredSplit, write_predictions

BACKBONE = "efficientnet_lite0"


def folder_of(data: Data, folder: Path) -> tuple[Tagger, nn.Module]:
    """Write a tagger with scores of a test split and metrics; return it and its head."""
    backbone = create_backbone(BACKBONE, pretrained=False)
    context = data.context
    head = create_head("linear", backbone.channels(1), context)
    calibration = LabelCalibration(
        slope=[1.0] * data.L,
        intercept=[0.0] * data.L,
        threshold=[0.4] * data.L,
        positives=context.occurrences.tolist(),
    )
    info = TaggerInfo(
        labels=list(data.names),
        backbone=Part(name=BACKBONE),
        head=Part(name="linear"),
        image=backbone.image_settings,
        calibration=calibration,
        versions=library_versions(),
    )
    tagger = save_tagger(folder, MultiLabelClassifier(backbone, head), context, info)
    images = tuple(f"{row}.jpg" for row in range(data.N))
    probabilities = calibration.platt.apply(data.scores)
    scored = ScoredSplit("test", images, data.scores, probabilities, data.targets)
    write_predictions(folder / "predictions.parquet", data.names, [scored])
    return tagger, head


@contextmanager
def _temporary() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def save(data: Data) -> Work:
    """The tagger folder with stored scores, written."""
    _ = data.scores

    def work() -> dict[str, float]:
        with _temporary() as folder:
            folder_of(data, folder)
            files = {path.name: path.stat().st_size for path in folder.iterdir()}
        return {"MB": sum(files.values()) / 1e6}

    return work


def load(data: Data) -> Work:
    """The tagger loaded with its counts, and stored scores of a test split read."""
    kept = tempfile.TemporaryDirectory()
    folder_of(data, Path(kept.name))

    def work() -> None:
        tagger = Tagger.load(kept.name)
        _ = tagger.folder.context, tagger.folder.scored("test")
        _ = tagger.engine.batch

    return work


def predict(data: Data) -> Work:
    """Scores, calibration and tags of images from their features; the backbone is left out."""
    with _temporary() as folder:
        tagger, head = folder_of(data, folder)
        tagger.tags(tagger.calibration.apply(data.scores[:1])[0])
    vectors = torch.from_numpy(data.vectors[:, :, None, None])

    def work() -> None:
        for part in torch.split(vectors, 256):
            with torch.inference_mode():
                logits = head(part).numpy()
            for row in tagger.calibration.apply(logits):
                tagger.tags(row)

    return work


def report(data: Data) -> Work:
    """report.html, with a gallery."""
    kept = tempfile.TemporaryDirectory()
    folder = Path(kept.name)
    tagger, _ = folder_of(data, folder)
    scored = evaluate_split(data.scores, data.targets, data.names, tagger.info.calibration)
    (folder / "metrics.json").write_text(json.dumps({"split": "test", "head": "linear", **scored}))
    draw_images(folder / "images")
    files = sorted((folder / "images").iterdir())
    images = {f"{row}.jpg": files[row % len(files)] for row in range(data.N)}
    tagger = Tagger.load(folder)

    def work() -> dict[str, float]:
        path = write_report(tagger, images=images)
        _ = kept
        return {"MB": path.stat().st_size / 1e6}

    return work
