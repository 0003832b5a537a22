"""The gain of a label, against solutions from scratch, and what it prefers."""

from __future__ import annotations

import pytest
import torch

from imlgcn.models.image_space import ImageSpace, feature_space
from imlgcn.suggestion.coverage import MOST, Coverage, unknown_after

RIDGE = 0.3


def units(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    found = torch.randn(count, 5, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(found, dim=1)


def space(fitted: torch.Tensor) -> ImageSpace:
    return ImageSpace(lambda features: features, fitted, 1.3, gamma=1.7, ridge=RIDGE)


def variances(labelled: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Return the variance of each of the others by the formula, from scratch."""

    def kernel(one, other):
        return (-torch.cdist(one, other).square() * 1.7 / 1.3).exp()

    inside = kernel(labelled, labelled) + RIDGE * torch.eye(len(labelled))
    across = kernel(others, labelled)
    return 1 - (across @ torch.linalg.inv(inside) * across).sum(1)


def test_what_is_unknown_is_the_variance_of_a_gaussian_process():
    fitted, others = units(6, 0), units(9, 1)
    found = unknown_after(space(fitted), others).diagonal()
    torch.testing.assert_close(found, variances(fitted, others))


def test_without_labelled_images_everything_is_unknown():
    others = units(4, 1)
    torch.testing.assert_close(
        unknown_after(space(others[:0]), others), space(others).kernel(others, others)
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_the_gain_is_by_how_much_the_variance_of_all_falls_also_after_some_labels(weighted):
    fitted, others = units(6, 0), units(9, 1)
    r = torch.linspace(0.2, 3, 9, dtype=torch.float64) if weighted else torch.ones(9).double()
    coverage = Coverage(unknown_after(space(fitted), others), RIDGE, r if weighted else None)
    at_first = float(r @ variances(fitted, others))
    for _ in range(3):
        before = variances(fitted, others)
        gains = [
            float(r @ (before - variances(torch.cat([fitted, others[[row]]]), others)))
            for row in range(9)
        ]
        row, gain = coverage.best(torch.ones(9, dtype=torch.bool))
        assert row == max(range(9), key=gains.__getitem__)
        assert gain == pytest.approx(gains[row] / at_first)
        coverage.label(row)
        fitted = torch.cat([fitted, others[[row]]])


def test_an_image_that_stands_for_others_is_taken_before_one_that_is_like_none():
    crowd = units(1, 3) + 0.2 * units(12, 4)
    alone = -crowd.mean(0, keepdim=True)
    vectors = torch.nn.functional.normalize(torch.cat([alone, crowd]), dim=1)
    P = unknown_after(space(vectors[:0]), vectors)
    row, _ = Coverage(P, RIDGE).best(torch.ones(13, dtype=torch.bool))
    assert row != 0
    weights = torch.cat([torch.ones(1), torch.zeros(12)])  # only the one that is alone counts
    row, _ = Coverage(P, RIDGE, weights).best(torch.ones(13, dtype=torch.bool))
    assert row == 0


def test_an_image_that_is_not_free_is_never_taken():
    coverage = Coverage(unknown_after(space(units(6, 0)), units(9, 1)), RIDGE)
    first, _ = coverage.best(torch.ones(9, dtype=torch.bool))
    assert coverage.best(torch.arange(9) != first)[0] != first


def test_of_very_many_fitted_images_some_are_left_out_and_the_rest_is_as_known(monkeypatch):
    fitted, others = units(40, 0), units(5, 1)
    monkeypatch.setattr("imlgcn.suggestion.coverage.MOST", 20)
    torch.testing.assert_close(
        unknown_after(space(fitted), others).diagonal(), variances(fitted[::2], others)
    )
    assert MOST >= 4000  # a pool of this size was measured whole


def test_the_median_of_a_space_of_features_is_that_of_its_distances():
    features = torch.rand(9, 4, generator=torch.Generator().manual_seed(0)) + 0.1
    made = feature_space(features)
    roots = torch.nn.functional.normalize(features.sqrt(), dim=1)
    torch.testing.assert_close(made.fitted, roots)
    distances = torch.cdist(roots.double(), roots.double()).square()
    assert made.median == pytest.approx(float(distances.quantile(0.5)), rel=1e-5)
    cosine = made.similarity(made.distances(roots[:1], roots[1:2]))
    assert float(cosine) == pytest.approx(float(roots[0] @ roots[1]), abs=1e-5)
