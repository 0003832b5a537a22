"""Taggers whose labels change, and images of a label that they do not know."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from imlgcn.data.dataset import load_dataset
from imlgcn.growing.examples import features_of
from imlgcn.growing.state import read_state
from imlgcn.tagger import Tagger
from imlgcn.tagger.support import Support, half_precision, write_support


@pytest.fixture(scope="session")
def kernel_tagger(once, train_tiny):
    """A trained kernel tagger; read only."""
    return Tagger.load(once("kernel", lambda folder: train_tiny(folder, head="kernel")))


@pytest.fixture
def own_kernel(kernel_tagger, tmp_path):
    """A copy of its folder that a test may change."""
    return Path(shutil.copytree(kernel_tagger.path, tmp_path / "kernel"))


@pytest.fixture(scope="session")
def crosses(once) -> list[Path]:
    """Six pictures of a cross, which no tagger was trained on."""

    def make(folder: Path) -> None:
        rng = np.random.default_rng(5)
        for number in range(6):
            noise = rng.integers(-30, 30, (9, 9, 3)) + 215
            image = Image.fromarray(noise.astype(np.uint8)).resize((72, 60))
            pen, x, y = ImageDraw.Draw(image), *rng.integers(20, 40, 2)
            pen.line((x - 15, y - 15, x + 15, y + 15), fill=(10, 10, 10), width=4)
            pen.line((x - 15, y + 15, x + 15, y - 15), fill=(10, 10, 10), width=4)
            image.save(folder / f"cross {number}.png")

    return sorted(once("crosses", make).glob("*.png"))


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
