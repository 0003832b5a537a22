"""Intervals: a resample counted by weights is the same as one made of repeated images."""

import numpy as np
import pytest

from imlgcn.metrics import mean_average_precision, precision_recall_f1
from imlgcn.metrics.intervals import f1_intervals, resample, resampled_map


def case(seed=0, images=60, labels=4):
    generator = np.random.default_rng(seed)
    targets = generator.integers(-1, 2, (images, labels))
    scores = generator.normal(size=targets.shape).round(1) + targets  # with ties
    return scores, targets, generator.integers(0, 25, images)


def test_weights_give_the_map_of_repeated_images():
    scores, targets, groups = case()
    drawn = resample(groups, 20, seed=3)
    found = resampled_map(scores, targets, drawn)
    for weights, value in zip(drawn.astype(int), found, strict=True):
        rows = np.repeat(np.arange(len(targets)), weights)
        assert value == pytest.approx(mean_average_precision(scores[rows], targets[rows])[0])


def test_a_label_without_a_positive_is_left_out_and_no_label_is_nan():
    scores, targets, _ = case()
    once = np.ones((1, len(targets)), np.float32)
    targets[:, 1] = 0
    found = resampled_map(scores, targets, once)
    assert found[0] == pytest.approx(mean_average_precision(scores, targets)[0])
    assert np.isnan(resampled_map(scores, 0 * targets, once)).all()


def test_a_group_is_drawn_as_a_whole():
    _, _, groups = case()
    for weights in resample(groups, 10):
        for group in np.unique(groups):
            assert len(set(weights[groups == group])) == 1


def test_the_interval_of_f1_holds_the_value_and_narrows_with_images():
    generator = np.random.default_rng(1)
    targets = (generator.random((2000, 3)) < 0.3).astype(int)
    predicted = targets.astype(bool) ^ (generator.random(targets.shape) < 0.2)
    widths = []
    for images in (100, 2000):
        found = f1_intervals(predicted[:images], targets[:images])
        value = 100 * precision_recall_f1(predicted[:images], targets[:images]).OF1
        assert found["OF1"][0] < value < found["OF1"][1]
        widths.append(np.ptp(found["CF1_per_label"]))
    assert widths[1] < widths[0] / 2
    assert f1_intervals(predicted, 0 * targets) == {}
