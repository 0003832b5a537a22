"""Labels in the plane: components as scikit-learn has them, neighbours, names to read."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from imlgcn.views import plane
from imlgcn.views.plane import (
    HEIGHT,
    LETTER,
    LINE,
    LONGEST_NAME,
    WIDTH,
    label_plane,
    neighbours,
    principal_plane,
)


@pytest.mark.parametrize("shape", [(38, 37), (5, 2), (6, 300)])
def test_the_components_are_those_of_scikit_learn(shape):
    vectors = np.random.default_rng(0).normal(size=shape) * np.arange(1, shape[1] + 1)
    reference = PCA(2).fit(vectors)
    ours, explained = principal_plane(vectors)
    np.testing.assert_allclose(np.abs(ours), np.abs(reference.transform(vectors)), atol=1e-6)
    assert explained == pytest.approx(reference.explained_variance_ratio_.sum())


def test_vectors_of_one_dimension_or_all_alike_have_a_plane_too():
    points, explained = principal_plane(np.array([[1.0], [2.0], [4.0]]))
    assert points.shape == (3, 2)
    assert explained == 1
    assert np.isfinite(label_plane(("a", "b", "c"), np.ones((3, 4)), np.ones(3, int)).places).all()


def test_neighbours_are_found_in_all_dimensions():
    vectors = np.array([[5.0, 1, 9], [5, 1, 8.5], [-5, 1, -9], [-5, 0.5, -9], [0, -3.5, 0.5]])
    nearest = neighbours(vectors, 2)
    assert nearest[:4, 0].tolist() == [1, 0, 3, 2]
    assert all(row not in near for row, near in enumerate(nearest))


@pytest.mark.parametrize("count", [38, 80])
def test_names_hardly_overlap_and_stay_inside(count):
    generator = np.random.default_rng(2)
    vectors = generator.normal(size=(count, 6)) * [9, 6, 1, 1, 1, 1]
    names = tuple("x" * length for length in generator.integers(4, 10, count))
    plane = label_plane(names, vectors, generator.integers(1, 300, count))
    width = np.array([LETTER * min(len(names[i]), LONGEST_NAME) for i in plane.named])
    half = np.stack([width, np.full(count, LINE - 2)], axis=1) / 2
    apart = np.abs(plane.name_places[:, None] - plane.name_places) - half[:, None] - half
    overlaps = np.triu((apart < 0).all(axis=2), 1).sum()
    assert overlaps <= count // 20
    assert (plane.name_places - half > -2).all()
    assert (plane.name_places + half < np.array([WIDTH, HEIGHT]) + 2).all()


def test_of_many_labels_all_are_dots_and_the_most_frequent_have_names():
    vectors = np.random.default_rng(3).normal(size=(500, 20))
    occurrences = np.arange(500)
    plane = label_plane(tuple(map(str, range(500))), vectors, occurrences)
    assert plane.places.shape == (500, 2)
    assert set(plane.named) == set(range(420, 500))
    assert plane.drawn.tolist() == list(range(500))


def test_of_thousands_the_frequent_ones_are_drawn_and_what_lines_lead_to():
    vectors = np.random.default_rng(3).normal(size=(2000, 5))
    plane = label_plane(tuple(map(str, range(2000))), vectors, np.arange(2000))
    nearest = set(plane.nearest[plane.named].tolist())
    assert set(plane.drawn.tolist()) == set(range(1400, 2000)) | nearest
    assert nearest - set(range(1400, 2000))


def test_the_plane_of_very_many_labels_is_that_of_few(monkeypatch):
    """It is found from D x D numbers, and the nearest others are looked for in blocks."""
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(60, 5)) * [5, 3, 1, 1, 0.5]
    points, explained = principal_plane(vectors)
    near = neighbours(vectors, 3)
    monkeypatch.setattr(plane, "MOST_LISTED", 8)
    found, same = principal_plane(vectors)
    np.testing.assert_allclose(found, points, atol=1e-9)
    assert same == pytest.approx(explained)
    assert neighbours(vectors, 3).tolist() == near.tolist()
    centred = vectors - vectors.mean(axis=0)
    cosine = centred @ centred[7] / np.linalg.norm(centred, axis=1) / np.linalg.norm(centred[7])
    cosine[7] = -2
    assert near[7].tolist() == np.argsort(-cosine)[:3].tolist()
    chosen = np.array([7, 40])
    assert neighbours(vectors, 3, chosen).tolist() == near[chosen].tolist()


def test_equal_neighbours_come_in_the_order_of_labels():
    vectors = np.array([[1.0, 0], [0, 1], [0, 1], [0, 1], [-1, 0]])
    assert neighbours(vectors, 2)[1].tolist() == [2, 3]
