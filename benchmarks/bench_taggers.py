"""Taggers to time: untrained heads on any backbone, exported; what they say means nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from imlgcn.files import cache_dir

LABELS = 80


def tagger_with_onnx(backbone: str, size: int) -> Path:
    """Return a tagger folder with a linear head of 80 labels and its ONNX file, made once.

    Its first labels are those of Open Clip Art, on which an int8 file is judged.
    """
    folder = cache_dir() / "benchmarks" / "taggers" / f"{backbone}-{size}-{LABELS}"
    if not (folder / "model.onnx").exists():
        from imlgcn.exporting import export

        _save(folder, backbone, size)
        export(folder, "onnx", calibration="openclipart")
    return folder


def _save(folder: Path, backbone: str, size: int) -> None:
    import torch

    from imlgcn.data.dataset import load_dataset
    from imlgcn.labels.context import LabelContext
    from imlgcn.models import MultiLabelClassifier, create_backbone, create_head
    from imlgcn.tagger import LabelCalibration, Part, TaggerInfo, save_tagger

    torch.manual_seed(0)
    known = load_dataset("openclipart").names
    names = (*known, *(f"label {number}" for number in range(len(known), LABELS)))
    body = create_backbone(backbone, pretrained=False, size=size)
    context = LabelContext.from_targets(names, np.eye(LABELS, dtype=np.int8))
    head = create_head("linear", body.out_channels, context)
    info = TaggerInfo(
        labels=list(names),
        backbone=Part(name=backbone),
        head=Part(name="linear"),
        image=body.image_settings.model_copy(update={"size": size}),
        calibration=LabelCalibration(
            slope=[1.0] * LABELS,
            intercept=[0.0] * LABELS,
            threshold=[0.5] * LABELS,
            positives=[1] * LABELS,
        ),
    )
    folder.mkdir(parents=True, exist_ok=True)
    save_tagger(folder, MultiLabelClassifier(body, head), context, info)


def int8_file(tagger: Path) -> Path | str:
    """Return the tagger's int8 file, made once, or why there is none."""
    path = tagger / "int8.onnx"
    if not path.exists():
        program = (sys.executable, "-c", "from imlgcn.cli import main; main()", "export")
        data = ("--calibration", "openclipart", "--max-drop", "100")
        done = subprocess.run(
            [*program, str(tagger), "--int8", *data, "--out", str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode or not path.exists():
            return (done.stderr.strip().splitlines() or ["export wrote nothing"])[-1]
    return path
