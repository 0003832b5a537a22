"""Drawn images whose labels are plain, as a data set; and the same with planted errors."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imlgcn.auditing.doubts import Doubts
from imlgcn.data.dataset import Dataset, load_dataset

COLOURS = {"blue": (30, 40, 220), "green": (40, 200, 60), "red": (220, 40, 30)}
IMAGES = 90


@pytest.fixture(scope="session")
def colours(tmp_path_factory) -> Path:
    """A CSV of images of two halves, each of a colour; the labels are the colours."""
    folder = tmp_path_factory.mktemp("halves")
    generator = np.random.default_rng(3)
    rows = []
    for number in range(IMAGES):
        left, right = (list(COLOURS)[i] for i in generator.integers(0, 3, 2))
        image = Image.new("RGB", (40, 40), COLOURS[left])
        image.paste(COLOURS[right], (20, 0, 40, 40))
        noise = generator.integers(-25, 26, (5, 5, 3)).repeat(8, 0).repeat(8, 1)
        pixels = np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
        rows.append((f"{number:02}.png", ";".join(sorted({left, right})), f"photo {number}"))
    with (folder / "data.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "labels", "note"), *rows])
    return folder / "data.csv"


@pytest.fixture
def clean(colours) -> Dataset:
    return load_dataset(colours)


@pytest.fixture
def change(colours):
    """Return a function that writes the data beside the images with other cells of some rows."""
    written = []

    def write(cells: dict[int, str], name: str = "changed.csv") -> Path:
        lines = colours.read_text().splitlines()
        for row, labels in cells.items():
            image, _, note = lines[row + 1].split(",")
            lines[row + 1] = f"{image},{labels},{note}"
        written.append(colours.parent / name)
        written[-1].write_text("\n".join(lines) + "\n")
        return written[-1]

    yield write
    for path in written:
        path.unlink()


@pytest.fixture
def no_doubts(clean) -> Doubts:
    return Doubts(np.full(clean.targets.shape, 0.5), np.zeros(clean.targets.shape))
