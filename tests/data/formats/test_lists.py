"""Lists of images and labels that tools and repositories write: Intel, Label Studio, SALGL."""

import json

import numpy as np
import pytest
from PIL import Image

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError


def put_images(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", (8, 8), "red").save(folder / name)


# Intel's multi-label lists

INTEL = {
    "classes": ["owl", "cat", "dog"],
    "images": [["images/a.jpg", ["dog", "owl"]], ["images\\b.jpg", []], ["images/c.jpg", ["cat"]]],
}


@pytest.fixture
def intel(tmp_path):
    put_images(tmp_path / "images", "a.jpg", "b.jpg", "c.jpg")
    (tmp_path / "train.json").write_text(json.dumps(INTEL))
    (tmp_path / "val.json").write_text(json.dumps({**INTEL, "images": INTEL["images"][:1]}))
    return tmp_path


def test_intel_labels_come_in_the_order_of_the_classes(intel):
    data = load_dataset(intel / "train.json")
    assert (data.reader, data.names, data.splits) == ("intel", ("owl", "cat", "dog"), {})
    np.testing.assert_array_equal(data.targets, [[1, 0, 1], [0, 0, 0], [0, 1, 0]])
    assert data.records[1].name == "images/b.jpg"
    assert all(path.is_file() for path in data.paths)


def test_intel_files_of_a_folder_are_splits(intel):
    assert load_dataset(intel).splits == {"train": 3, "val": 1}
    (intel / "val.json").unlink()
    data = load_dataset(intel)
    assert (data.reader, data.splits) == ("intel", {})
    assert data.reason.startswith("folder: it holds train.json; intel: ")


def test_intel_labels_may_be_positions_and_images_come_first(intel):
    content = {"images": [["images/a.jpg", [2, 0]]], "classes": INTEL["classes"]}
    (intel / "train.json").write_text(json.dumps(content, indent=2))
    assert load_dataset(intel / "train.json").targets.tolist() == [[1, 0, 1]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": [["a.jpg", ["bat"]]]}, "image number 1: 'bat' is not one of the classes"),
        ({"images": [["a.jpg", [3]]]}, "image number 1: 3 is not one of the classes"),
        ({"images": [["a.jpg"]]}, r"image number 1: expected \[path, \[labels\]\]"),
        ({"images": []}, "expected the lists classes and images"),
        ({"images": [["images/z.jpg", []]]}, "found 0 of 1 image"),
    ],
)
def test_a_wrong_intel_list_is_refused(intel, changes, message):
    (intel / "train.json").write_text(json.dumps({**INTEL, **changes}))
    with pytest.raises(InputError, match=message):
        load_dataset(intel / "train.json")


def test_intel_files_of_other_classes_are_not_joined(intel):
    (intel / "val.json").write_text(json.dumps({**INTEL, "classes": ["owl", "cat", "dog", "bat"]}))
    with pytest.raises(InputError, match=r"its classes are not those of .*: bat"):
        load_dataset(intel)
    with pytest.raises(InputError, match=r"holds no train\.json and val\.json"):
        load_dataset(intel / "images", reader="intel")


# Label Studio


def answer(*choices, **others):
    region = {"type": "choices", "value": {"choices": list(choices)}}
    box = {"type": "rectanglelabels", "value": {"rectanglelabels": ["Bat"]}}
    return {"result": [region, box], **others}


TASKS = [
    {"data": {"image": "/data/upload/7/0a1b2c3d-a%20b.jpg"}, "annotations": [answer("Dog", "Owl")]},
    {
        "data": {"text": "no image", "picture": "https://example.org/x/c.jpg?width=3"},
        "annotations": [answer("Dog", "Cat"), answer("Dog"), answer("Owl", was_cancelled=True)],
    },
    {"data": {"image": "/data/local-files/?d=far%5Caway/e.jpg"}, "annotations": [{"result": []}]},
    {"data": {"image": "f.jpg"}, "annotations": []},
]


@pytest.fixture
def studio(tmp_path):
    put_images(tmp_path / "images", "a b.jpg", "c.jpg")
    put_images(tmp_path, "e.jpg", "f.jpg")
    path = tmp_path / "project-7.json"
    path.write_text(json.dumps(TASKS))
    return path


def test_choices_are_labels_and_a_label_annotators_differ_on_is_unknown(studio):
    data = load_dataset(studio)
    assert (data.reader, data.names) == ("label_studio", ("Bat", "Cat", "Dog", "Owl"))
    np.testing.assert_array_equal(data.targets, [[1, 0, 1, 1], [1, -1, 1, 0], [0, 0, 0, 0]])
    assert "left out: 1 task without a finished annotation" in data.reason


def test_images_are_found_by_the_last_part_of_their_address(studio):
    paths = load_dataset(studio).paths
    assert [path.name for path in paths] == ["a b.jpg", "c.jpg", "e.jpg"]
    assert all(path.is_file() for path in paths)
    put_images(studio.parent / "images", "0a1b2c3d-a b.jpg")
    assert load_dataset(studio).paths[0].name == "0a1b2c3d-a b.jpg"


def test_an_export_is_read_from_its_folder_and_with_images_elsewhere(studio, tmp_path):
    assert load_dataset(studio.parent).reader == "label_studio"
    put_images(tmp_path / "far", "e.jpg")
    elsewhere = load_dataset(studio, images=tmp_path / "far")
    assert [path.is_file() for path in elsewhere.paths] == [False, False, True]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="found 0 of 3 images"):
        load_dataset(studio, images=tmp_path / "empty")
    with pytest.raises(InputError, match=r"no folder .*nowhere"):
        load_dataset(studio, images=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([TASKS[3]], "1 task, none of them annotated with choices"),
        ([{"data": {"image": "a.jpg"}}], "task number 1 has no list of annotations"),
        ([{"data": {"text": "x"}, "annotations": [answer("Dog")]}], "has no image in its data"),
        ({"data": 1}, "expected a list of tasks"),
        ([5], "task number 1 has no list of annotations"),
        ([{"data": {"image": "a.jpg"}, "annotations": [5]}], "1 task, none of them"),
        ([{"data": 3, "annotations": [{"result": [7, {"type": "choices"}]}]}], "no image in its"),
    ],
)
def test_a_wrong_export_is_refused(studio, tasks, message):
    studio.write_text(json.dumps(tasks))
    with pytest.raises(InputError, match=message):
        load_dataset(studio, reader="label_studio")


def test_another_json_is_taken_for_none_of_them(studio):
    studio.write_text('[{"data": 1}]')
    with pytest.raises(InputError, match="no reader knows this file"):
        load_dataset(studio)


# SALGL


@pytest.fixture
def salgl(tmp_path):
    put_images(tmp_path / "Flickr", "a.jpg", "b c.jpg", "d.jpg")
    (tmp_path / "train.txt").write_text("Flickr/a.jpg\tsky,clouds\n\nFlickr/b c.jpg\tdog\n")
    (tmp_path / "test.txt").write_text("Flickr\\d.jpg\tsky, dog,sky\n")
    (tmp_path / "label.txt").write_text("sky\nowl\ndog\nclouds\n")
    return tmp_path


def test_the_lists_of_salgl_are_splits_and_labels_keep_their_order(salgl):
    data = load_dataset(salgl)
    assert (data.reader, data.names) == ("salgl", ("sky", "owl", "dog", "clouds"))
    np.testing.assert_array_equal(data.targets, [[1, 0, 0, 1], [0, 0, 1, 0], [1, 0, 1, 0]])
    assert data.splits == {"train": 2, "test": 1}
    assert all(path.is_file() for path in data.paths)


def test_one_list_of_salgl_has_no_split_and_the_labels_it_names(salgl):
    (salgl / "label.txt").unlink()
    data = load_dataset(salgl / "train.txt")
    assert (data.names, data.splits) == (("clouds", "dog", "sky"), {})


def test_a_wrong_list_of_salgl_is_refused(salgl):
    (salgl / "label.txt").write_text("sky\n")
    with pytest.raises(InputError, match=r"label\.txt: lacks the label 'clouds'"):
        load_dataset(salgl)
    (salgl / "train.txt").write_text("Flickr/a.jpg\tsky\nFlickr/b.jpg sky\n")
    with pytest.raises(InputError, match="line 2: expected an image, a tab and labels"):
        load_dataset(salgl)
    with pytest.raises(InputError, match=r"holds no train\.txt with lines"):
        load_dataset(salgl / "Flickr", reader="salgl")
    (salgl / "notes.txt").write_text("to do\tmore")
    with pytest.raises(InputError, match="no reader knows this file"):
        load_dataset(salgl / "notes.txt")
