"""The file of the images that a head was fitted on: what goes in comes out, or one sentence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from imlgcn.errors import InputError
from imlgcn.tagger.folder import SUPPORT, TaggerFolder
from imlgcn.tagger.support import Support, half_precision, read_support, write_support

LABELS = ("cat", "dog", "tree")


@pytest.fixture
def support():
    rng = np.random.default_rng(0)
    return Support(
        labels=LABELS,
        images=("b.png", "sub/ä a.png", "c.png", "d.png"),
        targets=rng.integers(-1, 2, (4, 3)).astype(np.int8),
        features=rng.standard_normal((4, 7)).astype(np.float16),
        groups=np.array([0, 1, 0, 3]),
        folds=np.array([4, 0, 4, 1]),
        thumbnails={2: b"one", 0: b"another"},
    )


@pytest.fixture
def path(support, tmp_path):
    write_support(tmp_path / SUPPORT, support)
    return tmp_path / SUPPORT


ARRAYS = ("targets", "features", "groups", "folds")


def test_all_comes_back_as_it_was_in_its_order(support, path):
    found = read_support(path, LABELS)
    assert (found.labels, found.images) == (support.labels, support.images)
    assert found.thumbnails == support.thumbnails
    for name in ARRAYS:
        one, other = getattr(found, name), getattr(support, name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def test_what_was_not_known_is_none(support, tmp_path):
    less = replace(support, groups=None, folds=None, thumbnails={})
    write_support(tmp_path / "a", less)
    found = read_support(tmp_path / "a", LABELS)
    assert (found.groups, found.folds, found.thumbnails) == (None, None, {})


def test_features_can_stay_on_the_disk(support, path):
    found = read_support(path, LABELS, features=False)
    assert found.features is None
    np.testing.assert_array_equal(found.targets, support.targets)


def test_targets_come_in_the_order_of_the_labels_asked_for(support, path):
    found = read_support(path, ("tree", "cat"))
    np.testing.assert_array_equal(found.targets, support.targets[:, [2, 0]])


def test_the_same_images_give_the_same_bytes(support, path, tmp_path):
    write_support(tmp_path / "again", support)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_a_column_of_a_later_version_is_ignored(support, path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    more = table.append_column("features_of_stage_4", pa.array([1.0, 2.0, 3.0, 4.0]))
    pq.write_table(more, path)
    assert read_support(path, LABELS).images == support.images


def test_features_beyond_half_precision_stay_finite():
    assert np.isfinite(half_precision(np.array([[1e30, -7e4]]))).all()


def test_a_folder_without_the_file_has_none(tmp_path):
    assert TaggerFolder(tmp_path, LABELS).support() is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[:40] + b"\xff" * 200 + data[240:],
        lambda data: b"PAR1 is not a table PAR1",
    ],
)
def test_a_damaged_file_is_one_sentence_with_its_name(damage, path):
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=rf"{SUPPORT} is damaged or of another tagger") as found:
        TaggerFolder(path.parent, LABELS).support()
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("column", ["image", "targets"])
def test_a_file_that_lacks_a_column_is_damaged(column, path):
    import pyarrow.parquet as pq

    pq.write_table(pq.read_table(path).drop_columns([column]), path)
    with pytest.raises(InputError, match="is damaged"):
        read_support(path, LABELS)


@pytest.mark.parametrize("metadata", [None, {"labels": "[]"}, {"labels": '["cat", "dog", "tree"]'}])
def test_a_table_of_something_else_is_damaged(metadata, path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"image": ["a"], "targets": [1]}).replace_schema_metadata(metadata)
    pq.write_table(table, path)
    with pytest.raises(InputError, match="is damaged or of another tagger"):
        read_support(path, LABELS)


def test_a_file_of_other_labels_is_refused(path):
    with pytest.raises(InputError, match="of another tagger"):
        read_support(path, ("cat", "horse"))
