"""A tagger with the kernel head, and a folder of images that it has not seen."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import draw
from imlgcn.tagger import Tagger

NEW = 24


@pytest.fixture(scope="session")
def kernel(once, train_tiny):
    """A trained tagger with the kernel head; read only."""
    return Tagger.load(once("kernel", lambda folder: train_tiny(folder, head="kernel", whole=True)))


@pytest.fixture(scope="session")
def unseen(once) -> Path:
    """24 drawings, none a near duplicate of another or of a training image; read only."""

    def make(folder: Path) -> None:
        generator = np.random.default_rng(7)
        for number in range(NEW):
            draw(generator)[0].save(folder / f"new{number:02}.png")

    return once("unseen", make)


@pytest.fixture
def folder(unseen, tmp_path) -> Path:
    """A copy of these that a test may add to."""
    return Path(shutil.copytree(unseen, tmp_path / "folder"))


@pytest.fixture
def saved_again():
    """Return a function that saves an image again, as a JPEG of another size and quality."""

    def save(image: Path, copy: Path) -> Path:
        picture = Image.open(image).convert("RGB")
        picture.resize((picture.width * 2, picture.height * 2)).save(copy, quality=60)
        return copy

    return save
