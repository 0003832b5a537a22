"""Pair evidence against a slow loop over images that leaves the group out by hand."""

import numpy as np
import pytest

from imlgcn.auditing.evidence import pair_evidence


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
