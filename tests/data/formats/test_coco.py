import json

import numpy as np
import pytest
from PIL import Image

from imlgcn.config import InputError
from imlgcn.data.dataset import load_dataset

CONTENT = {
    "images": [
        {"id": 7, "file_name": "a.png"},
        {"id": 3, "file_name": "b.png"},
        {"id": 9, "file_name": "c.png"},
    ],
    "annotations": [
        {"image_id": 7, "category_id": 90, "iscrowd": 0, "bbox": [0, 0, 1, 1]},
        {"image_id": 7, "category_id": 90, "iscrowd": 0, "bbox": [1, 1, 1, 1]},
        {"image_id": 3, "category_id": 2, "iscrowd": 1},
        {"image_id": 3, "category_id": 90, "iscrowd": 0},
    ],
    # ids with gaps and out of order; "apple" last: the order is that of the ids, not the names
    "categories": [
        {"id": 90, "name": "apple"},
        {"id": 2, "name": "person"},
        {"id": 11, "name": "cup"},
    ],
}


def write(folder, place="annotations/instances_val2014.json", put_in="val2014", **changes):
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**CONTENT, **changes}))
    (folder / put_in).mkdir(parents=True, exist_ok=True)
    for name in ("a.png", "b.png", "c.png"):
        Image.new("RGB", (8, 8), "red").save(folder / put_in / name)
    return path


def test_annotations_become_label_sets_in_the_order_of_the_category_ids(tmp_path):
    data = load_dataset(write(tmp_path))
    assert data.reader == "coco"
    assert data.reason.startswith("coco: the file ends in .json and holds images, annotations")
    assert data.names == ("person", "cup", "apple")
    np.testing.assert_array_equal(data.targets, [[0, 0, 1], [1, 0, 1], [0, 0, 0]])


def test_a_crowd_counts_as_present_and_an_image_without_annotations_is_kept(tmp_path):
    data = load_dataset(write(tmp_path))
    assert data.records[1].labels == ("person", "apple")
    assert data.records[2].labels == ()


@pytest.mark.parametrize("images", ["val2014", "images", "images/val2014", "annotations", "."])
def test_images_are_found_in_the_usual_places(tmp_path, images):
    assert all(path.is_file() for path in load_dataset(write(tmp_path, put_in=images)).paths)


def test_images_are_found_where_the_user_says(tmp_path):
    path = write(tmp_path, put_in="far/away")
    with pytest.raises(InputError, match=r"none of its 3 images is there.*say which folder"):
        load_dataset(path)
    assert load_dataset(path, images=tmp_path / "far/away").paths[0].is_file()


def test_a_folder_with_train_and_val_annotations_has_both_splits(tmp_path):
    write(tmp_path)
    write(tmp_path, "annotations/instances_train2014.json", "train2014")
    (tmp_path / "annotations/captions_val2014.json").write_text('{"images": []}')
    data = load_dataset(tmp_path)
    assert data.splits == {"train": 3, "val": 3}
    assert data.split("val").paths[0] == tmp_path / "val2014/a.png"
    assert "folder: it holds annotations" in data.reason


def test_a_single_file_makes_no_split(tmp_path):
    assert load_dataset(write(tmp_path)).splits == {}


def test_several_files_whose_names_do_not_say_the_split_are_refused(tmp_path):
    write(tmp_path, "one.json", ".")
    write(tmp_path, "two.json", ".")
    with pytest.raises(InputError, match=r"several JSON files \(one.json, two.json\)"):
        load_dataset(tmp_path)


def test_files_with_different_categories_are_not_joined(tmp_path):
    write(tmp_path, "train.json", ".")
    write(tmp_path, "val.json", ".", categories=[*CONTENT["categories"], {"id": 1, "name": "owl"}])
    with pytest.raises(InputError, match=r"its categories are not those of .*: owl"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": []}, "lists no images"),
        ({"images": [{"id": 1}]}, "image number 1 has no usable 'file_name'"),
        ({"images": [{"id": 1, "file_name": "a.png"}] * 2}, "two images have the same id"),
        ({"annotations": [{"image_id": 7, "category_id": 5}]}, "number 1 speaks of .* category 5"),
        ({"annotations": [{"image_id": 8, "category_id": 2}]}, "number 1 speaks of image 8"),
        ({"annotations": ["x"]}, "annotation number 1 has no usable 'image_id'"),
        ({"categories": [{"id": 1, "name": "x"}, {"id": 2, "name": "x"}]}, "the same name"),
        ({"categories": {}}, "needs the lists images, annotations, categories; it holds images"),
    ],
)
def test_a_bad_file_is_answered_with_what_is_wrong(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        load_dataset(write(tmp_path, **changes))


def test_a_json_of_another_kind_is_not_taken_for_coco(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text("{}")
    with pytest.raises(InputError, match="no reader knows this file"):
        load_dataset(path)
    with pytest.raises(InputError, match="it holds nothing"):
        load_dataset(path, reader="coco")
    path.write_text("{'images'")
    with pytest.raises(InputError, match="is not valid JSON"):
        load_dataset(path, reader="coco")
