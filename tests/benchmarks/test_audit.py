"""The audit's benchmark: what is planted, what the baselines compute, and how ranks are scored."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from benchmarks.audit import Ranking
from benchmarks.audit_baselines import image_ema, less_thresholds, pruned_first, self_confidence
from benchmarks.planting import GAMMA, RIDGE, HeldOut, kernel_units, plant

from imlgcn.metrics.ranking import average_precision
from imlgcn.models.kernel_regression import gaussian_, kernel_scale, solve, squared_distances
from imlgcn.training.extract import ImageFeatures


@pytest.fixture
def targets():
    return (np.random.default_rng(0).random((200, 5)) < 0.3).astype(np.int8)


def test_as_many_labels_are_added_as_removed_and_only_where_they_belong(targets):
    nearest = np.array([[1], [2], [3], [4], [0]])
    found = plant(targets, 0.2, nearest, np.random.default_rng(1))
    assert found.removed.sum() == round(0.2 * targets.sum())
    np.testing.assert_array_equal(found.removed.sum(axis=0), found.added.sum(axis=0))
    assert (targets[found.removed] == 1).all()
    assert (targets[found.added] == 0).all()
    assert (found.targets != targets).sum() == (found.removed | found.added).sum()
    for row, label in zip(*np.nonzero(found.added), strict=True):
        assert targets[row, nearest[label, 0]] == 1


def test_held_out_scores_are_those_of_the_head(targets):
    generator = np.random.default_rng(2)
    values = generator.random((40, 2, 6)).astype(np.float32)
    features = ImageFeatures(None, values, {}, (generator.random((40, 4)).astype(np.float32),))
    groups = generator.integers(0, 30, 40)
    units = kernel_units(features)
    distances = squared_distances(units, units).fill_diagonal_(0)
    kernel = gaussian_(distances, GAMMA, kernel_scale(distances))
    (expected,) = solve(
        kernel, torch.from_numpy(targets[:40]), RIDGE, torch.from_numpy(groups)
    ).held_out
    np.testing.assert_allclose(HeldOut(features, groups)(targets[:40]), expected.numpy())


def test_the_moving_average_ends_with_the_least_confident_label():
    p = np.array([[0.9, 0.3, 0.8]])
    targets = np.array([[0, 1, 1]], np.int8)  # confidences 0.1, 0.3, 0.8
    # 0.8, then 0.8 * 0.3 + 0.2 * 0.8 = 0.4, then 0.8 * 0.1 + 0.2 * 0.4 = 0.16
    assert image_ema(p, targets) == pytest.approx([0.84])
    np.testing.assert_allclose(self_confidence(p, targets), [[0.9, 0.7, 0.2]])


def test_thresholds_favour_the_class_that_is_rarely_sure():
    p = np.array([[0.6, 0.1], [0.2, 0.1], [0.1, 0.4]])
    targets = np.array([[1, 0], [0, 0], [0, 1]], np.int8)
    # label 0: t1 = 0.6, t0 = 0.85; of the first: (0.6 - 0.6 + 0.85) / (1 - 1.45 + 1.7) = 0.68
    assert 1 - less_thresholds(p, targets)[0, 0] == pytest.approx(0.68)


def test_pruned_entries_come_before_all_others():
    p = np.array([[0.9], [0.8], [0.85], [0.1], [0.2], [0.15]])
    targets = np.array([[1], [1], [0], [0], [0], [1]], np.int8)
    found = pruned_first(p, targets)[:, 0]
    assert set(np.flatnonzero(found > 1)) == {2, 5}


def test_average_precision_of_ranks_is_that_of_the_package_and_of_unit_weights():
    generator = np.random.default_rng(3)
    doubt, planted = generator.random((50, 3)), generator.random((50, 3)) < 0.2
    among = np.ones_like(planted)
    ranking = Ranking.of(doubt, among, planted)
    flat = average_precision(doubt.reshape(-1, 1), planted.reshape(-1, 1).astype(np.int8))
    assert ranking.average_precision() == pytest.approx(100 * flat[0])
    assert ranking.average_precision(np.ones(50)) == pytest.approx(100 * flat[0])
    assert ranking.precision(10) == 100 * planted.ravel()[np.argsort(-doubt.ravel())[:10]].mean()
