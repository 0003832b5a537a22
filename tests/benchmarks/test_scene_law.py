"""The law of the scenes: the same marginals at every strength, and its exact posterior."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from benchmarks.scene_images import scene_law
from benchmarks.scene_law import ThemeLaw, calibrated

from imlgcn.errors import InputError
from imlgcn.metrics.calibration import Calibration, sigmoid

STRENGTHS = (0.0, 0.5, 1.0)


def uneven(strength: float) -> ThemeLaw:
    """Five labels in three themes of different sizes, with shares of their own."""
    shares = np.array([0.05, 0.3, 0.2, 0.12, 0.25])
    return ThemeLaw(shares, np.array([0, 0, 1, 2, 2]), strength, contrast=0.8)


def every_vector(L: int) -> np.ndarray:
    return np.array(list(product((0, 1), repeat=L)))  # (2 ** L, L)


@pytest.mark.parametrize("strength", STRENGTHS)
def test_probabilities_sum_to_one_and_give_shares_and_pairs(strength):
    law = uneven(strength)
    vectors = every_vector(5)
    weights = law.probability(vectors)
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(weights @ vectors, law.shares)
    np.testing.assert_allclose(vectors.T @ (weights[:, None] * vectors), law.pairs)


@pytest.mark.parametrize("strength", STRENGTHS)
def test_marginals_of_the_scenes_are_the_same_at_every_strength(strength):
    law = scene_law(strength)
    np.testing.assert_allclose(law.given_theme.mean(axis=0), scene_law(0.0).shares)
    generator = np.random.default_rng(0)
    drawn = np.stack([law.sample(generator) for _ in range(20000)])
    np.testing.assert_allclose(drawn.mean(axis=0), law.shares, atol=0.013)  # 4.7 sigma
    np.testing.assert_allclose(drawn.T @ drawn.astype(float) / 20000, law.pairs, atol=0.013)


def test_labels_of_a_theme_come_together_more_often_the_stronger_the_law():
    lifts = []
    for strength in STRENGTHS:
        law = scene_law(strength)
        same = law.themes[:, None] == law.themes
        np.fill_diagonal(same, False)
        other = law.themes[:, None] != law.themes
        lift = law.pairs / np.outer(law.shares, law.shares)
        np.testing.assert_allclose(lift[same], 1 + 3 * 0.81 * strength**2)
        np.testing.assert_allclose(lift[other], 1 - 0.81 * strength**2)
        lifts.append(lift[same].mean())
    assert lifts == sorted(lifts)
    assert lifts[0] == pytest.approx(1)


def test_a_probability_worked_by_hand():
    # strength 0.5, contrast 0.8: 1 + 0.4 = 1.4 times the share in the own theme, 0.6 in the other
    law = ThemeLaw(np.array([0.5, 0.1]), np.array([0, 1]), 0.5, contrast=0.8)
    np.testing.assert_allclose(law.given_theme, [[0.7, 0.06], [0.3, 0.14]])
    both = (0.7 * 0.06 + 0.3 * 0.14) / 2
    first = (0.7 * 0.94 + 0.3 * 0.86) / 2
    np.testing.assert_allclose(law.probability(np.array([[1, 1], [1, 0]])), [both, first])


@pytest.mark.parametrize("strength", STRENGTHS)
def test_the_posterior_is_that_of_all_label_vectors_one_by_one(strength):
    law = uneven(strength)
    logits = np.random.default_rng(1).normal(-1, 2, (7, 5))
    expected = np.zeros((7, 5))
    for row, evidence in enumerate(logits):
        likelihood = np.exp(evidence) / (law.shares / (1 - law.shares))  # P(e|1) / P(e|0)
        weights = {y: law.probability(np.array([y]))[0] for y in product((0, 1), repeat=5)}
        for y in weights:
            for label, present in enumerate(y):
                weights[y] *= likelihood[label] if present else 1
        total = sum(weights.values())
        for y, weight in weights.items():
            expected[row] += np.array(y) * weight / total
    np.testing.assert_allclose(sigmoid(law.posterior(logits)), expected, rtol=1e-10)


def test_without_a_law_the_evidence_stays_as_it_is():
    logits = np.random.default_rng(2).normal(-1, 2, (50, 5))
    found = uneven(0.0).posterior(logits)
    np.testing.assert_allclose(found, logits, atol=1e-12)
    np.testing.assert_array_equal(found.argsort(axis=0), logits.argsort(axis=0))


def test_a_label_of_the_same_theme_speaks_for_another_and_one_of_another_theme_against():
    law = scene_law(1.0)
    plain = np.log(law.shares / (1 - law.shares))[None]  # no evidence
    np.testing.assert_allclose(law.posterior(plain), plain)
    seen = plain.copy()
    seen[0, 0] = 30.0
    found = sigmoid(law.posterior(seen))[0]
    pairs = law.pairs[0] / law.shares[0]  # P(l | first)
    np.testing.assert_allclose(found[1:], pairs[1:], rtol=1e-9)
    assert found[1:4].min() > law.shares[0] > found[4:].max()


def test_extreme_evidence_stays_finite():
    logits = np.array([[800.0, -800.0, 0.0, 800.0, -800.0]])
    assert np.isfinite(uneven(1.0).posterior(logits)).all()


def test_calibrated_logits_are_those_of_the_calibrated_probabilities():
    calibration = Calibration(np.array([2.0, 0.5]), np.array([-1.0, 0.25]), np.array([3, 4]))
    logits = np.array([[0.5, -3.0], [2.0, 1.0]], np.float32)
    np.testing.assert_allclose(sigmoid(calibrated(calibration, logits)), calibration.apply(logits))


def test_a_law_that_cannot_be_is_refused():
    with pytest.raises(InputError, match=r"between 0 and 1, not 1\.5"):
        uneven(1.5)
    with pytest.raises(InputError, match="certain or impossible under a theme"):
        ThemeLaw(np.array([0.6, 0.6]), np.array([0, 1]), 1.0)
