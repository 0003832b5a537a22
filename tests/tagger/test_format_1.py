"""A tagger folder that version 0.1 wrote: it loads, tags as it did, and can be continued."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from imlgcn.tagger import Tagger
from imlgcn.training.resolve import plan_run

STORED = Path(__file__).parents[1] / "golden" / "format_1"


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(STORED, tmp_path / "old"))


def test_it_gives_the_logits_that_it_gave_then(folder, shapes):
    assert json.loads((folder / "model.json").read_text(encoding="utf-8"))["format"] == 1
    tagger = Tagger.load(folder)
    stored = tagger.folder.scores.split("test")
    files = load_dataset(shapes).files
    inputs = np.stack([tagger.load_input(files[name]) for name in stored.images])
    np.testing.assert_allclose(tagger.engine.logits(inputs), stored.logits, atol=1e-4)
    np.testing.assert_allclose(tagger.probabilities(inputs), stored.probabilities, atol=1e-5)


def test_its_thresholds_and_what_they_are_for_are_read(folder):
    scale = json.loads((folder / "model.json").read_text(encoding="utf-8"))["scale"]
    tagger = Tagger.load(folder)
    assert tagger.thresholds.tolist() == scale["threshold"]
    assert tagger.info.calibration.operating_point == scale["goal"] == "f1"


def test_its_settings_have_todays_names(folder):
    found = plan_run("new.csv", {}, start=folder).settings()
    assert found.head == "ml_gcn"
    assert found.head_options["embedding"] == "onehot"
    assert found.head_training.learning_rate == 0.01
    assert found.linear_training.epochs == 4


def test_training_continues_from_it(folder, shapes, train_tiny, tmp_path):
    found = train_tiny(tmp_path / "new", start=folder, epochs=1)
    assert json.loads((found.path / "model.json").read_text(encoding="utf-8"))["format"] == 2
    assert found.info.head.name == "ml_gcn"


def test_a_version_that_nobody_knows_is_refused(folder):
    file = folder / "model.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"format": 1', '"format": 3'))
    with pytest.raises(InputError, match="has format 3; this version reads 1 and 2"):
        Tagger.load(folder)
