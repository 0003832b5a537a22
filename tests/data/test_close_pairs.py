import numpy as np
import pytest

from imlgcn.data import close_pairs as module
from imlgcn.data.close_pairs import close_pairs, grids_for, together


def vectors_with_pairs(count, distance, seed=0):
    """Return unit vectors far apart, and for every fifth another at just this distance."""
    random = np.random.default_rng(seed)
    far = random.normal(size=(count, 20))
    far /= np.linalg.norm(far, axis=1, keepdims=True)
    step = random.normal(size=(len(far[::5]), 20))
    step *= distance / np.linalg.norm(step, axis=1, keepdims=True)
    return np.concatenate([far, far[::5] + step]).astype(np.float32)


def slowly(vectors, distance):
    apart = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    return [[i, j] for i, j in np.argwhere(apart <= distance).tolist() if i < j]


def test_pairs_just_within_the_distance_are_found_and_no_others():
    vectors = vectors_with_pairs(600, 0.1)
    expected = slowly(vectors, 0.1001)
    assert len(expected) == 120
    assert close_pairs(vectors, 0.1001).tolist() == expected
    assert len(close_pairs(vectors, 0.0999)) == 0


def test_equal_vectors_are_paired_each_with_each():
    vectors = np.repeat(vectors_with_pairs(5, 0.5), 4, axis=0)
    assert close_pairs(vectors, 0.01).tolist() == slowly(vectors, 0.01)


def test_pairs_are_the_same_however_many_are_compared_at_once(monkeypatch):
    vectors = vectors_with_pairs(200, 0.1)
    expected = close_pairs(vectors, 0.11).tolist()
    monkeypatch.setattr(module, "AT_ONCE", 3)
    assert close_pairs(vectors, 0.11).tolist() == expected


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_vectors_make_no_pair(count):
    assert close_pairs(np.zeros((count, 3), np.float32), 1.0).shape == (0, 2)


@pytest.mark.parametrize("width", [0.7, 2.0, 6.0])
def test_so_many_vectors_share_an_interval_as_the_formula_says(width):
    random = np.random.default_rng(0)
    at, start = random.normal(size=200_000), random.random(200_000)  # g (x - y), with |x - y| = 1
    share = (np.floor(at / width + start) == np.floor(start)).mean()
    assert share == pytest.approx(together(width), abs=0.004)


def test_hardly_a_pair_at_the_limit_shares_no_cell_and_grids_grow_slowly():
    for count in (20_000, 10**6, 10**8):
        directions, grids = grids_for(count)
        assert (1 - together(module.WIDTH) ** directions) ** grids <= module.MISSED
    assert grids_for(10**8)[1] < 5 * grids_for(10**4)[1]
