import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imlgcn.data.dataset import Dataset, Record, Source
from imlgcn.data.split import (
    _neediest,
    split_around_test,
    split_dataset,
    stratify,
)
from imlgcn.data.written_split import keep_splits, write_split_csv
from imlgcn.errors import InputError

from .conftest import write_images

SHARES = np.array([0.8, 0.1, 0.1])


def random_labels(seed: int, images=600, labels=9):
    """Return (N, L) labels, some rare, and groups (N,) of one to six images that share labels."""
    random = np.random.default_rng(seed)
    groups = np.repeat(np.arange(images), random.integers(1, 7, images))[:images]
    frequency = np.linspace(0.02, 0.5, labels)
    return random.random((images, labels)) < frequency, groups * 7 + 3


@pytest.mark.parametrize("seed", range(4))
def test_every_image_is_dealt_out_once_and_groups_stay_together(seed):
    present, groups = random_labels(seed)
    part = stratify(present, groups, SHARES, seed=seed)
    assert part.shape == (600,)
    assert set(part) == {0, 1, 2}
    assert all(len(set(part[groups == group])) == 1 for group in set(groups))


@pytest.mark.parametrize("seed", range(4))
def test_sizes_are_off_by_less_than_the_largest_group(seed):
    present, groups = random_labels(seed)
    sizes = np.bincount(stratify(present, groups, SHARES, seed=seed))
    assert (sizes[1:] - 600 * SHARES[1:] < 6).all()
    singles = np.bincount(stratify(present, np.arange(600), SHARES, seed=seed))
    assert singles.tolist() == [480, 60, 60]


@pytest.mark.parametrize("seed", range(4))
def test_every_label_gets_its_share_where_a_random_split_does_not(seed):
    present, _ = random_labels(seed)
    wanted = np.outer(SHARES, present.sum(axis=0))

    def mean_error(part):
        got = np.stack([present[part == index].sum(axis=0) for index in range(3)])
        return np.abs(got - wanted).mean()

    assert mean_error(stratify(present, np.arange(600), SHARES, seed=seed)) < 0.8
    random = np.random.default_rng(seed).permutation(np.repeat([0, 1, 2], [480, 60, 60]))
    assert mean_error(random) > 2


def test_a_rare_label_goes_where_it_is_wanted_most():
    # five images of the rare label among a hundred: 0.6 -> 3, 0.2 -> 1, 0.2 -> 1
    present = np.zeros((100, 2), dtype=bool)
    present[:5, 0] = True
    present[:, 1] = True
    part = stratify(present, np.arange(100), np.array([0.6, 0.2, 0.2]))
    assert np.bincount(part[:5]).tolist() == [3, 1, 1]
    assert np.bincount(part).tolist() == [60, 20, 20]


def test_large_groups_go_first_so_that_small_ones_fill_what_is_left():
    groups = np.array([1, 2, 3, 4, 5, 6, *[9] * 6])
    part = stratify(np.ones((12, 1), dtype=bool), groups, np.array([0.5, 0.5]))
    assert sorted(part[:6]) == [1 - part[6]] * 6


@pytest.mark.parametrize("seed", range(4))
def test_of_parts_that_want_a_label_alike_the_emptier_gets_it(seed):
    present = np.array([[1, 0], [0, 1], [0, 0], [0, 0]], dtype=bool)
    part = stratify(present, np.arange(4), np.array([0.5, 0.5]), seed=seed)
    assert part[0] != part[1]


def test_images_without_labels_are_dealt_out_too():
    part = stratify(np.zeros((50, 3), dtype=bool), np.arange(50), SHARES)
    assert np.bincount(part).tolist() == [40, 5, 5]


def dataset(present, groups=None, names=None, order=None) -> Dataset:
    order = order if order is not None else range(present.shape[1])
    names = [f"label {index}" for index in range(present.shape[1])]
    records = [
        Record(
            f"{row}.png",
            Path(f"{row}.png"),
            tuple(name for name, there in zip(names, values, strict=True) if there),
            fields={} if groups is None else {"scene": str(groups[row])},
        )
        for row, values in enumerate(present)
    ]
    return Dataset.from_source(Source([names[i] for i in order], records, "test", "because"))


def test_the_same_seed_makes_the_same_split_and_another_one_another():
    present, groups = random_labels(1)
    data = dataset(present, groups)
    first, _ = split_dataset(data, seed=3, group_by="scene")
    assert first == split_dataset(data, seed=3, group_by="scene")[0]
    assert first != split_dataset(data, seed=4, group_by="scene")[0]


def test_the_order_of_the_labels_does_not_matter():
    present = np.eye(9, dtype=bool)[np.arange(594) % 9]  # all labels equally frequent
    groups = np.arange(594)
    shuffled = np.random.default_rng(0).permutation(9)
    first, _ = split_dataset(dataset(present, groups), group_by="scene")
    assert first == split_dataset(dataset(present, groups, order=shuffled), group_by="scene")[0]


def test_the_table_says_what_each_label_was_to_get_and_got():
    present, groups = random_labels(3)
    splits, table = split_dataset(dataset(present, groups), group_by="scene", val=0.2, test=0)
    assert set(splits) == {"train", "val"}
    assert table.images.wanted == {"train": 480.0, "val": 120.0}
    assert table.images.got == {name: splits.count(name) for name in ("train", "val")}
    assert (table.num_groups, table.grouped_by) == (len(set(groups)), "near duplicates and scene")
    assert [row.name for row in table.labels] == [f"label {index}" for index in range(9)]
    got = sum(present[row, 4] for row in range(600) if splits[row] == "val")
    assert table.labels[4].got["val"] == got
    assert table.labels[4].wanted["val"] == pytest.approx(present[:, 4].sum() * 0.2, abs=0.051)


@pytest.mark.parametrize(
    "shares", [(0.8, 0.1, 0.2), (0, 0.5, 0.5), (1.1, -0.1, 0), (0.7, 0.1, 0.1)]
)
def test_shares_that_do_not_add_up_are_refused(shares):
    train, val, test = shares
    with pytest.raises(InputError, match="fractions with the sum 1"):
        split_dataset(dataset(np.ones((3, 1), dtype=bool)), train=train, val=val, test=test)


def with_test(num_test) -> Dataset:
    """Return 40 images of which some, spread over the file, are the test split."""
    test = set(range(1, 40, 3)[:num_test])
    records = [
        Record(
            f"{n}.png",
            Path(f"{n}.png"),
            ("dog",) if n % 2 else ("cat",),
            split="test" if n in test else "train",
            fields={"scene": str(n)},
        )
        for n in range(40)
    ]
    return Dataset.from_source(Source(["cat", "dog"], records, "test", "because"))


def test_around_a_test_split_only_the_others_are_dealt_out():
    data = with_test(10)
    splits, table = split_around_test(data, val=0.2, group_by="scene")
    assert [n for n, split in enumerate(splits) if split == "test"] == list(range(1, 30, 3))
    assert (splits.count("val"), splits.count("train")) == (6, 24)
    assert table.images.got == {"train": 24, "val": 6}
    assert splits == split_around_test(data, val=0.2, group_by="scene")[0]


def test_one_function_keeps_a_test_split_and_writes_the_file(tmp_path):
    data, file = with_test(10), tmp_path / "split.csv"
    groups = np.arange(40)
    splits, _ = split_dataset(data, val=0.2, keep_test=True, groups=groups, out=file)
    assert splits == split_around_test(data, val=0.2, groups=groups)[0]
    rows = csv.DictReader(file.read_text().splitlines())
    assert [row["split"] for row in rows] == splits


@pytest.mark.parametrize("splits", [None, "train", "test"])
def test_without_a_test_split_and_others_there_is_nothing_to_keep(splits):
    data = with_test(3).with_splits([splits] * 40)
    with pytest.raises(InputError, match=f"a test split to keep .*has {splits or 'none'}"):
        split_around_test(data, group_by="scene")


def test_near_duplicates_stay_together_by_default(tmp_path):
    data = write_images(tmp_path, ["dog", "cat"] * 10)
    splits, table = split_dataset(data, train=0.5, val=0.3, test=0.2)
    assert splits[0::2] == splits[1::2]
    assert (table.num_groups, table.grouped_by) == (10, "near duplicates")
    assert table.images.got == {"train": 10, "val": 6, "test": 4}


@pytest.mark.parametrize("seed", range(3))
def test_a_column_to_group_by_keeps_near_duplicates_and_groups_together_too(tmp_path, seed):
    data = write_images(tmp_path, ["dog", "cat"] * 12)  # 2n and 2n + 1 are near duplicates
    records = [
        replace(record, group=f"g{row}" if row % 8 == 1 else "g1" if row == 22 else None)
        for row, record in enumerate(data.records)
    ]
    records = [
        replace(record, fields={"scene": "beach" if row in (3, 20) else ""})
        for row, record in enumerate(records)
    ]
    data = replace(data, records=tuple(records))
    splits, table = split_dataset(data, train=0.4, val=0.3, test=0.3, seed=seed, group_by="scene")
    assert splits[0::2] == splits[1::2], "near duplicates"
    assert splits[1] == splits[22], "a group"
    assert splits[3] == splits[20], "a value of the column"
    assert (table.num_groups, table.grouped_by) == (10, "near duplicates and group, scene")


def test_around_a_test_split_groups_stay_together(tmp_path):
    data = with_test(10)
    records = (replace(record, group=str(n // 4)) for n, record in enumerate(data.records))
    splits, _ = split_around_test(replace(data, records=tuple(records)), val=0.3)
    for group in range(10):
        assert len(set(splits[4 * group : 4 * group + 4]) - {"test"}) == 1
    numbers = np.arange(40) // 4
    assert split_around_test(data, val=0.3, groups=numbers)[0] == splits, "known beforehand"


def test_images_of_a_group_follow_those_that_keep_an_old_split(tmp_path):
    data = write_images(tmp_path, ["dog", "cat", "dog", "cat", "dog", "cat"])
    write_split_csv(data.select([0, 1, 2]), ["train", "val", "test"], tmp_path / "old.csv")
    data = data.with_splits(["val"] * 6)
    groups = np.array([0, 1, 2, 2, 0, 5])
    same, kept = keep_splits(data, tmp_path / "old.csv", groups)
    assert [record.split for record in same.records] == [
        "train", "val", "test", "test", "train", "val",
    ]  # fmt: skip
    assert kept == 3
    mixed, _ = keep_splits(data, tmp_path / "old.csv", np.array([0, 0, 0, 0, 4, 5]))
    assert mixed.records[3].split == "train", "of those the old run learnt from"


def slowly(present, groups, fractions, seed):
    """Stratify with a table of all groups and labels, as in the first version."""
    _, member = np.unique(groups, return_inverse=True)
    sizes = np.bincount(member)
    counts = np.zeros((len(sizes), present.shape[1] + 1), np.int64)
    np.add.at(counts, member, np.pad(present, ((0, 0), (0, 1)), constant_values=True))
    wanted, left = np.outer(fractions, counts.sum(0)), counts.sum(0)
    random = np.random.default_rng(seed)
    order = np.lexsort((random.permutation(len(sizes)), -sizes))
    part = np.full(len(sizes), -1)
    while (part < 0).any():
        shown = np.flatnonzero(left[:-1])
        label = int(shown[np.argmin(left[shown])]) if len(shown) else -1
        for group in order[(counts[order, label] > 0) & (part[order] < 0)]:
            part[group] = _neediest(wanted, label, random)
            wanted[part[group]] -= counts[group]
            left -= counts[group]
    return part[member]


@pytest.mark.parametrize("seed", range(20))
def test_counts_of_what_occurs_split_as_a_table_of_everything_does(seed):
    random = np.random.default_rng(seed)
    images, labels = random.integers(1, 60), random.integers(0, 9)
    present = random.random((images, labels)) < random.random(labels) / 2
    groups = random.integers(0, random.integers(1, images + 1), images)
    fractions = random.dirichlet(np.ones(random.integers(1, 5)))
    found = stratify(present, groups, fractions, seed=seed)
    assert found.tolist() == slowly(present, groups, fractions, seed).tolist()
