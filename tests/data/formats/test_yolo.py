"""YOLO: a data.yaml, and label files beside images."""

import pytest

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from tool_samples import MEANT, NAMES, put_images, put_text, yolo_beside, yolo_lines, yolo_yaml

BOX = "0 0.5 0.5 0.25 0.25"


@pytest.fixture
def detection(tmp_path):
    yolo_yaml(tmp_path)
    return tmp_path / "data.yaml"


def labels(data):
    return {record.path.name: set(record.labels) for record in data.records}


@pytest.mark.parametrize(
    "names", ["names: [sea, sand, boat, sun]\nnc: 4", "names: {3: sun, 0: sea, 1: sand, 2: boat}"]
)
def test_names_are_a_list_or_numbers_in_any_order(detection, names):
    put_text(detection, "train: images/train", "val: images/val", names)
    data = load_dataset(detection)
    assert data.names == NAMES
    assert labels(data) == MEANT


@pytest.mark.parametrize(
    ("train", "val"),
    [
        ("../images/train", "../images/val"),  # Roboflow's
        ("/content/data/images/train", "/content/data/images/val"),  # of another machine
        ("images/train/", "[images/val]"),
        ("train.txt", "./images/val"),
    ],
)
def test_paths_are_found_as_they_are_written_by_tools(detection, train, val):
    lines = [f"./images/train/{name}" for name in ("a.jpg", "b.jpg", "c.jpg")]
    put_text(detection.parent / "train.txt", *lines)
    put_text(
        detection, "path: /content/data", f"train: {train}", f"val: {val}", f"names: {list(NAMES)}"
    )
    data = load_dataset(detection.parent)
    assert (data.reader, data.splits) == ("yolo", {"train": 3, "val": 1})
    assert labels(data) == MEANT


def test_an_image_without_a_label_file_has_no_label_and_is_counted(detection):
    put_images(detection.parent / "images" / "val", "e.jpg")
    put_text(detection.parent / "labels" / "val" / "d.txt", "")
    data = load_dataset(detection)
    assert (labels(data)["e.jpg"], labels(data)["d.jpg"]) == (set(), set())
    assert "1 image without a label file: no label" in data.reason


def test_a_split_that_is_not_there_is_left_out_and_named(detection):
    put_text(detection, detection.read_text() + "test: images/test")
    assert "left out: test (images/test), not there" in load_dataset(detection).reason


def test_an_image_in_two_splits_leaves_the_data_without_splits(detection):
    text = detection.read_text().replace("images/val", "images/train")
    put_text(detection, text)
    data = load_dataset(detection)
    assert (len(data.records), data.splits) == (3, {})
    assert "no splits, as some images are in two" in data.reason


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("names:", "nc: 5\nnames:", "nc is 5, and names has 4"),
        ("  2: boat", "  4: boat", "names lacks the class 2"),
        ("  2: boat", "  400000000000: boat", "names lacks the class 2"),  # in no time
        ("2: boat", "2: sun", "names lists 'sun' twice"),
        ("path: .", "path: [", "is not valid YAML"),
        (
            "images/",
            "pictures/",
            r"found no images: train \(pictures/train\), val .*images=FOLDER",
        ),
    ],
)
def test_a_wrong_yaml_is_refused(detection, old, new, message):
    put_text(detection, detection.read_text().replace(old, new))
    with pytest.raises(InputError, match=message):
        load_dataset(detection)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("4 0.5 0.5 0.2 0.2", r"d\.txt, line 2: 4 is not a number from 0 to 3"),
        ("sea", r"d\.txt, line 2: expected a class number and coordinates; got 'sea'"),
    ],
)
def test_a_wrong_label_file_is_refused_with_its_line(detection, line, message):
    put_text(detection.parent / "labels" / "val" / "d.txt", BOX, line)
    with pytest.raises(InputError, match=message):
        load_dataset(detection)


def test_a_data_set_without_any_label_file_is_refused(detection):
    (detection.parent / "labels").rename(detection.parent / "boxes")
    with pytest.raises(InputError, match=r"none of its 4 images has a label file .*labels/train/a"):
        load_dataset(detection)


# Label files beside images


@pytest.mark.parametrize("name", ["classes.txt", "obj.names"])
def test_names_of_classes_are_found_beside_or_above_the_images(tmp_path, name):
    yolo_beside(tmp_path / "images")
    (tmp_path / "images" / "classes.txt").rename(tmp_path / name)
    assert labels(load_dataset(tmp_path)) == MEANT
    assert labels(load_dataset(tmp_path / "images")) == MEANT


def test_without_names_the_data_is_refused_and_both_hints_work(tmp_path):
    yolo_beside(tmp_path)
    (tmp_path / "classes.txt").rename(tmp_path.parent / f"{tmp_path.name}-names")
    names = tmp_path.parent / f"{tmp_path.name}-names"
    with pytest.raises(
        InputError, match=r"no data\.yaml, classes\.txt or obj\.names.*label_names=FILE"
    ):
        load_dataset(tmp_path)
    assert labels(load_dataset(tmp_path, label_names=names)) == MEANT
    names.rename(tmp_path / "classes.txt")
    assert labels(load_dataset(tmp_path)) == MEANT


def test_folders_of_images_and_labels_in_folders_of_splits_are_read(tmp_path):
    put_text(tmp_path / "classes.txt", *NAMES)
    put_text(tmp_path / "README.dataset.txt", "of this data set")
    for part, images in {"train": ("a.jpg", "b.jpg", "c.jpg"), "valid": ("d.jpg",)}.items():
        put_images(tmp_path / part / "images", *images)
        for name in images:
            put_text(
                tmp_path / part / "labels" / name.replace("jpg", "txt"), *yolo_lines(MEANT[name])
            )
    data = load_dataset(tmp_path)
    assert (labels(data), data.splits) == (MEANT, {"train": 3, "val": 1})


def test_the_exports_of_label_studio_and_cvat_are_read(tmp_path):
    studio, cvat = tmp_path / "studio", tmp_path / "cvat"
    put_images(studio / "images")
    put_images(cvat / "obj_train_data")
    for name, found in MEANT.items():
        put_text(studio / "labels" / name.replace("jpg", "txt"), *yolo_lines(found))
        put_text(cvat / "obj_train_data" / name.replace("jpg", "txt"), *yolo_lines(found))
    put_text(studio / "classes.txt", *NAMES)
    put_text(studio / "notes.json", "{}")
    put_text(cvat / "obj.names", *NAMES)
    put_text(cvat / "obj.data", "classes = 4", "names = data/obj.names")
    put_text(cvat / "train.txt", *(f"data/obj_train_data/{name}" for name in MEANT))
    assert labels(load_dataset(studio)) == MEANT
    assert labels(load_dataset(cvat)) == MEANT


def test_class_numbers_may_be_written_with_a_point(tmp_path):
    yolo_beside(tmp_path)
    put_text(tmp_path / "d.txt", "2.0 0.5 0.5 0.25 0.25")
    assert labels(load_dataset(tmp_path)) == MEANT


def test_an_image_nobody_annotated_is_left_out_and_polygons_are_read(tmp_path):
    yolo_beside(tmp_path)
    put_images(tmp_path, "e.jpg")
    put_text(tmp_path / "d.txt", "2 0.1 0.1 0.2 0.1 0.2 0.2 0.1 0.2")
    data = load_dataset(tmp_path)
    assert labels(data) == MEANT
    assert "left out: 1 image without a label file" in data.reason


def test_images_may_be_in_a_folder_that_the_user_names(tmp_path):
    yolo_beside(tmp_path / "both")
    put_images(tmp_path / "photos")
    for name in MEANT:
        (tmp_path / "both" / name).unlink()
    with pytest.raises(InputError, match="no image has the name of one of its 4 label files"):
        load_dataset(tmp_path / "both")
    assert labels(load_dataset(tmp_path / "both", images=tmp_path / "photos")) == MEANT


@pytest.mark.parametrize("line", ["1 0 0 1 0 1", "3 0 5", "sea, sun", "1990 0.5"])
def test_tags_that_are_numbers_are_not_taken_for_boxes(tmp_path, line):
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "a.txt", line)
    assert load_dataset(tmp_path).reader == "folder"


def test_files_of_class_names_that_differ_are_refused(tmp_path):
    yolo_beside(tmp_path / "one")
    yolo_beside(tmp_path / "two")
    put_text(tmp_path / "two" / "classes.txt", *reversed(NAMES))
    with pytest.raises(
        InputError, match=r"its files of class names differ \(one/classes.txt, two/"
    ):
        load_dataset(tmp_path)
