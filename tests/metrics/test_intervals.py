"""Intervals: a resample counted by weights is the same as one made of repeated images."""

import numpy as np
import pytest

from imlgcn.metrics import mean_average_precision, precision_recall_f1
from imlgcn.metrics.intervals import (
    f1_differences,
    f1_intervals,
    interval,
    number_of_samples,
    resample,
    resampled_map,
)


def case(seed=0, images=60, labels=4):
    generator = np.random.default_rng(seed)
    targets = generator.integers(-1, 2, (images, labels))
    scores = generator.normal(size=targets.shape).round(1) + targets  # with ties
    return scores, targets, generator.integers(0, 25, images)


@pytest.mark.parametrize("ranks", [1024, 60, 59, 7, 1])
def test_weights_give_the_map_of_repeated_images(ranks, monkeypatch):
    monkeypatch.setattr("imlgcn.metrics.intervals.RANKS", ranks)
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


def test_one_positive_is_enough_for_a_label_and_one_label_for_a_mean():
    scores, targets, _ = case()
    once, targets = np.ones((1, len(targets)), np.float32), 0 * targets
    for row, label in ((7, 0), (3, 2), (9, 2)):
        targets[row, label] = 1
        found = resampled_map(scores, targets, once)[0]
        assert found == pytest.approx(mean_average_precision(scores, targets)[0])


def test_a_group_is_drawn_as_a_whole():
    _, _, groups = case()
    for weights in resample(groups, 10):
        for group in np.unique(groups):
            assert len(set(weights[groups == group])) == 1


@pytest.mark.parametrize("grouped", [False, True])
def test_the_interval_of_f1_equals_a_slow_loop_over_weighted_images(grouped):
    _, targets, groups = case(images=40)
    targets[:, 3] = np.minimum(targets[:, 3], 0)  # without a positive: its tags harm OF1 only
    predicted = np.random.default_rng(2).random(targets.shape) < 0.4
    _, which = np.unique(groups if grouped else np.arange(40), return_inverse=True)
    drawn = np.random.default_rng(0).standard_exponential((1000, which.max() + 1))
    slow = {"OF1": [], "CF1_per_label": []}
    for weights in drawn:
        w = weights[which, None]
        hits = 2 * (w * (predicted & (targets == 1))).sum(0)
        total = (w * (predicted & (targets >= 0))).sum(0) + (w * (targets == 1)).sum(0)
        slow["OF1"].append(hits.sum() / total.sum())
        slow["CF1_per_label"].append(np.mean(hits[:3] / total[:3]))
    found = f1_intervals(predicted, targets, groups if grouped else None)
    for key, values in slow.items():
        assert found[key] == pytest.approx(100 * np.quantile(values, [0.025, 0.975]))


@pytest.mark.parametrize("seed", range(8))
def test_f1_lies_in_its_interval_where_most_labels_have_one_positive_or_none(seed):
    generator = np.random.default_rng(seed)
    targets = (generator.random((30, 120)) < 0.02).astype(int)
    predicted = generator.normal(size=targets.shape) + 2 * targets > 1.3
    value = precision_recall_f1(predicted, targets)
    for key, (low, high) in f1_intervals(predicted, targets).items():
        assert low < 100 * getattr(value, key) < high


def test_the_difference_of_f1_is_that_of_the_values_where_a_label_has_no_positive():
    _, targets, _ = case()
    targets[:, 3] = np.minimum(targets[:, 3], 0)
    a, b = np.random.default_rng(4).random((2, *targets.shape)) < 0.4
    one, two = (precision_recall_f1(each, targets) for each in (a, b))
    for key, (difference, _, _) in f1_differences(a, b, targets).items():
        expected = 100 * (getattr(one, key) - getattr(two, key))
        assert difference == pytest.approx(expected)


def test_an_interval_leaves_out_what_is_not_a_number():
    values = np.arange(41.0)
    assert interval(values) == (1, 39)
    assert interval(np.append(values, np.nan)) == (1, 39)
    assert np.isnan(interval(np.full(3, np.nan))).all()


@pytest.mark.parametrize(("images", "samples"), [(0, 1000), (500, 1000), (1000, 500), (9000, 100)])
def test_the_more_images_the_fewer_resamples_of_at_least_a_hundred(images, samples):
    assert number_of_samples(np.zeros((images, 100), np.int8)) == samples


def test_resamples_repeat_with_their_seed_and_have_a_row_each():
    groups = [0, 1, 1, 2]
    np.testing.assert_array_equal(resample(groups, 20), resample(groups, 20, seed=0))
    assert (resample(groups, 20) != resample(groups, 20, seed=1)).any()
    assert resample(groups, 3).shape == (3, 4)
    assert resample([], 3).shape == (3, 0)


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
