"""What is revealed, and how probabilities after an update are calibrated without ranking images."""

from __future__ import annotations

import numpy as np
import pytest

from imlgcn.errors import InputError
from imlgcn.labels import LabelContext
from imlgcn.labels.known import BETA, KnownLabels, PairCounts
from imlgcn.metrics.calibration import expected_calibration_error, fit_platt, sigmoid
from imlgcn.metrics.known_calibration import KnownCalibration, number_known
from imlgcn.metrics.known_labels import (
    BETAS,
    Reveal,
    fit_by_number,
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


def test_an_image_of_which_nothing_is_known_keeps_every_bit_beside_one_that_shows_something():
    logits = np.random.default_rng(0).normal(size=(2, 5))
    known = np.array([[-1] * 5, [-1, -1, 1, -1, -1]], np.int8)
    found = PAIRS.logits(logits, known)
    assert found[0].tobytes() == logits[0].tobytes()
    np.testing.assert_allclose(found[1], 0.5 * logits[1] - 1)


def test_one_tag_is_one_true_label_of_each_image_that_has_some():
    targets = np.array([[1, 1, 0, -1], [0, 0, -1, 0], [0, 0, 1, 0]], np.int8)
    draws = [Reveal(tags=1).draw(targets, np.random.default_rng(seed)) for seed in range(20)]
    for known in draws:
        assert (known == 1).sum(axis=1).tolist() == [1, 0, 1]
        assert not (known == 0).any()
        assert (targets[known == 1] == 1).all()
    assert {int(known[0].argmax()) for known in draws} == {0, 1}, "each of the two, at random"
    two = Reveal(tags=2).draw(targets, np.random.default_rng(0))
    assert set(two.ravel()) == {-1, 1}
    assert (two == 1).sum(axis=1).tolist() == [2, 0, 1]


def test_a_fraction_reveals_present_and_absent_values_and_no_unknown_one():
    targets = np.random.default_rng(0).integers(-1, 2, (400, 30)).astype(np.int8)
    known = Reveal(fraction=0.25).draw(targets, np.random.default_rng(1))
    assert set(known.ravel()) == {-1, 0, 1}
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
        ("99.5%", Reveal(fraction=0.995)),
        ("0.5% ", Reveal(fraction=0.005)),
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


def fit_by_loops(logits, targets, counts, folds, seed):
    """Fit as `fit_known` says, with an update for each beta."""
    generator = np.random.default_rng(seed)
    generator.permutation(len(targets))  # which images are fitted on: all of these few

    def updated(known, beta):
        found = np.empty_like(logits)
        parts = [np.full(len(logits), True)] if folds is None else [folds == f for f in (0, 1, 2)]
        for rows in parts:
            others = counts if folds is None else counts_of(targets[~rows])
            update = KnownLabels(others, beta=beta, surprise=0.3, smoothing=5.0)
            found[rows] = update.update(logits[rows], known[rows])
        return found

    betas = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    quality = np.zeros(len(betas))
    for _ in range(3):
        known = Reveal(tags=1).draw(targets, generator)
        hidden = np.where(known >= 0, -1, targets)
        quality += [mean_average_precision(updated(known, b), hidden)[0] for b in betas]
    beta = betas[int(quality.argmax())]
    amounts = (Reveal(tags=1), Reveal(tags=2), Reveal(tags=3), Reveal(fraction=0.25))
    draws = [amount.draw(targets, generator) for amount in amounts]
    absent = Reveal(tags=1).draw(np.where(targets >= 0, 1 - targets, -1), generator)
    draws.append(np.where(absent == 1, 0, -1))
    x = np.concatenate([updated(known, beta) for known in draws])
    t = np.concatenate([np.where(known >= 0, -1, targets) for known in draws])
    number, told = number_known(np.concatenate(draws))
    pairs, pair = [], (1.0, 0.0)
    for n in range(4):
        rows = told & (number == n)
        if min((t[rows] == 1).sum(), (t[rows] == 0).sum()) >= 20:
            fit = fit_platt(x[rows].reshape(-1, 1), t[rows].reshape(-1, 1), strength=np.inf)
            pair = (fit.slope[0], fit.intercept[0])
        pairs.append(pair)
    return beta, *np.transpose(pairs)


@pytest.mark.parametrize(("seed", "in_folds"), [(0, True), (0, False), (1, True), (2, False)])
def test_the_fit_is_that_of_slow_loops(seed, in_folds):
    logits, targets = related(N=90, seed=seed)
    targets[::5, 2] = -1
    targets[1:40:3, :6] = 1  # of some, more is known than is told apart
    if seed:
        targets[:, 7] = -1  # of one label, nothing
    folds = np.arange(90) % 3 if in_folds else None
    options = {"seed": seed} if seed else {}
    fit = fit_known(logits, targets, counts_of(targets), folds, **options)
    beta, slope, offset = fit_by_loops(logits, targets, counts_of(targets), folds, seed)
    assert (fit.beta, fit.surprise, fit.smoothing) == (beta, 0.3, 5.0)
    np.testing.assert_allclose(fit.slope, slope, rtol=1e-6)
    np.testing.assert_allclose(fit.offset, offset, rtol=1e-6)


@pytest.mark.parametrize("values", [(1, 0), (0, 1)])
@pytest.mark.parametrize("rare", [0, 1, 2])
def test_a_number_that_is_too_rare_takes_the_pair_of_the_next_lower_one(rare, values):
    generator = np.random.default_rng(0)
    number = np.repeat([0, 1, 2, 3, 0], 100)
    told = np.arange(500) < 400  # of the others nothing is known: they do not count
    t = np.tile([1] * 20 + [0] * 60 + [-1] * 20, 5)
    few, many = values
    t[:400][number[:400] == rare] = [few] * 19 + [many] * 60 + [-1] * 21
    x = generator.normal(size=500) + t * (1 + number) * told
    slope, offset = fit_by_number(x[:, None], t[:, None], number, told)
    lower = (slope[rare - 1], offset[rare - 1]) if rare else (1, 0)
    assert (slope[rare], offset[rare]) == lower
    assert len({*slope, 1.0}) == len({*offset, 0.0}) == 4
    known = fit_by_number(x[:400, None], t[:400, None], number[:400], told[:400])
    np.testing.assert_array_equal(known, (slope, offset))


def test_without_another_fold_the_counts_that_were_given_are_used():
    logits, targets = related(N=90)
    counts = counts_of(related(seed=1)[1])
    alone, given = (fit_known(logits, targets, counts, folds) for folds in (np.zeros(90), None))
    assert alone.beta == given.beta
    np.testing.assert_array_equal(alone[3:], given[3:])


def test_the_pairs_of_an_image_do_not_count_for_itself():
    """Every image has two labels of 40 at random: a known one says nothing of the other."""
    generator = np.random.default_rng(0)
    N, L = 600, 40
    targets = np.zeros((N, L), np.int8)
    for row in targets:
        row[generator.choice(L, 2, replace=False)] = 1
    logits = generator.normal(size=(N, L)) + 2 * targets - 3
    counts = PairCounts.from_context(LabelContext.from_targets(list(map(str, range(L))), targets))
    assert fit_known(logits, targets, counts, np.arange(N) % 5).beta == 0.2
    assert fit_known(logits, targets, counts).beta > 0.2, "its own answer is in the counts"


def test_too_few_images_leave_the_defaults():
    logits, targets = related(N=12)
    fit = fit_known(logits, targets, counts_of(targets))
    assert fit.beta == BETA
    assert (fit.slope > 0).all()
    assert np.isfinite(fit.offset).all()
    none = fit_known(logits, np.full_like(targets, -1), counts_of(targets))
    assert (none.beta, none.slope.tolist(), none.offset.tolist()) == (BETA, [1.0] * 4, [0.0] * 4)


@pytest.mark.parametrize(("images", "is_enough"), [(20, True), (19, False)])
def test_twenty_hidden_positives_are_enough_for_a_beta_of_their_own(monkeypatch, images, is_enough):
    monkeypatch.setattr("imlgcn.metrics.known_labels.BETA", 7.0)
    logits = np.random.default_rng(0).normal(size=(images, 8))
    targets = np.zeros((images, 8), np.int8)
    targets[:, :2] = 1  # of which one is revealed
    found = fit_known(logits, targets, counts_of(related()[1])).beta
    assert found in BETAS if is_enough else found == 7


@pytest.mark.parametrize(
    ("entries", "labels", "images"), [(480, 8, 60), (487, 8, 60), (8, 8, 50), (70, 1, 70)]
)
def test_so_many_images_are_fitted_on_but_fifty_at_least(monkeypatch, entries, labels, images):
    seen = []

    def best(scored, generator):
        seen.append(scored)
        return 0.5

    monkeypatch.setattr("imlgcn.metrics.known_labels.ENTRIES", entries)
    monkeypatch.setattr("imlgcn.metrics.known_labels._best_beta", best)
    logits, targets = (values[:200, :labels] for values in related())
    counts = PairCounts.from_context(LabelContext.from_targets([*"abcdefgh"[:labels]], targets))
    fit_known(logits, targets, counts, np.arange(200) % 5)
    assert seen[0].logits.shape == seen[0].targets.shape == (images, labels)
    assert sum(rows.sum() for rows, _ in seen[0].updates) == images


def test_many_images_are_thinned_out(monkeypatch):
    monkeypatch.setattr("imlgcn.metrics.known_labels.ENTRIES", 8 * 900)
    logits, targets = related()
    folds = np.arange(len(targets)) % 5
    fit = fit_known(logits, targets, counts_of(targets), folds)
    assert abs(fit.beta - fit_known(logits, targets, counts_of(targets)).beta) <= 0.4
