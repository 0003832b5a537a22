"""VG-500: SSGRL's lists, with the images in one folder or in the two of the original archives."""

import json

import pytest
from PIL import Image

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError

LABELS = {"2360596.jpg": [3, 499], "17.jpg": [], "5.jpg": [0, 3], "8.jpg": [41]}


@pytest.fixture
def vg(tmp_path):
    (tmp_path / "train_list_500.txt").write_text("2360596.jpg\n17.jpg\n5.jpg")  # no newline ends it
    (tmp_path / "test_list_500.txt").write_text("8.jpg\n")
    (tmp_path / "vg_category_500_labels_index.json").write_text(json.dumps(LABELS))
    for folder, images in (("VG_100K", ("2360596", "8")), ("VG_100K_2", ("17", "5"))):
        (tmp_path / folder).mkdir()
        for image in images:
            Image.new("RGB", (8, 8), "red").save(tmp_path / folder / f"{image}.jpg")
    return tmp_path


def test_lists_are_splits_and_labels_are_numbered_names(vg):
    data = load_dataset(vg)
    assert (data.reader, len(data.names), data.published) == ("vg500", 500, "VG-500")
    assert data.splits == {"train": 3, "test": 1}
    assert data.records[0].labels == ("category 3", "category 499")
    assert data.targets[0].nonzero()[0].tolist() == [3, 499]
    assert data.targets.sum(axis=1).tolist() == [2, 0, 2, 1]


def test_both_unmerged_folders_are_looked_into(vg):
    paths = load_dataset(vg).paths
    assert [path.parent.name for path in paths] == ["VG_100K", "VG_100K_2", "VG_100K_2", "VG_100K"]
    assert all(path.is_file() for path in paths)


def test_one_merged_folder_is_enough_and_a_missing_image_is_left_to_the_check(vg):
    for image in ("17", "5"):
        (vg / f"VG_100K_2/{image}.jpg").rename(vg / f"VG_100K/{image}.jpg")
    (vg / "VG_100K_2").rmdir()
    assert all(path.is_file() for path in load_dataset(vg).paths)
    (vg / "VG_100K/17.jpg").unlink()
    assert [path.is_file() for path in load_dataset(vg).paths] == [True, False, True, True]


def test_images_are_found_below_images_and_where_the_user_says(vg):
    (vg / "images").mkdir()
    (vg / "VG_100K").rename(vg / "images/VG_100K")
    (vg / "VG_100K_2").rename(vg / "images/VG_100K_2")
    assert all(path.is_file() for path in load_dataset(vg).paths)
    (vg / "images").rename(vg / "far")
    with pytest.raises(InputError, match="holds neither VG_100K nor VG_100K_2"):
        load_dataset(vg)
    assert load_dataset(vg, images=vg / "far/VG_100K").paths[0].is_file()
    (vg / "empty").mkdir()
    with pytest.raises(InputError, match="found 0 of 4 images"):
        load_dataset(vg, images=vg / "empty")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({**LABELS, "8.jpg": [500]}, r"expected indices from 0 to 499 for 8\.jpg; got \[500\]"),
        ({**LABELS, "8.jpg": [-1]}, "expected indices from 0 to 499"),
        ({**LABELS, "8.jpg": ["dog"]}, "expected indices from 0 to 499"),
        ({**LABELS, "8.jpg": [True]}, "expected indices from 0 to 499"),
        ({"8.jpg": [1]}, r"has no labels for 2360596\.jpg, which is listed"),
        ([1], "expected an object of images"),
    ],
)
def test_wrong_labels_are_named(vg, labels, message):
    (vg / "vg_category_500_labels_index.json").write_text(json.dumps(labels))
    with pytest.raises(InputError, match=message):
        load_dataset(vg)


def test_files_that_are_missing_are_named(vg):
    (vg / "vg_category_500_labels_index.json").unlink()
    with pytest.raises(InputError, match=r"labels_index\.json: is missing; SSGRL's repository"):
        load_dataset(vg)
    (vg / "test_list_500.txt").unlink()
    (vg / "vg_category_500_labels_index.json").write_text("{}")
    with pytest.raises(InputError, match=r"test_list_500\.txt: is missing"):
        load_dataset(vg, reader="vg500")


def test_an_image_in_both_lists_is_refused(vg):
    (vg / "test_list_500.txt").write_text("5.jpg\n")
    with pytest.raises(InputError, match=r"5\.jpg is in both lists"):
        load_dataset(vg)
