"""Shared by many tests: a cache of their own, drawn images, tiny weights, one trained tagger."""

from __future__ import annotations

import csv
import os
import shutil
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: one core, and the same bits anywhere

BACKBONE = "test_efficientnet"
LABELS = ("blue", "circle", "dark", "red", "square")
COLOURS = {"red": (220, 40, 40), "blue": (40, 60, 220), None: (60, 180, 75)}
SPLITS = ("train",) * 7 + ("val",) * 3 + ("test",) * 2
QUICK = {"linear_training": {"epochs": 4}, "head_training": {"epochs": 4, "learning_rate": 0.01}}


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Nothing that a test extracts or unpacks reaches the user's cache."""
    before = os.environ.get("IMLGCN_CACHE")
    os.environ["IMLGCN_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    os.environ.pop("IMLGCN_CACHE")
    if before is not None:
        os.environ["IMLGCN_CACHE"] = before


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
def shapes(tmp_path_factory) -> Path:
    """A CSV of 72 images with five labels: 42 train, 18 val, 12 test."""
    folder = tmp_path_factory.mktemp("shapes")
    generator = np.random.default_rng(0)
    rows = []
    for number in range(72):
        image, labels = draw(generator)
        image.save(folder / f"{number:02}.png")
        rows.append((f"{number:02}.png", ";".join(labels), SPLITS[number % len(SPLITS)]))
    return write_csv(folder / "shapes.csv", rows)


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


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> Path:
    """Random weights of the tiny backbone, as a file."""
    import torch
    from safetensors.torch import save_file

    from imlgcn.models import create_backbone

    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = create_backbone(BACKBONE, pretrained=False, size=64)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_file(backbone.model.state_dict(), path)
    return path


@pytest.fixture(scope="session")
def train_tiny(shapes, weights):
    """Return `train` with the tiny backbone and few epochs; the data are the shapes by default.

    Unless `whole`, the interval of the control rests on few samples and no report is written: the
    two take most of the time.
    """
    import imlgcn.report
    from imlgcn import pipeline
    from imlgcn.config import merge_settings

    tiny = {"backbone": BACKBONE, "weights": str(weights), "size": 64, **QUICK}
    names = ("preset", "resume", "replace", "progress", "reader", "variant", "delimiter")
    bootstrap = partial(pipeline.paired_bootstrap, samples=20)

    def run(out, data=shapes, *, start=None, whole=False, **options):
        base = {} if start else tiny
        others = {key: options.pop(key) for key in names if key in options}
        with pytest.MonkeyPatch.context() as patch:
            if not whole:
                patch.setattr(pipeline, "paired_bootstrap", bootstrap)
                patch.setattr(imlgcn.report, "write_report", lambda *given, **more: None)
            settings = merge_settings(base, options)
            return pipeline.train(data, out, start=start, **others, **settings)

    return run


@pytest.fixture(scope="session")
def tagger(tmp_path_factory, train_tiny):
    """A trained IML-GCN tagger; read only."""
    return train_tiny(tmp_path_factory.mktemp("tagger") / "run", whole=True)


@pytest.fixture
def own_tagger(tagger, tmp_path):
    """A copy of the trained tagger's folder that a test may damage."""
    return Path(shutil.copytree(tagger.path, tmp_path / "copy"))


@pytest.fixture
def untrained(tmp_path):
    """Return a function that saves a tagger with any head on the tiny backbone, all at random."""
    import torch

    from imlgcn.labels.context import LabelContext
    from imlgcn.models import HEADS, MultiLabelClassifier, create_backbone, create_head
    from imlgcn.tagger import LabelCalibration, Part, Tagger, TaggerInfo, save_tagger

    def make(head: str, names=LABELS, **options) -> Tagger:
        L, rng = len(names), np.random.default_rng(0)
        targets = (rng.random((40, L)) < 0.4).astype(np.int8)
        targets[:, 0] |= targets[:, 1]  # one edge at least
        vectors = {
            k: rng.standard_normal((L, 6)).astype(np.float32) for k in ("words", "image_pca")
        }
        context = LabelContext.from_targets(names, targets, vectors)
        torch.manual_seed(0)
        backbone = create_backbone(BACKBONE, pretrained=False, size=64)
        built = create_head(head, backbone.channels(HEADS[head].feature_levels), context, **options)
        with torch.no_grad():
            for parameter in built.parameters():
                parameter.normal_(std=0.3)
        ones, halves = [1.0] * L, [0.5] * L
        info = TaggerInfo(
            labels=list(names),
            backbone=Part(name=BACKBONE),
            head=Part(name=head, options=options),
            image=backbone.image_settings,
            calibration=LabelCalibration(
                slope=ones, intercept=[0.0] * L, threshold=halves, positives=[1] * L
            ),
        )
        path = tmp_path / f"untrained-{head}"
        path.mkdir()
        return save_tagger(path, MultiLabelClassifier(backbone, built), context, info)

    return make


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
