"""The numbers behind the curves, against scikit-learn, the calibration error and by hand."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve

from imlgcn.metrics import expected_calibration_error
from imlgcn.views.curves import precision_recall, reliability


@pytest.mark.parametrize("decimals", [3, 1])
def test_every_point_is_one_that_scikit_learn_finds_too(decimals):
    generator = np.random.default_rng(0)
    scores = generator.random(60).round(decimals)  # one decimal: many ties
    targets = (generator.random(60) < 0.3).astype(np.int8)
    precision, recall, _ = precision_recall_curve(targets, scores)
    known = {(round(r, 9), round(p, 9)) for r, p in zip(recall, precision, strict=True)}
    ours = precision_recall(scores, targets)
    points = zip(ours.recall.round(9).tolist(), ours.precision.round(9).tolist(), strict=True)
    assert set(points) <= known
    assert len(set(ours.recall)) == len(set(recall[precision > 0]) - {0.0})


def test_a_positive_gives_a_point_where_it_enters_and_one_before_the_next():
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    targets = np.array([1, 0, 0, 1, -1, 0])  # the unknown one counts nowhere
    curve = precision_recall(scores, targets)
    np.testing.assert_allclose(curve.recall, [0.5, 0.5, 1, 1])
    np.testing.assert_allclose(curve.precision, [1, 1 / 3, 0.5, 0.5])


def test_a_thinned_curve_keeps_its_first_and_last_positive():
    targets = np.ones(1000, np.int8)
    targets[::3] = 0
    curve = precision_recall(-np.arange(1000.0), targets, points=7)
    assert len(curve.recall) == 14
    assert curve.recall[0] == pytest.approx(1 / targets.sum())
    assert curve.recall[-1] == 1


def test_a_label_without_a_positive_has_an_empty_curve():
    assert not len(precision_recall(np.array([0.5, 0.1]), np.array([0, -1])).recall)


def test_reliability_by_hand():
    probabilities = np.array([[0.10, 0.14, 0.90, 0.95]])
    curve = reliability(probabilities, np.array([[1, 0, 1, -1]]), bins=2)
    np.testing.assert_allclose(curve.probability, [0.12, 0.90])
    np.testing.assert_allclose(curve.frequency, [0.5, 1.0])
    assert curve.entries.tolist() == [2, 1]


def test_the_weighted_gaps_of_the_diagram_are_the_calibration_error():
    generator = np.random.default_rng(1)
    probabilities = generator.random((50, 7))
    targets = generator.integers(-1, 2, (50, 7)).astype(np.int8)
    curve = reliability(probabilities, targets)
    gaps = np.abs(curve.probability - curve.frequency) * curve.entries
    error = gaps.sum() / curve.entries.sum()
    assert error == pytest.approx(expected_calibration_error(probabilities, targets))
