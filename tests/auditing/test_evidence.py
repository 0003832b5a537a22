"""Pair evidence against a slow loop over images that leaves the group out by hand."""

import tracemalloc

import numpy as np
import pytest

from imlgcn.auditing import evidence
from imlgcn.auditing.evidence import pair_evidence
from imlgcn.labels import targets as targets_of


def by_hand(targets, groups, row, label):
    """Count anew without the group, for a label that an image of the group has."""
    kept = groups != groups[row]
    left = targets[kept] == 1
    N, found = len(left), [0.0, 0.0]
    for other in range(targets.shape[1]):
        if other == label or targets[row, other] < 0:
            continue
        prior = left[:, other].mean()
        with_it = (left[left[:, label], other].sum() + prior) / (left[:, label].sum() + 1)
        without = (left[~left[:, label], other].sum() + prior) / (N - left[:, label].sum() + 1)
        with_it, without = np.clip((with_it, without), 1e-6, 1 - 1e-6)
        if targets[row, other] == 1:
            found[0] += np.log(with_it / without)
        else:
            found[1] += np.log((1 - with_it) / (1 - without))
    return found


def test_evidence_is_that_of_counts_without_the_group():
    generator = np.random.default_rng(0)
    targets = generator.choice([-1, 0, 0, 1], (30, 5)).astype(np.int8)
    groups = generator.integers(0, 20, 30)
    found = pair_evidence(targets, groups)
    for row, label in zip(*np.nonzero(targets == 1), strict=True):
        expected = by_hand(targets, groups, row, label)
        actual = found.present[row, label], found.absent[row, label]
        assert actual == pytest.approx(expected)


def test_a_label_does_not_vouch_for_itself_and_one_label_has_no_evidence():
    targets = np.array([[1], [0], [1], [0]], np.int8)
    found = pair_evidence(targets, np.arange(4))
    assert not found.present.any()
    assert not found.absent.any()


@pytest.mark.parametrize("per_block", [1, 3, 1000])
def test_sparse_counts_and_blocks_of_labels_change_nothing(per_block, monkeypatch):
    generator = np.random.default_rng(1)
    targets = generator.choice([-1, 0, 0, 0, 1], (40, 8)).astype(np.int8)
    groups = generator.integers(0, 25, 40)
    whole = pair_evidence(targets, groups)
    monkeypatch.setattr(targets_of, "MANY_LABELS", 2)
    monkeypatch.setattr(targets_of, "ENTRIES_PER_LABEL", 0)
    monkeypatch.setattr(evidence, "LABELS_PER_BLOCK", per_block)
    found = pair_evidence(targets, groups)
    np.testing.assert_allclose(found.present, whole.present, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.absent, whole.absent, rtol=1e-12, atol=1e-12)


def test_many_labels_take_blocks_and_no_square(monkeypatch):
    monkeypatch.setattr(evidence, "LABELS_PER_BLOCK", 64)
    L = 4_000
    targets = np.zeros((20, L), np.int8)
    targets[np.arange(20), np.arange(20) * 7] = targets[np.arange(20), np.arange(20) * 3] = 1
    tracemalloc.start()
    try:
        pair_evidence(targets, np.arange(20))
        megabytes = tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()
    assert megabytes < 30  # a square has 122
