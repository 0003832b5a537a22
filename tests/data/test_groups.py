"""What stays together: near duplicates, groups and a column, joined."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imlgcn.data.dataset import Dataset, Record, Source
from imlgcn.data.groups import find_groups, grouped_by
from imlgcn.errors import InputError


def dataset(paths, groups, scenes=None) -> Dataset:
    scenes = scenes or [None] * len(paths)
    records = [
        Record(path.name, path, ("dog",), group=group, fields={} if s is None else {"scene": s})
        for path, group, s in zip(paths, groups, scenes, strict=True)
    ]
    return Dataset.from_source(Source(["dog"], records, "test", "because"))


def nowhere(number):
    """Return paths without a file: they have no near duplicates."""
    return [Path(f"{n}.png") for n in range(number)]


@pytest.fixture
def pictures(tmp_path):
    """Four files: 0 and 1 are one picture in two sizes, 2 and 3 are others."""
    for number, (seed, side) in enumerate([(0, 60), (0, 90), (1, 60), (2, 60)]):
        blocks = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        image = Image.fromarray(blocks).resize((side, side), Image.Resampling.BICUBIC)
        image.save(tmp_path / f"{number}.png")
    return [tmp_path / f"{number}.png" for number in range(4)]


def test_without_groups_only_near_duplicates_stay_together(pictures):
    assert find_groups(dataset(pictures, [None] * 4)).tolist() == [0, 0, 2, 3]


def test_what_two_relations_connect_stays_together(pictures):
    # 1 is a near duplicate of 0 and in a group with 3
    assert find_groups(dataset(pictures, ["a", "b", "c", "b"])).tolist() == [0, 0, 2, 0]


def test_a_column_joins_groups_and_does_not_replace_them():
    data = dataset(nowhere(6), ["a", "a", None, None, "b", None], ["", "x", "x", "", "", ""])
    assert find_groups(data).tolist() == [0, 0, 2, 3, 4, 5]
    assert find_groups(data, "scene").tolist() == [0, 0, 0, 3, 4, 5]
    assert grouped_by(data, "scene") == "near duplicates and group, scene"


def test_the_column_group_can_be_named_too():
    data = dataset(nowhere(3), ["a", "b", "a"])
    assert find_groups(data, "Group").tolist() == find_groups(data).tolist() == [0, 1, 0]
    assert grouped_by(data, "Group") == grouped_by(data) == "near duplicates and group"


def test_images_without_a_group_or_value_stay_alone():
    data = dataset(nowhere(4), [None, "", None, ""], ["a", "", "a", ""])
    assert find_groups(data, "scene").tolist() == [0, 1, 0, 3]
    assert grouped_by(data) == "near duplicates"


@pytest.mark.parametrize(
    ("groups", "scenes", "existing"),
    [
        (["a", None], ["x", "y"], "it has group, scene"),
        ([None, None], None, "it has none besides image, labels and split"),
    ],
)
def test_an_unknown_column_to_group_by_names_those_there_are(groups, scenes, existing):
    with pytest.raises(InputError, match=f"no column 'artist' to group by; {existing}"):
        find_groups(dataset(nowhere(2), groups, scenes), "artist")
    if scenes is None:
        with pytest.raises(InputError, match="no column 'group'"):
            find_groups(dataset(nowhere(2), groups, scenes), "group")
