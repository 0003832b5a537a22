"""A tagger without a network, for tests of what goes on around one."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

from imlgcn.data.images import open_image
from imlgcn.errors import InputError
from imlgcn.image_settings import ImageSettings
from imlgcn.labels.label_table import LabelTable
from imlgcn.tagger.info import LabelCalibration, Part, TaggerInfo

LABELS = ("cat", "dog", "tree")
THRESHOLDS = np.array([0.5, 0.25, 0.9])
SUFFIXES = (".jsonl", ".csv", ".parquet")


class ColourTagger:
    """Takes an image's colour for its three probabilities, and notes what it was asked."""

    labels = LABELS
    label_table = LabelTable.of(LABELS)
    path = Path("a tagger of colours")
    measures_engines = False

    def __init__(self):
        self.batches = []
        self.loaded = 0
        self.engine = SimpleNamespace(name="colour", batch=2, streaming=lambda: nullcontext(2))
        self.info = TaggerInfo(
            labels=list(LABELS),
            backbone=Part(name="none"),
            head=Part(name="none"),
            image=ImageSettings(),
            calibration=LabelCalibration(
                slope=[1.0] * 3, intercept=[0.0] * 3, threshold=[0.5, 0.25, 0.9], positives=[1] * 3
            ),
            sha256={"model.safetensors": "0123456789abcdef"},
        )

    def known_row(self, known):
        if known:
            raise InputError("cannot use known labels")

    def thresholds_for(self, goal):
        if goal == "nonsense":
            raise InputError("unknown goal 'nonsense'")
        return THRESHOLDS if goal is None else np.full(3, float(goal))

    def load_input(self, path):
        self.loaded += 1
        return np.asarray(open_image(path), np.float32)[:1, :1].transpose(2, 0, 1) / 255

    def probabilities(self, inputs, known=None):
        self.batches.append(len(inputs))
        return inputs[:, :, 0, 0].astype(np.float64)


def paint(path, *colour):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (2, 2), colour).save(path)
    return path
