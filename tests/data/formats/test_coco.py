import json
import shutil

import numpy as np
import pytest
from PIL import Image

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError

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
    (tmp_path / "coco").mkdir()
    path = write(tmp_path / "coco", put_in="below/it")
    assert load_dataset(path).paths[0].is_file()
    far = (tmp_path / "coco/below").rename(tmp_path / "far")
    with pytest.raises(InputError, match=r"found 0 of 3 images.*say which folder"):
        load_dataset(path)
    assert load_dataset(path, images=far).paths[0].is_file()


def write_both(folder, year="2014", **changes):
    write(folder, f"annotations/instances_val{year}.json", f"val{year}", **changes)
    write(folder, f"annotations/instances_train{year}.json", f"train{year}", **changes)
    (folder / f"annotations/captions_val{year}.json").write_text('{"images": []}')
    return folder


def test_in_the_official_folder_val_is_the_test_split(tmp_path):
    data = load_dataset(write_both(tmp_path))
    assert data.splits == {"train": 3, "test": 3}
    assert data.split("test").paths[0] == tmp_path / "val2014/a.png"
    assert data.reason.startswith("coco: it holds annotations/instances_train2014.json; ")
    assert "instances_val2014 is the test split (variant=keep-val: validation)" in data.reason


def test_val_stays_validation_where_the_user_says_so_or_the_names_are_others(tmp_path):
    data = load_dataset(write_both(tmp_path), variant="keep-val")
    assert data.splits == {"train": 3, "val": 3}
    assert "keep-val" not in data.reason
    write(tmp_path / "own", "annotations/train.json", "train")
    write(tmp_path / "own", "annotations/val.json", "val")
    assert load_dataset(tmp_path / "own").splits == {"train": 3, "val": 3}


def test_images_without_annotations_are_left_out_of_labelled_images(tmp_path):
    data = load_dataset(write_both(tmp_path), variant="labelled")
    assert data.splits == {"train": 2, "test": 2}
    assert [record.name for record in data.split("test").records] == ["a.png", "b.png"]
    assert "left out: 2 images without a label" in data.reason
    assert data.names == ("person", "cup", "apple"), "a label of no image stays"


def test_of_two_years_in_a_folder_one_is_chosen(tmp_path):
    write_both(tmp_path)
    write_both(tmp_path, "2017", images=CONTENT["images"][:2])
    with pytest.raises(InputError, match="holds COCO 2014 and 2017; choose one \\(variant=2014"):
        load_dataset(tmp_path)
    data = load_dataset(tmp_path, variant="2017, keep-val")
    assert data.splits == {"train": 2, "val": 2}
    assert data.paths[0] == tmp_path / "train2017/a.png"
    (tmp_path / "annotations/instances_val2017.json").unlink()
    (tmp_path / "annotations/instances_train2017.json").unlink()
    with pytest.raises(InputError, match=r"has no instances_train2017\.json"):
        load_dataset(tmp_path, variant="2017")


def test_the_official_names_stand_for_published_counts_only_with_coco_s_80_labels(tmp_path):
    many = [{"id": 2 * n + 1, "name": f"label {n}"} for n in range(80)]
    write_both(tmp_path / "a", categories=many, annotations=[])
    assert load_dataset(tmp_path / "a").published == "COCO 2014, all images"
    assert load_dataset(write_both(tmp_path / "b"), variant="labelled").published == ""


@pytest.mark.parametrize("variant", ["labeled", "all,labelled", "difficult-absent"])
def test_a_variant_that_is_none_is_refused(tmp_path, variant):
    with pytest.raises(InputError, match=r"'labelled'|one of all, labelled; got|Known: 2014"):
        load_dataset(write_both(tmp_path), variant=variant)


def test_a_single_file_makes_no_split(tmp_path):
    assert load_dataset(write(tmp_path)).splits == {}


def test_several_files_whose_names_do_not_say_the_split_are_refused(tmp_path):
    write(tmp_path, "one.json", ".")
    write(tmp_path, "two.json", ".")
    with pytest.raises(InputError, match=r"several files \(one.json, two.json\)"):
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
        ({"images": [{"id": 1, "file_name": "a.png"}] * 2}, "two images have the same id, 1;"),
        ({"annotations": [{"image_id": 7, "category_id": 5}]}, "number 1 refers to .* category 5"),
        ({"annotations": [{"image_id": 8, "category_id": 2}]}, "number 1 refers to image 8"),
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


def test_coco_as_the_readme_lays_it_out_is_tested_on_val2014(shapes, tmp_path):
    picture = sorted(shapes.parent.glob("*.png"))[0]
    for split, folder in (("train", "train2014"), ("val", "val2014")):
        (tmp_path / folder).mkdir()
        shutil.copy(picture, tmp_path / folder / f"{split}.png")
        image = {"id": 7, "file_name": f"{split}.png"}
        categories = [{"id": 1, "name": "person"}]
        marks = [{"image_id": 7, "category_id": 1}]
        content = {"images": [image], "annotations": marks, "categories": categories}
        file = tmp_path / "annotations" / f"instances_{split}2014.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(content))
    found = load_dataset(tmp_path)
    assert {r.split: r.path.parent.name for r in found.records} == {
        "train": "train2014",
        "test": "val2014",
    }
