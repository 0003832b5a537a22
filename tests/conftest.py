"""Shared by many tests: a cache of their own, drawn images, the command line; `runs` has more."""

from __future__ import annotations

import csv
import gc
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: one core, and the same bits anywhere

pytest_plugins = ["runs"]  # trained taggers

COLOURS = {"red": (220, 40, 40), "blue": (40, 60, 220), None: (60, 180, 75)}
SPLITS = ("train",) * 7 + ("val",) * 3 + ("test",) * 2


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection():
    """Keep what is loaded for all tests out of every search for garbage: a third of the start."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000)
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Nothing that a test extracts or unpacks reaches the user's cache."""
    before = os.environ.get("IMLGCN_CACHE")
    os.environ["IMLGCN_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    os.environ.pop("IMLGCN_CACHE")
    if before is not None:
        os.environ["IMLGCN_CACHE"] = before


@pytest.fixture(scope="session", autouse=True)
def _no_export():
    """No training in the tests writes an exported file: it would take longer than the training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("imlgcn.pipeline._export", lambda tagger, data, progress: None)
        yield


def draw(generator) -> tuple[Image.Image, list[str]]:
    """Return a picture of one to three shapes on a plain ground, and its labels."""
    dark = generator.random() < 0.3
    ground = 45 if dark else 215
    noise = generator.integers(-30, 30, (9, 9, 3)) + ground  # no two pictures are near duplicates
    image = Image.fromarray(noise.astype(np.uint8)).resize((72, 60), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(image)
    labels = {"dark"} if dark else set()
    for _ in range(generator.integers(1, 4)):
        colour = ("red", "blue", None)[generator.integers(3)]
        x, y, r = generator.integers(10, 50), generator.integers(10, 45), generator.integers(7, 14)
        box = (x - r, y - r, x + r, y + r)
        if generator.random() < 0.5:
            pen.ellipse(box, fill=COLOURS[colour])
            labels |= {"circle", colour or "circle"}
        else:
            pen.rectangle(box, fill=COLOURS[colour])
            labels |= {"square", colour or "square"}
    return image, sorted(labels)


def write_csv(path: Path, rows, header=("image", "labels", "split")) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture(scope="session")
def shapes(once) -> Path:
    """A CSV of 72 images with five labels: 42 train, 18 val, 12 test."""

    def make(folder: Path) -> None:
        generator = np.random.default_rng(0)
        rows = []
        for number in range(72):
            image, labels = draw(generator)
            image.save(folder / f"{number:02}.png")
            rows.append((f"{number:02}.png", ";".join(labels), SPLITS[number % len(SPLITS)]))
        write_csv(folder / "shapes.csv", rows)

    return once("shapes", make) / "shapes.csv"


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
def rewrite(shapes, tmp_path):
    """Return a function that writes the data anew, its rows (image, labels, split) changed."""

    def write(change, header=("image", "labels", "split"), name="data.csv") -> Path:
        with shapes.open(newline="", encoding="utf-8") as file:
            rows = [(row["image"], row["labels"], row["split"]) for row in csv.DictReader(file)]
        changed = [
            (str(shapes.parent / row[0]), *row[1:]) for row in map(change, rows) if row is not None
        ]
        return write_csv(tmp_path / name, changed, header)

    return write


@dataclass
class Outcome:
    """What one call of the command line left."""

    code: int
    out: str
    err: str

    def assert_refused(self, *words: str) -> None:
        """One sentence closes standard error, exit code 2, nothing on standard output."""
        last = self.err.rstrip("\n").splitlines()[-1]
        assert self.code == 2, self.err
        assert last.startswith("imlgcn: ")
        assert "Traceback" not in self.err
        assert self.out == ""
        for word in words:
            assert word in last


@pytest.fixture
def cli(capsys, monkeypatch):
    """Return a function that runs the command line in this process, as `main` would."""
    from imlgcn.cli import main

    def run(*arguments) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["imlgcn", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        captured = capsys.readouterr()
        return Outcome(caught.value.code or 0, captured.out, captured.err)

    return run
