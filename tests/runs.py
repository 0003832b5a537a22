"""Runs that many tests share, made once: tiny weights, trained taggers, and how to read a run.

A plugin of `conftest.py`. When pytest-xdist runs the suite, its workers share the folders made by
`once`: the first that needs one makes it, the others wait.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml
from filelock import FileLock

from imlgcn.metrics.protocol import paired_bootstrap
from imlgcn.progress import Progress

BACKBONE = "test_efficientnet"
LABELS = ("blue", "circle", "dark", "red", "square")
QUICK = {"linear_training": {"epochs": 4}, "head_training": {"epochs": 4, "learning_rate": 0.01}}
SAMPLES = 50  # of a bootstrap
TUNED = {
    "fine_tune": True,
    "head_options": {"hidden": 32},
    "fine_tuning": {
        "epochs": 2,
        "batch_size": 16,
        "learning_rate": 3e-3,
        "ema_decay": 0.3,
        "workers": 0,
    },
}


def few_samples(*given, **options):
    """Stand for `paired_bootstrap`, whatever number of samples is asked for."""
    return paired_bootstrap(*given, **options | {"samples": SAMPLES})


@contextmanager
def quick():
    """Within it no training writes a report, and intervals of differences rest on few samples.

    The two take most of the time of a tiny training.
    """
    import imlgcn.report
    from imlgcn import outcome
    from imlgcn.comparison import table

    with pytest.MonkeyPatch.context() as patch:
        for module in (outcome, table):
            patch.setattr(module, "paired_bootstrap", few_samples)
        patch.setattr(imlgcn.report, "write_report", lambda *given, **more: None)
        yield


@pytest.fixture
def quick_runs():
    """The test's trainings are quick."""
    with quick():
        yield


@pytest.fixture(scope="session")
def once(tmp_path_factory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Return a function that makes a folder by name, once in a run, whatever the workers."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # of all workers

    def folder(name: str, make: Callable[[Path], object]) -> Path:
        place, made = root / name, root / f"{name}.made"
        with FileLock(root / f"{name}.lock"):
            if not made.exists():
                shutil.rmtree(place, ignore_errors=True)  # left by a worker that failed
                place.mkdir()
                make(place)
                made.touch()
        return place

    return folder


@pytest.fixture(scope="session")
def weights(once) -> Path:
    """Random weights of the tiny backbone, as a file."""
    import torch
    from safetensors.torch import save_file

    from imlgcn.models import create_backbone

    def make(folder: Path) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            backbone = create_backbone(BACKBONE, pretrained=False, size=64)
        save_file(backbone.model.state_dict(), folder / "tiny.safetensors")

    return once("weights", make) / "tiny.safetensors"


@pytest.fixture(scope="session")
def train_tiny(shapes, weights):
    """Return `train` with the tiny backbone and few epochs; the data are the shapes by default.

    Unless `whole`, the run is `quick`.
    """
    from imlgcn import pipeline
    from imlgcn.config import merge_settings

    tiny = {"head": "iml_gcn", "backbone": BACKBONE, "weights": str(weights), "size": 64, **QUICK}
    names = ("preset", "resume", "replace", "progress", "reader", "variant", "delimiter")
    names += ("label_table", "log")

    def run(out, data=shapes, *, start=None, whole=False, **options):
        base = {} if start else tiny
        others = {key: options.pop(key) for key in names if key in options}
        settings = merge_settings(base, options)
        with nullcontext() if whole else quick():
            return pipeline.train(data, out, start=start, **others, **settings)

    return run


@pytest.fixture(scope="session")
def tagger(once, train_tiny):
    """A trained IML-GCN tagger; read only."""
    from imlgcn.tagger import Tagger

    return Tagger.load(once("tagger", lambda folder: train_tiny(folder, whole=True)))


@pytest.fixture(scope="session")
def fine_tuned(once, train_tiny):
    """A fine-tuned IML-GCN tagger, of the settings `TUNED`; read only."""
    from imlgcn.tagger import Tagger

    return Tagger.load(once("fine_tuned", lambda folder: train_tiny(folder, **TUNED)))


@pytest.fixture(scope="session")
def linear_tagger(once, train_tiny):
    """A trained linear tagger; read only."""
    from imlgcn.tagger import Tagger

    return Tagger.load(once("linear", lambda folder: train_tiny(folder, head="linear")))


@pytest.fixture(scope="session")
def kernel_tagger(once, train_tiny):
    """A trained kernel tagger; read only."""
    from imlgcn.tagger import Tagger

    return Tagger.load(once("quick_kernel", lambda folder: train_tiny(folder, head="kernel")))


@pytest.fixture
def own_kernel(kernel_tagger, tmp_path):
    """A copy of its folder that a test may change."""
    return Path(shutil.copytree(kernel_tagger.path, tmp_path / "kernel"))


@pytest.fixture(scope="session")
def onnx_file(once, tagger) -> Path:
    """The trained tagger as an ONNX file without maps; read only."""
    from imlgcn.exporting import export

    folder = once("onnx_file", lambda folder: export(tagger, "onnx", folder / "small.onnx"))
    return folder / "small.onnx"


@pytest.fixture(scope="session")
def onnx_folder(once, tagger) -> Path:
    """A copy of the trained tagger's folder with its own `model.onnx`, maps and all; read only."""
    from imlgcn.exporting import export

    def make(folder: Path) -> None:
        export(shutil.copytree(tagger.path, folder, dirs_exist_ok=True), "onnx")

    return once("onnx_folder", make)


@pytest.fixture
def own_onnx_folder(onnx_folder, tmp_path) -> Path:
    """A copy of `onnx_folder` that a test may damage."""
    return Path(shutil.copytree(onnx_folder, tmp_path / "copy"))


@pytest.fixture
def own_tagger(tagger, tmp_path):
    """A copy of the trained tagger's folder that a test may damage."""
    return Path(shutil.copytree(tagger.path, tmp_path / "copy"))


@pytest.fixture(scope="session")
def make_untrained():
    """Return a function that saves a tagger with any head on the tiny backbone, all at random."""
    import torch

    from imlgcn.labels.context import LabelContext
    from imlgcn.models import HEADS, MultiLabelClassifier, create_backbone, create_head
    from imlgcn.tagger import LabelCalibration, Part, Tagger, TaggerInfo, save_tagger

    def make(folder: Path, head: str, names=LABELS, backbone=BACKBONE, **options) -> Tagger:
        L, rng = len(names), np.random.default_rng(0)
        targets = (rng.random((40, L)) < 0.4).astype(np.int8)
        targets[:, 0] |= targets[:, 1]  # one edge at least
        vectors = {
            k: rng.standard_normal((L, 6)).astype(np.float32) for k in ("words", "image_pca")
        }
        context = LabelContext.from_targets(names, targets, vectors)
        torch.manual_seed(0)
        trunk = create_backbone(backbone, pretrained=False, size=64)
        channels = HEADS[head].channels_of(trunk, options)
        built = create_head(head, channels, context, **options)
        with torch.no_grad():
            for parameter in built.parameters():
                parameter.normal_(std=0.3)
        if built.closed_form:
            means = tuple(torch.rand(40, width, 1, 1) for width in channels)
            built.fit(means, torch.from_numpy(targets))
        options |= built.fitted_options()
        ones, halves = [1.0] * L, [0.5] * L
        info = TaggerInfo(
            labels=list(names),
            backbone=Part(name=backbone),
            head=Part(name=head, options=options),
            image=trunk.image_settings,
            calibration=LabelCalibration(
                slope=ones, intercept=[0.0] * L, threshold=halves, positives=[1] * L
            ),
        )
        path = folder / f"untrained-{head}"
        path.mkdir()
        return save_tagger(path, MultiLabelClassifier(trunk, built), context, info)

    return make


@pytest.fixture
def untrained(make_untrained, tmp_path):
    """Return the same, which saves it where the test may change it."""
    return partial(make_untrained, tmp_path)


# what a run left


def metrics_of(tagger) -> dict:
    """Return what `metrics.json` holds."""
    return json.loads((tagger.path / "metrics.json").read_text())


def log_of(tagger) -> list[dict]:
    """Return the rows of `log.jsonl`."""
    return [json.loads(line) for line in (tagger.path / "log.jsonl").read_text().splitlines()]


def config_of(tagger) -> dict:
    """Return what `config.yaml` holds."""
    return yaml.safe_load((tagger.path / "config.yaml").read_text())


def scores_of(tagger, split: str = "test", names=None) -> np.ndarray:
    """Return the logits (N, L) that the run stored, in the order of ``names``."""
    from imlgcn.tagger.scores import Scores

    path = tagger.path / "predictions.parquet"
    return Scores(path, names or tagger.labels).split(split).logits


class Said(Progress):
    """Remembers what it is told."""

    def __init__(self):
        self.lines, self.stages = [], []

    def say(self, text):
        self.lines.append(text)

    def about(self, start):
        """Return the one line that begins so, or nothing."""
        found = [line for line in self.lines if line.startswith(start)]
        assert len(found) <= 1, found
        return found[0] if found else None

    @contextmanager
    def bar(self, stage, total, unit="images"):
        self.stages.append(stage)
        yield lambda count: None
