"""FiftyOne's labels.json and samples.json."""

import pytest

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from tool_samples import put_images, put_json


def write(folder, labels, classes=None):
    put_images(folder / "data", *(f"{name}.jpg" for name in labels))
    put_json(folder / "labels.json", {"classes": classes, "labels": labels})
    return load_dataset(folder)


def test_targets_are_positions_labels_or_objects_and_classes_keep_their_order(tmp_path):
    data = write(tmp_path, {"a": 1, "b": "sea", "c": [{"label": 0}, 1]}, ["sun", "sea"])
    assert data.names == ("sun", "sea")
    assert data.targets.tolist() == [[0, 1], [0, 1], [1, 1]]


def test_null_is_left_out_and_an_empty_list_is_no_label(tmp_path):
    data = write(tmp_path, {"a": "sea", "b": None, "c": []})
    assert data.targets.tolist() == [[1], [0]]
    assert "left out: 1 image without a label (null)" in data.reason


def test_folders_called_as_splits_are_the_splits(tmp_path):
    write(tmp_path / "train", {"a": "sea"})
    write(tmp_path / "validation", {"b": ["sun"]})
    data = load_dataset(tmp_path)
    assert (data.names, data.splits) == (("sea", "sun"), {"train": 1, "val": 1})


def test_splits_of_different_classes_are_refused(tmp_path):
    write(tmp_path / "train", {"a": 0}, ["sea", "sun"])
    write(tmp_path / "test", {"b": 0}, ["sun", "sea"])
    assert load_dataset(tmp_path).records[1].labels == ("sun",)
    write(tmp_path / "test", {"b": 0}, ["sun", "moon"])
    with pytest.raises(InputError, match="its files have different classes: moon, sea"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(
    ("target", "classes"), [(2, ["sea", "sun"]), ("moon", ["sea"]), (0, None), ({"x": 1}, None)]
)
def test_a_target_that_is_no_label_is_refused_with_its_image(tmp_path, target, classes):
    with pytest.raises(InputError, match=r"labels\['a'\]: .* is neither a label nor a position"):
        write(tmp_path, {"a": target}, classes)


def sample(name, tags=(), **fields):
    return {"filepath": f"data/{name}", "tags": list(tags), **fields}


def classifications(*labels):
    return {"_cls": "Classifications", "classifications": [{"label": n} for n in labels]}


def samples(folder, *entries):
    put_images(folder / "data", "a.jpg", "b.jpg")
    put_json(folder / "samples.json", {"samples": list(entries)})
    return folder


def test_labels_are_those_of_the_ground_truth_and_tags_the_splits(tmp_path):
    one = sample(
        "a.jpg", ["train"], ground_truth=classifications("sea", "sun"), predictions={"label": "x"}
    )
    data = load_dataset(
        samples(tmp_path, one, sample("b.jpg", ["test"], ground_truth=classifications()))
    )
    assert (data.names, data.splits) == (("sea", "sun"), {"train": 1, "test": 1})
    assert "labels are those of the field ground_truth; sample tags are the splits" in data.reason


def test_a_sample_without_the_field_is_left_out(tmp_path):
    data = load_dataset(samples(tmp_path, sample("a.jpg", kind={"label": "sea"}), sample("b.jpg")))
    assert len(data.records) == 1
    assert "left out: 1 sample without kind" in data.reason


def test_several_fields_are_refused_and_the_hint_works(tmp_path):
    samples(tmp_path, sample("a.jpg", first={"label": "sea"}, second=classifications("sun")))
    with pytest.raises(InputError, match=r"fields of labels: first, second; .*label_columns=first"):
        load_dataset(tmp_path)
    assert load_dataset(tmp_path, label_columns="second").names == ("sun",)
    samples(tmp_path, {"tags": [], "first": {"label": "sea"}})
    with pytest.raises(InputError, match="sample number 1: has no filepath"):
        load_dataset(tmp_path)
