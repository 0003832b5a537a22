"""Which thresholds a tagger has at an operating point, on scores that are made up."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from imlgcn.errors import InputError
from imlgcn.labels.label_table import LabelRow, LabelTable
from imlgcn.metrics import fit_thresholds
from imlgcn.tagger.thresholds import TaggerWithThresholds

OWN = [0.3, 0.4, 0.6]
LABELS = ("sea", "dog", "cat")
POINTS = ["f1-macro", "f1-micro", "precision=0.9", "recall=0.9"]


class Made(TaggerWithThresholds):
    """Three labels, their thresholds and held-out scores, and no network."""

    def __init__(self, path=Path("folder"), origin=None, rows=()):
        calibration = SimpleNamespace(threshold=list(OWN), operating_point="f1")
        self.info = SimpleNamespace(labels=list(LABELS), calibration=calibration, origin=origin)
        self.path, self.label_table = path, LabelTable.of(LABELS, rows)
        generator = np.random.default_rng(0)
        targets = (generator.random((90, 3)) < 0.4).astype(np.int8)
        probabilities = np.clip(0.3 * targets + 0.7 * generator.random((90, 3)), 0, 1)
        self.scored = SimpleNamespace(
            probabilities=probabilities, targets=targets, folds=np.arange(90) // 30
        )
        self.asked = []
        self.folder = SimpleNamespace(scores=SimpleNamespace(fitted=self.fitted))

    def fitted(self):
        self.asked.append(self.scored)
        return self.scored


def fit(tagger, point):
    scored = tagger.scored
    return fit_thresholds(scored.probabilities, scored.targets, point, folds=scored.folds).tolist()


@pytest.mark.parametrize("point", [None, "f1"])
def test_those_it_was_trained_with_need_no_scores_and_belong_to_the_caller(point):
    tagger = Made()
    found = tagger.thresholds_for(point)
    assert found.tolist() == tagger.thresholds.tolist() == OWN
    found[:] = 0
    tagger.thresholds[:] = 0
    assert tagger.thresholds_for(point).tolist() == OWN
    assert tagger.asked == []


@pytest.mark.parametrize("point", POINTS)
def test_those_of_another_operating_point_are_fitted_on_held_out_scores_in_their_folds(point):
    tagger = Made()
    assert tagger.thresholds_for(point).tolist() == fit(tagger, point)
    assert fit(tagger, point) != OWN


def test_scores_are_read_once_for_all_operating_points():
    tagger = Made()
    for point in POINTS:
        tagger.thresholds_for(point)
    assert len(tagger.asked) == 1


@pytest.mark.parametrize("point", [None, "f1", 0.5, "0.5", "recall=0.9"])
def test_a_threshold_of_the_label_table_stays_at_any_operating_point(point):
    tagger = Made(rows=[LabelRow("dog", threshold=0.85)])
    plain = Made().thresholds_for(point).tolist()
    assert tagger.thresholds_for(point).tolist() == [plain[0], 0.85, plain[2]]
    assert tagger.thresholds.tolist() == [0.3, 0.85, 0.6]


def test_a_dictionary_changes_the_labels_that_it_names_even_against_the_label_table():
    tagger = Made(rows=[LabelRow("sea", threshold=0.9), LabelRow("cat", threshold=0.8)])
    found = tagger.thresholds_for({"cat": 0.25, "dog": "recall=0.9"})
    assert found.tolist() == [0.9, fit(tagger, "recall=0.9")[1], 0.25]
    assert tagger.thresholds_for({"cat": "f1"}).tolist() == [0.9, 0.4, 0.6]
    assert tagger.thresholds_for({}).tolist() == tagger.thresholds.tolist()
    with pytest.raises(InputError, match=r"unknown label 'dgo'.*'dog'"):
        tagger.thresholds_for({"sea": 0.5, "dgo": 0.5})


@pytest.mark.parametrize(
    ("of", "kind"), [("file", "exported file"), ("origin", "imported checkpoint")]
)
def test_without_held_out_scores_a_number_is_taken_and_the_rest_refused(tmp_path, of, kind):
    path = tmp_path / "tagger.onnx"
    path.touch()
    tagger = Made(path) if of == "file" else Made(origin="a checkpoint")
    with pytest.raises(InputError, match=rf"^an {kind} has no held-out .* such as threshold=0\.5$"):
        tagger.thresholds_for("recall=0.9")
    assert tagger.thresholds_for("0.7").tolist() == [0.7] * 3
    assert tagger.thresholds_for(None).tolist() == OWN
    assert tagger.asked == []
