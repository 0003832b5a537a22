"""Properties of the folds over random data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from imlgcn.data.dataset import Dataset, Record, Source
from imlgcn.data.folds import grouped_folds
from imlgcn.errors import InputError


def dataset(present, groups=None, order=None) -> Dataset:
    names = [f"label {index}" for index in range(present.shape[1])]
    records = [
        Record(
            f"{row}.png",
            Path(f"{row}.png"),
            tuple(name for name, there in zip(names, values, strict=True) if there),
            group=None if groups is None else str(groups[row]),
        )
        for row, values in enumerate(present)
    ]
    order = range(len(names)) if order is None else order
    return Dataset.from_source(Source([names[i] for i in order], records, "test", "because"))


def random_data(seed: int, images=400, labels=12, largest=6):
    """Return labels (N, L), some rare, and groups (N,) of one to ``largest`` images."""
    random = np.random.default_rng(seed)
    groups = np.repeat(np.arange(images), random.integers(1, largest + 1, images))[:images]
    frequency = np.geomspace(0.01, 0.5, labels)
    return random.random((images, labels)) < frequency, random.permutation(groups)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("k", [2, 5, 10])
def test_every_image_is_in_one_fold_and_no_group_crosses_folds(seed, k):
    present, groups = random_data(seed)
    folds = grouped_folds(dataset(present, groups), k, seed)
    assert folds.shape == (400,)
    assert set(folds.tolist()) == set(range(k))
    assert all(len(set(folds[groups == group].tolist())) == 1 for group in set(groups.tolist()))


@pytest.mark.parametrize("seed", range(6))
def test_given_groups_are_kept_together_and_beat_those_of_the_data(seed):
    present, groups = random_data(seed)
    data = dataset(present, np.random.default_rng(seed).integers(0, 3, 400))
    folds = grouped_folds(data, 5, seed, groups=groups)
    assert all(len(set(folds[groups == group].tolist())) == 1 for group in set(groups.tolist()))
    assert len(np.unique(folds)) == 5


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("k", [3, 5])
def test_sizes_and_positives_of_every_label_are_spread_within_reach(seed, k):
    present, groups = random_data(seed)

    def error(folds):  # (k, L)
        got = np.stack([present[folds == fold].sum(axis=0) for fold in range(k)])
        return np.abs(got - present.sum(axis=0) / k)

    alone = grouped_folds(dataset(present), k, seed)
    sizes = np.bincount(alone)
    assert sizes.max() - sizes.min() <= 1
    assert error(alone).max() < 2.5
    together = grouped_folds(dataset(present, groups), k, seed)
    assert np.bincount(together).max() < 400 / k + 6, "off by less than the largest group"
    assert error(together).mean() < 2
    shuffled = np.random.default_rng(seed).permutation(alone)
    assert error(shuffled).mean() > 2 * error(alone).mean()


def test_a_rare_label_is_in_as_many_folds_as_it_has_groups():
    # seven images in four groups (of 3, 2, 1, 1) show the rare label
    present = np.zeros((100, 2), dtype=bool)
    present[:7, 0] = True
    present[:, 1] = True
    groups = np.array([0, 0, 0, 1, 1, 2, 3, *range(4, 97)])
    folds = grouped_folds(dataset(present, groups), 5)
    assert len(set(folds[:7].tolist())) == 4
    assert np.bincount(folds).tolist() == [20] * 5


def test_the_same_seed_makes_the_same_folds_and_another_one_others():
    present, groups = random_data(1)
    data = dataset(present, groups)
    first = grouped_folds(data, seed=3)
    np.testing.assert_array_equal(first, grouped_folds(data, seed=3))
    assert (first != grouped_folds(data, seed=4)).any()


def test_neither_splits_nor_the_order_of_labels_matter():
    present, groups = random_data(2)
    order = np.random.default_rng(0).permutation(present.shape[1])
    shuffled = dataset(present, groups, order).with_splits(["train", "val"] * 200)
    expected = grouped_folds(dataset(present, groups))
    np.testing.assert_array_equal(grouped_folds(shuffled), expected)


def test_images_without_any_label_are_spread_too():
    folds = grouped_folds(dataset(np.zeros((50, 3), dtype=bool)), 5)
    assert np.bincount(folds).tolist() == [10] * 5


def test_one_huge_group_leaves_no_fold_empty():
    groups = np.array([0] * 90 + [1, 2, 3, 4])
    folds = grouped_folds(dataset(random_data(0, images=94)[0], groups), 5)
    assert sorted(np.bincount(folds).tolist()) == [1, 1, 1, 1, 90]


def test_too_few_folds_or_groups_are_refused():
    data = dataset(np.ones((6, 1), dtype=bool), [0, 0, 1, 1, 2, 2])
    with pytest.raises(InputError, match="at least 2, not 1"):
        grouped_folds(data, 1)
    with pytest.raises(InputError, match=r"3 groups of images .*cannot fill 4 folds"):
        grouped_folds(data, 4)
    with pytest.raises(InputError, match="6 images need as many group numbers, not 5"):
        grouped_folds(data, 2, groups=np.arange(5))
