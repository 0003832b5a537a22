"""A list in JSON for each split."""

import pytest

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from tool_samples import MEANT, NAMES, json_splits, mmpretrain, put_images, put_json


def labels(data):
    return {record.path.name: set(record.labels) for record in data.records}


def test_lists_of_mmpretrain_in_annotations_are_splits(tmp_path):
    mmpretrain(tmp_path)
    put_json(tmp_path / "annotations" / "val.json", {"data_list": []})
    path = tmp_path / "annotation.json"
    (tmp_path / "annotations" / "val.json").write_text(path.read_text())
    path.rename(tmp_path / "annotations" / "train.json")
    data = load_dataset(tmp_path)
    assert (data.reader, data.names) == ("json_splits", NAMES)
    assert data.splits == {"train": 4, "val": 4}


def test_lists_in_folders_called_as_splits_keep_images_of_the_same_name_apart(tmp_path):
    for part, found in {"train": ["sea"], "valid": ["sun"]}.items():
        put_images(tmp_path / part, "a.jpg")
        entry = {"image": "a.jpg", "annotations": [{"label": n, "coordinates": {}} for n in found]}
        put_json(tmp_path / part / "_annotations.createml.json", [entry])
    data = load_dataset(tmp_path)
    assert [record.name for record in data.records] == ["train/a.jpg", "valid/a.jpg"]
    assert (data.names, data.splits) == (("sea", "sun"), {"train": 1, "val": 1})
    assert [path.parent.name for path in data.paths] == ["train", "valid"]


def test_a_file_that_is_no_list_is_passed_over(tmp_path):
    json_splits(tmp_path)
    put_json(tmp_path / "notes.json", {"version": 1})
    assert labels(load_dataset(tmp_path)) == MEANT


def test_lists_of_which_the_names_do_not_tell_the_split_are_refused(tmp_path):
    json_splits(tmp_path)
    (tmp_path / "val.json").rename(tmp_path / "more.json")
    with pytest.raises(
        InputError, match=r"holds several lists \(more\.json, train\.json\); give one"
    ):
        load_dataset(tmp_path)
    with pytest.raises(InputError, match="holds no lists in JSON called as train, val or test"):
        load_dataset(tmp_path, reader="json_splits")
