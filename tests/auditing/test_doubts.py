"""Planted errors come first; unknown targets, single labels and copies harm nothing."""

import numpy as np
import pytest

from imlgcn.auditing.doubts import _best_other, find_doubts


@pytest.fixture
def planted():
    """Scores that know the truth up to noise, and targets with ten errors of either kind."""
    generator = np.random.default_rng(1)
    truth = (generator.random((300, 6)) < 0.25).astype(np.int8)
    scores = truth + 0.15 * generator.standard_normal(truth.shape)
    targets = truth.copy()
    removed = generator.choice(np.flatnonzero(truth.ravel() == 1), 10, replace=False)
    added = generator.choice(np.flatnonzero(truth.ravel() == 0), 10, replace=False)
    targets.ravel()[removed] = 0
    targets.ravel()[added] = 1
    return scores, targets, removed, added


def test_planted_errors_are_the_most_doubtful(planted):
    scores, targets, removed, added = planted
    error = find_doubts(scores, targets, np.arange(300)).error.ravel()
    first = np.argsort(-error)[:20]
    assert len({*first} & {*removed, *added}) >= 19
    assert np.median(error[removed]) > 0.4
    assert np.median(error[added]) > 0.4
    assert np.median(error) < 0.01


def test_an_error_is_a_probability_and_no_two_sure_ones_tie(planted):
    scores, targets, removed, _ = planted
    error = find_doubts(scores, targets, np.arange(300)).error
    assert ((error >= 0) & (error < 1)).all()
    assert len(np.unique(error.ravel()[removed])) == 10


def test_an_unknown_target_is_never_doubtful_and_changes_little(planted):
    scores, targets, removed, _ = planted
    hidden = targets.copy()
    hidden[:40, 2] = -1
    found = find_doubts(scores, hidden, np.arange(300)).error
    assert not found[:40, 2].any()
    kept = [entry for entry in removed if hidden.ravel()[entry] == 0]
    assert np.median(found.ravel()[kept]) > 0.4


@pytest.mark.parametrize("labels", [1, 2])
def test_few_labels_are_enough(planted, labels):
    scores, targets, *_ = planted
    error = find_doubts(scores[:, :labels], targets[:, :labels], np.arange(300)).error
    assert np.isfinite(error).all()


def test_scores_that_say_nothing_make_nothing_sure():
    generator = np.random.default_rng(0)
    targets = (generator.random((200, 4)) < 0.3).astype(np.int8)
    error = find_doubts(np.zeros((200, 4)), targets, np.arange(200)).error
    assert error[targets == 1].max() <= 1
    assert np.isfinite(error).all()


def test_the_best_other_label_of_the_best_is_the_second():
    logits = np.array([[3.0, 1.0, 2.0]])
    chosen = np.array([[True, True, False]])
    np.testing.assert_array_equal(_best_other(logits, chosen), [[1.0, 3.0, 3.0]])
    np.testing.assert_array_equal(_best_other(logits, ~chosen), [[2.0, 2.0, -8.0]])


def test_of_many_entries_some_are_enough_to_fit_on(monkeypatch):
    generator = np.random.default_rng(1)
    targets = (generator.random((2000, 6)) < 0.25).astype(np.int8)
    scores = targets + 0.3 * generator.standard_normal(targets.shape)
    whole, drawn = [], []
    for most, found in ((50_000, whole), (700, drawn)):
        monkeypatch.setattr("imlgcn.auditing.doubts.PRESENT", most)
        found.append(find_doubts(scores, targets, np.arange(2000)).error)
    low = (whole[0] > 1e-6) & (whole[0] < 0.1)
    ratio = np.median(drawn[0][low] / whole[0][low])
    assert 0.7 < ratio < 1.4, "each that is drawn stands for others"
    assert ratio != 1
