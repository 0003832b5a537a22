"""Platt fits recover known pairs, shrink with few positives; errors against slow loops."""

import numpy as np
import pytest

from imlgcn.errors import InputError
from imlgcn.metrics import (
    classwise_calibration_error,
    expected_calibration_error,
    fit_platt,
    log_loss_per_image,
)
from imlgcn.metrics.calibration import label_calibration_errors, sigmoid
from imlgcn.metrics.ranking import average_precision


def drawn(images, slopes, intercepts, seed=0):
    """Draw logits, and targets that are present with probability sigmoid(slope x + intercept)."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(images, len(slopes)))
    truth = sigmoid(logits * np.array(slopes) + np.array(intercepts))
    return logits, (generator.random(truth.shape) < truth).astype(int)


def test_many_positives_recover_each_labels_own_slope_and_intercept():
    logits, targets = drawn(60_000, [0.7, 2.0, 1.3], [-1.0, 0.5, -3.0])
    fit = fit_platt(logits, targets)
    np.testing.assert_allclose(fit.slope, [0.7, 2.0, 1.3], rtol=0.06)
    np.testing.assert_allclose(fit.intercept, [-1.0, 0.5, -3.0], atol=0.08)
    np.testing.assert_array_equal(fit.positives, targets.sum(axis=0))


def test_without_shrinking_a_label_equals_unpenalised_logistic_regression():
    from sklearn.linear_model import LogisticRegression

    logits, targets = drawn(300, [1.5, 0.6], [-1, 0.4])
    fit = fit_platt(logits, targets, strength=0)
    for label in range(2):
        reference = LogisticRegression(C=1e9, tol=1e-10).fit(logits[:, [label]], targets[:, label])
        assert fit.slope[label] == pytest.approx(reference.coef_[0, 0], rel=1e-4)
        assert fit.intercept[label] == pytest.approx(reference.intercept_[0], rel=1e-4)


def test_infinite_strength_gives_every_label_the_shared_pair():
    logits, targets = drawn(500, [0.5, 2.5], [-2, 1])
    fit = fit_platt(logits, targets, strength=np.inf)
    assert np.ptp(fit.slope) == np.ptp(fit.intercept) == 0
    assert 0.5 < fit.slope[0] < 2.5


def test_the_shared_pair_is_where_platts_regularised_targets_balance():
    logits, targets = drawn(30, [2.0, 2.0], [-1, -1])
    logits += 2.0 * targets  # nearly separable: the targets matter
    positives, total = targets.sum(), targets.size
    goal = np.where(targets == 1, (positives + 1) / (positives + 2), 1 / (total - positives + 2))
    fit = fit_platt(logits, targets, strength=np.inf)
    excess = fit.apply(logits) - goal
    # a millionth of a penalty holds the pair, which else is free where all scores are equal
    assert excess.sum() == pytest.approx(-1e-6 * fit.intercept[0], rel=0.01)
    assert (excess * logits).sum() == pytest.approx(-1e-6 * (fit.slope[0] - 1), rel=0.01)


def shrunk_by_scipy(x, t, slope, intercept, strength):
    """Minimise the penalised log-loss of one label, on logits centred and scaled by p(1 - p)."""
    from scipy.optimize import minimize

    weights = sigmoid(slope * x + intercept) * sigmoid(-slope * x - intercept)
    centre = (weights * x).sum() / weights.sum()
    scale = ((weights * (x - centre) ** 2).sum() / weights.sum()) ** 0.5

    def loss(pair):
        u = pair[0] * (x - centre) / scale + pair[1]
        distance = (pair[0] - slope * scale) ** 2 + (pair[1] - intercept - slope * centre) ** 2
        return (np.logaddexp(0, u) - t * u).sum() + strength / 2 * distance

    a, b = minimize(loss, (1.0, 0.0), tol=1e-10).x
    return a / scale, b - a * centre / scale


@pytest.mark.parametrize("options", [{}, {"strength": 3.0}, {"strength": 200.0}])
@pytest.mark.parametrize("factor", [2, 3e-4])
def test_a_shrunk_label_is_the_minimum_that_scipy_finds(factor, options):
    logits, targets = drawn(120, [0.4, 3.0, 1.0], [-1, 2, -3])
    logits = factor * (logits + 3)
    fit, shared = fit_platt(logits, targets, **options), fit_platt(logits, targets, strength=np.inf)
    for label in range(3):
        slope, intercept = shrunk_by_scipy(
            logits[:, label],
            targets[:, label],
            shared.slope[label],
            shared.intercept[label],
            options.get("strength", 10.0),
        )
        assert fit.slope[label] == pytest.approx(slope, rel=1e-4)
        assert fit.intercept[label] == pytest.approx(intercept, rel=1e-4, abs=1e-4)


def test_the_intercept_of_a_label_with_wrong_scores_is_shrunk_as_any_other():
    from scipy.optimize import minimize_scalar

    logits, targets = drawn(300, [3.0, 2.0, -2.0], [-1, -1, 2])
    shared, fit = fit_platt(logits, targets, strength=np.inf), fit_platt(logits, targets)
    x, t = logits[:, 2], targets[:, 2]
    p = sigmoid(shared.slope[2] * x + shared.intercept[2])
    centre = np.average(x, weights=p * (1 - p))
    prior = shared.intercept[2] + shared.slope[2] * centre

    def loss(b):
        u = 0.001 * (x - centre) + b
        return (np.logaddexp(0, u) - t * u).sum() + 10 / 2 * (b - prior) ** 2

    assert fit.slope[2] == pytest.approx(0.001, rel=1e-5)
    best = minimize_scalar(loss, tol=1e-10).x
    assert fit.intercept[2] + 0.001 * centre == pytest.approx(best, rel=1e-5)


def test_scores_that_are_wrong_get_the_least_slope():
    logits, targets = drawn(400, [-3.0, -3.0], [-1, -1])
    for strength in (5, np.inf):
        found = fit_platt(20 * logits, targets, strength=strength).slope
        np.testing.assert_allclose(found, 0.001, rtol=1e-5)


def test_a_label_moves_further_from_the_shared_pair_the_more_images_it_has():
    logits, targets = drawn(4000, [1.0, 1.0, 3.0], [0.0, 0.0, -2.0])
    distance = []
    for known in (40, 400, 4000):
        partly = targets.copy()
        partly[known:, 2] = -1
        shared = fit_platt(logits, partly, strength=np.inf).intercept[2]
        distance.append(abs(fit_platt(logits, partly, strength=30).intercept[2] - shared))
    assert distance[0] < distance[1] < distance[2]


def test_shrinking_does_not_depend_on_where_the_logits_are_or_how_large():
    logits, targets = drawn(200, [1.0, 2.0], [-1, 0.5])
    plain = fit_platt(logits, targets).apply(logits)
    moved = fit_platt(10 * logits - 40, targets).apply(10 * logits - 40)
    np.testing.assert_allclose(moved, plain, atol=1e-5)


def test_a_label_known_nowhere_takes_the_shared_pair():
    logits, targets = drawn(300, [1.0, 1.0], [-1, 0])
    targets[:, 1] = -1
    shared = fit_platt(logits, targets, strength=np.inf)
    fit = fit_platt(logits, targets)
    assert (fit.slope[1], fit.intercept[1]) == (shared.slope[1], shared.intercept[1])
    assert fit.positives[1] == 0


def test_a_label_never_seen_gets_lower_probabilities_but_finite_ones():
    logits, targets = drawn(300, [1.0, 1.0, 1.0], [-1, 0, 0])
    targets[:, 2] = 0
    probabilities = fit_platt(logits, targets).apply(logits)
    assert 0 < probabilities[:, 2].mean() < 0.5 * probabilities[:, :2].mean()


@pytest.mark.parametrize("answer", [0, 1, -1])
def test_where_all_known_answers_are_the_same_scores_keep_their_distances(answer):
    logits = np.array([[-3.0, 2.0], [1.0, 0.5]])
    fit = fit_platt(logits, np.full((2, 2), answer))
    np.testing.assert_allclose(fit.slope, 1, rtol=0.2)
    shared = fit_platt(logits, np.full((2, 2), answer), strength=np.inf)
    assert (shared.slope == 1).all()
    assert (shared.intercept == 0).all()


def test_unknown_entries_do_not_move_the_fit():
    logits, targets = drawn(400, [1.2, 0.8], [-1, 0])
    targets[50:90] = -1
    kept = np.delete(np.arange(400), range(50, 90))
    fit, without = fit_platt(logits, targets), fit_platt(logits[kept], targets[kept])
    np.testing.assert_allclose(fit.slope, without.slope, rtol=1e-9)
    np.testing.assert_allclose(fit.intercept, without.intercept, rtol=1e-9)


@pytest.mark.parametrize("first", [2.0, -3.0])
@pytest.mark.parametrize("direction", [-3.0, 0.0])
@pytest.mark.parametrize("strength", [5, np.inf])
def test_calibration_keeps_the_ranking_even_of_scores_that_are_wrong(first, direction, strength):
    logits, targets = drawn(400, [first, direction, direction], [-1, -1, -2])
    fit = fit_platt(logits, targets, strength=strength)
    assert (fit.slope > 0).all()
    before, after = (average_precision(s, targets) for s in (logits, fit.apply(logits)))
    np.testing.assert_allclose(after, before)


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_perfectly_separated_scores_stay_finite(scale):
    targets = np.array([[1, 0], [0, 1], [0, 0], [1, 0]])
    fit = fit_platt(scale * (2 * targets - 1), targets)
    assert np.isfinite([fit.slope, fit.intercept]).all()
    assert ((fit.apply(scale * (2 * targets - 1)) > 0.5) == (targets == 1)).all()


def test_constant_scores_give_the_frequency():
    targets = np.zeros((1000, 1))
    targets[:100] = 1
    fit = fit_platt(np.full((1000, 1), -2.0), targets)
    np.testing.assert_allclose(fit.apply([[-2.0]]), [[0.1]], atol=0.005)


def test_inflated_scores_reach_a_small_error_on_other_images():
    logits, targets = drawn(6000, [1.8] * 5, np.linspace(-4, -1, 5))
    shown = 0.5 * logits + 1  # as an asymmetric loss leaves them: too high and too flat
    fit = fit_platt(shown[:1500], targets[:1500])
    other, truth = shown[1500:], targets[1500:]
    assert expected_calibration_error(sigmoid(other), truth) > 0.3
    assert expected_calibration_error(fit.apply(other), truth) < 0.01
    assert log_loss_per_image(fit.apply(other), truth) < log_loss_per_image(sigmoid(other), truth)


def test_calibration_error_worked_by_hand_and_by_slow_loops():
    probabilities = np.array([[0.05, 0.9], [0.15, 0.95], [0.55, 0.3]])
    targets = np.array([[0, 1], [1, 0], [1, -1]])
    # two bins: low {.05, .15} and high {.9, .95, .55}
    by_hand = (abs(0.2 - 1) + abs(2.4 - 2)) / 5
    assert expected_calibration_error(probabilities, targets, 2) == pytest.approx(by_hand)
    generator = np.random.default_rng(0)
    p, t = generator.random((50, 3)), generator.integers(-1, 2, (50, 3))
    flat = [(a, b) for a, b in zip(p.ravel(), t.ravel(), strict=True) if b != -1]
    gap = 0.0
    for low in np.arange(15) / 15:
        inside = [(a, b) for a, b in flat if low <= a < low + 1 / 15]
        gap += abs(sum(a for a, _ in inside) - sum(b for _, b in inside))
    assert expected_calibration_error(p, t) == pytest.approx(gap / len(flat))


def test_classwise_error_sees_what_pooling_hides():
    probabilities, targets = np.full((4, 2), 0.5), np.array([[1, 0]] * 4)
    assert expected_calibration_error(probabilities, targets) == 0
    assert classwise_calibration_error(probabilities, targets) == 0.5


def test_classwise_error_is_the_mean_of_each_labels_own():
    generator = np.random.default_rng(0)
    p, t = generator.random((50, 3)), generator.integers(-1, 2, (50, 3))
    t[:, 1] = -1
    own = [expected_calibration_error(p[:, [label]], t[:, [label]]) for label in (0, 2)]
    np.testing.assert_allclose(label_calibration_errors(p, t), [own[0], np.nan, own[1]])
    assert classwise_calibration_error(p, t) == pytest.approx(np.mean(own))


def test_a_probability_of_one_belongs_to_the_last_bin():
    assert expected_calibration_error([[1.0], [0.97]], [[0], [1]]) == pytest.approx(0.97 / 2)


def test_log_loss_sums_over_known_labels_and_averages_over_images():
    probabilities = np.array([[0.8, 0.3], [0.1, 0.6]])
    targets = np.array([[1, 0], [0, -1]])
    expected = -(np.log(0.8) + np.log(0.7) + np.log(0.9)) / 2
    assert log_loss_per_image(probabilities, targets) == pytest.approx(expected)
    certain = [log_loss_per_image(np.float32([[p]]), [[t]]) for p, t in ((1, 0), (0, 1))]
    assert certain == pytest.approx([-np.log(1e-7)] * 2)


@pytest.mark.filterwarnings("error")
def test_no_image_gives_no_number():
    empty = np.zeros((0, 2))
    assert np.isnan(expected_calibration_error(empty, empty))
    assert np.isnan(classwise_calibration_error(empty, empty))
    assert np.isnan(log_loss_per_image(empty, empty))


def test_infinite_logits_are_refused():
    with pytest.raises(InputError, match="finite"):
        fit_platt([[np.inf], [0.5]], [[1], [0]])
