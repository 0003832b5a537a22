"""Taggers whose labels change, and images of a label that they do not know."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imlgcn.data.dataset import load_dataset
from imlgcn.growing.examples import features_of
from imlgcn.growing.state import read_state
from imlgcn.tagger import Tagger
from imlgcn.tagger.support import Support, half_precision, write_support


@pytest.fixture(scope="session")
def kernel_onnx(once, kernel_tagger) -> Path:
    """A copy of the kernel tagger's folder with its own `model.onnx`; read only."""
    from imlgcn.exporting import export

    def make(folder: Path) -> None:
        export(shutil.copytree(kernel_tagger.path, folder, dirs_exist_ok=True), "onnx")

    return once("kernel_onnx", make)


@pytest.fixture
def own_kernel_onnx(kernel_onnx, tmp_path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(kernel_onnx, tmp_path / "kernel_onnx"))


@pytest.fixture
def with_support(shapes):
    """Return a function that gives a tagger the file of the images it was fitted on."""

    def give(tagger) -> Tagger:
        dataset = load_dataset(shapes).split("train").reordered(tagger.labels)
        state = read_state(tagger.path)
        features = features_of(state, dataset.paths[:40])
        support = Support(
            labels=tagger.labels,
            images=tuple(record.name for record in dataset.records[:40]),
            targets=dataset.targets[:40],
            features=half_precision(features.pooled),
        )
        write_support(tagger.path / "support.parquet", replace(support))
        return Tagger.load(tagger.path)

    return give


@pytest.fixture
def pixels(tagger, shapes):
    """Network inputs of a few test images, ``(5, S, S, 3)``."""
    paths = load_dataset(shapes).split("test").paths[:5]
    return np.stack([tagger.load_input(path) for path in paths])
