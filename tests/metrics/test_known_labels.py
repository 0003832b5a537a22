"""What is revealed, and how probabilities after an update are calibrated without ranking images."""

from __future__ import annotations

import numpy as np
import pytest

from imlgcn.config import InputError
from imlgcn.labels import LabelContext
from imlgcn.labels.known import BETA, KnownLabels, PairCounts
from imlgcn.metrics.calibration import expected_calibration_error, sigmoid
from imlgcn.metrics.known_labels import (
    BETAS,
    KnownCalibration,
    Reveal,
    fit_known,
    parse_reveal,
)
from imlgcn.metrics.ranking import mean_average_precision

PAIRS = KnownCalibration(np.array([1.5, 0.5, 2.0, 0.25]), np.array([0.5, -1.0, -2.0, 1.0]))


def related(N=3000, seed=0):
    """Return calibrated logits of labels that come in pairs, and the targets."""
    generator = np.random.default_rng(seed)
    first = generator.random((N, 4)) < (0.3, 0.15, 0.1, 0.05)
    second = np.where(generator.random((N, 4)) < 0.9, first, generator.random((N, 4)) < 0.05)
    targets = np.concatenate([first, second], axis=1).astype(np.int8)
    p = targets.mean(axis=0)
    # Gaussian scores of unit variance, 1.5 apart: the log-odds of the label are linear in them
    logits = np.log(p / (1 - p)) + 1.5 * (generator.normal(size=(N, 8)) + 1.5 * (targets - 0.5))
    return logits, targets


def counts_of(targets):
    return PairCounts.from_context(LabelContext.from_targets([*"abcdefgh"], targets))


def test_the_pair_is_that_of_the_number_of_known_positives_and_keeps_the_order_within_an_image():
    logits = np.array([[0.3, -1.0, 2.0, 0.5, 0.0]] * 5)
    known = np.full((5, 5), -1, np.int8)
    known[0, 0] = 0
    for row, count in ((1, 1), (2, 2), (3, 3), (4, 5)):
        known[row, :count] = 1
    found = PAIRS.logits(logits, known)
    for row, pair in enumerate((0, 1, 2, 3, 3)):
        np.testing.assert_allclose(found[row], PAIRS.slope[pair] * logits[row] + PAIRS.offset[pair])
        assert found[row].argsort().tolist() == logits[row].argsort().tolist()
    np.testing.assert_array_equal(PAIRS.apply(logits, known), sigmoid(found))


def test_an_image_of_which_nothing_is_known_keeps_every_bit():
    logits = np.random.default_rng(0).normal(size=(3, 5))
    nothing = np.full((3, 5), -1, np.int8)
    assert PAIRS.apply(logits, nothing).tobytes() == sigmoid(logits).tobytes()


def test_one_tag_is_one_true_label_of_each_image_that_has_some():
    targets = np.array([[1, 1, 0, -1], [0, 0, -1, 0], [0, 0, 1, 0]], np.int8)
    draws = [Reveal(tags=1).draw(targets, np.random.default_rng(seed)) for seed in range(20)]
    for known in draws:
        assert (known == 1).sum(axis=1).tolist() == [1, 0, 1]
        assert not (known == 0).any()
        assert (targets[known == 1] == 1).all()
    assert {int(known[0].argmax()) for known in draws} == {0, 1}, "each of the two, at random"
    two = Reveal(tags=2).draw(targets, np.random.default_rng(0))
    assert (two == 1).sum(axis=1).tolist() == [2, 0, 1]


def test_a_fraction_reveals_present_and_absent_values_and_no_unknown_one():
    targets = np.random.default_rng(0).integers(-1, 2, (400, 30)).astype(np.int8)
    known = Reveal(fraction=0.25).draw(targets, np.random.default_rng(1))
    assert (known[known >= 0] == targets[known >= 0]).all()
    for value in (0, 1):
        assert (known == value).sum() / (targets == value).sum() == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", Reveal(tags=1)),
        (" 3 ", Reveal(tags=3)),
        ("50%", Reveal(fraction=0.5)),
        ("2.5 %", Reveal(fraction=0.025)),
    ],
)
def test_amounts_are_tags_or_percentages(text, expected):
    assert parse_reveal(text) == expected


@pytest.mark.parametrize("text", ["", "0", "0%", "100%", "-1", "1.5", "half", "1e3", "%", "1 tag"])
def test_other_amounts_are_refused(text):
    with pytest.raises(InputError, match=r"reveal= takes a number of true labels, such as 1"):
        parse_reveal(text)


def test_known_labels_help_where_labels_are_related_and_stay_calibrated():
    logits, targets = related()
    folds = np.arange(len(targets)) % 5
    fit = fit_known(logits, targets, counts_of(targets), folds)
    assert fit.beta in BETAS
    fresh, truth = related(seed=1)
    known = Reveal(tags=1).draw(truth, np.random.default_rng(2))
    rest = np.where(known >= 0, -1, truth)
    update = KnownLabels(
        counts_of(targets), beta=fit.beta, surprise=fit.surprise, smoothing=fit.smoothing
    )
    after = update.update(fresh, known)
    gain = mean_average_precision(after, rest)[0] - mean_average_precision(fresh, rest)[0]
    assert gain > 0.05
    probabilities = KnownCalibration(fit.slope, fit.offset).apply(after, known)
    told = (known >= 0).any(axis=1)  # an image that shows nothing has no tag to reveal
    error = expected_calibration_error(probabilities[told], rest[told])
    assert error < 0.015
    assert error < expected_calibration_error(sigmoid(after[told]), rest[told]) / 2


def test_the_pairs_of_an_image_do_not_count_for_itself():
    """Every image has two labels of 40 at random: a known one says nothing of the other."""
    generator = np.random.default_rng(0)
    N, L = 600, 40
    targets = np.zeros((N, L), np.int8)
    for row in targets:
        row[generator.choice(L, 2, replace=False)] = 1
    logits = generator.normal(size=(N, L)) + 2 * targets - 3
    counts = PairCounts.from_context(LabelContext.from_targets(list(map(str, range(L))), targets))
    assert fit_known(logits, targets, counts, np.arange(N) % 5).beta == BETAS[0]
    assert fit_known(logits, targets, counts).beta > BETAS[0], "its own answer is in the counts"


def test_too_few_images_leave_the_defaults():
    logits, targets = related(N=12)
    fit = fit_known(logits, targets, counts_of(targets))
    assert fit.beta == BETA
    assert (fit.slope > 0).all()
    assert np.isfinite(fit.offset).all()
    none = fit_known(logits, np.full_like(targets, -1), counts_of(targets))
    assert (none.beta, none.slope.tolist(), none.offset.tolist()) == (BETA, [1.0] * 4, [0.0] * 4)


def test_many_images_are_thinned_out(monkeypatch):
    monkeypatch.setattr("imlgcn.metrics.known_labels.ENTRIES", 8 * 900)
    logits, targets = related()
    folds = np.arange(len(targets)) % 5
    fit = fit_known(logits, targets, counts_of(targets), folds)
    assert abs(fit.beta - fit_known(logits, targets, counts_of(targets)).beta) <= 0.4
