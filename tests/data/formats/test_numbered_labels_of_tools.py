"""Labels that are numbers: mmpretrain, Ground Truth, PaddleLabel; and COCO's further files."""

import json

import pytest

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from tool_samples import (
    NAMES,
    coco_file,
    coco_panoptic,
    ground_truth,
    mmpretrain,
    paddle_label,
    put_images,
    put_json,
    put_lines,
    put_text,
    roboflow_coco,
)


def change(path, edit):
    content = json.loads(path.read_text())
    edit(content)
    put_json(path, content)


# mmpretrain


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda c: c["data_list"][1].update(gt_label=[4]),
            "entry 2: 4 is not a number from 0 to 3",
        ),
        (lambda c: c["data_list"][1].update(gt_label=[True]), "entry 2: True is not a number"),
        (lambda c: c["data_list"][1].update(gt_label={"x": 1}), "entry 2: expected gt_label to be"),
        (lambda c: c["data_list"][1].pop("img_path"), "entry 2: expected an object with img_path"),
        (lambda c: c.update(data_list=[]), "expected metainfo and the list data_list"),
    ],
)
def test_a_wrong_mmpretrain_file_is_refused_with_its_entry(tmp_path, edit, message):
    mmpretrain(tmp_path)
    change(tmp_path / "annotation.json", edit)
    with pytest.raises(InputError, match=message):
        load_dataset(tmp_path / "annotation.json")


def test_mmpretrain_without_classes_is_refused_and_the_hint_works(tmp_path):
    mmpretrain(tmp_path)
    path = tmp_path / "annotation.json"
    named = load_dataset(path)
    change(path, lambda content: content.update(metainfo={}))
    with pytest.raises(InputError, match=r"has no metainfo\.classes.*label_names=FILE"):
        load_dataset(path)
    put_text(tmp_path / "names.txt", *NAMES)
    assert load_dataset(path, label_names=tmp_path / "names.txt").records == named.records


# Ground Truth


def entry(name, **jobs):
    return {"source-ref": f"s3://bucket/far/{name}", **jobs}


def test_boxes_single_classes_and_several_jobs_are_labels(tmp_path):
    put_images(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    boxes = {"box": {"annotations": [{"class_id": 1}]}, "box-metadata": {"class-map": {"1": "sea"}}}
    single = {
        "x": 1,
        "x-metadata": {"class-name": "sun", "type": "groundtruth/image-classification"},
    }
    failed = {"x": [], "x-metadata": {"failure-reason": "timeout"}}
    put_lines(
        tmp_path / "o.manifest",
        [entry("a.jpg", **boxes, **single), entry("b.jpg", **boxes), entry("c.jpg", **failed)],
    )
    data = load_dataset(tmp_path / "o.manifest")
    assert (data.names, data.targets.tolist()) == (("sea", "sun"), [[1, 1], [1, 0]])
    assert "labels are those of box, x; left out: 1 line without a label attribute" in data.reason


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda m: m["class-map"].clear(), r"line 2: job: class 1 has no name in .*class-map"),
        (
            lambda m: m["class-map"].update({"1": "x"}),
            "class 1 is called 'sand', on an earlier line 'x'",
        ),
    ],
)
def test_classes_without_one_name_are_refused_with_their_line(tmp_path, edit, message):
    ground_truth(tmp_path)
    path = tmp_path / "output.manifest"
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    edit(entries[1]["job-metadata"])
    put_lines(path, entries)
    with pytest.raises(InputError, match=message):
        load_dataset(path)


def test_an_input_manifest_is_refused_with_what_to_give(tmp_path):
    put_images(tmp_path, "a.jpg")
    put_lines(tmp_path / "i.manifest", [entry("a.jpg")])
    with pytest.raises(InputError, match="give the output manifest of a labelling job"):
        load_dataset(tmp_path / "i.manifest")


# PaddleLabel


def test_lists_of_paddle_label_are_splits_and_labels_may_be_names(tmp_path):
    paddle_label(tmp_path)
    put_text(tmp_path / "val_list.txt", "image/a.jpg sea moon", "image/b.jpg 1")
    put_text(tmp_path / "train_list.txt", "image/c.jpg 0", "image/d.jpg 2 3")
    data = load_dataset(tmp_path)
    assert (data.names, data.splits) == ((*NAMES, "moon"), {"train": 2, "val": 2})
    assert data.records[2].labels == ("sea", "moon")


def test_numbers_of_paddle_label_need_names_and_both_hints_work(tmp_path):
    paddle_label(tmp_path)
    named = load_dataset(tmp_path)
    (tmp_path / "labels.txt").rename(tmp_path / "others.names")
    with pytest.raises(
        InputError, match=r"train_list\.txt, line 1: its labels are numbers.*label_n"
    ):
        load_dataset(tmp_path, reader="paddle_label")
    how = {"reader": "paddle_label", "label_names": tmp_path / "others.names"}
    assert load_dataset(tmp_path, **how).records == named.records
    put_text(tmp_path / "labels.txt", "sea")
    with pytest.raises(InputError, match="line 1: 2 is not a number from 0 to 0"):
        load_dataset(tmp_path, reader="paddle_label")


def test_a_list_of_a_zero_or_one_for_each_label_is_no_list_of_numbers(tmp_path):
    put_images(tmp_path)
    put_text(tmp_path / "train_list.txt", "a.jpg 1 0 0", "b.jpg 0 1 1")
    with pytest.raises(InputError, match=r"holds none of train_list\.txt"):
        load_dataset(tmp_path, reader="paddle_label")


# COCO


def test_the_category_that_groups_others_is_no_label_unless_it_is_annotated(tmp_path):
    roboflow_coco(tmp_path)
    assert load_dataset(tmp_path).names == NAMES
    put_images(tmp_path / "one", "a.jpg")
    path = tmp_path / "one" / "_annotations.coco.json"
    content = coco_file(["a.jpg"], group=True)
    content["annotations"][0]["category_id"] = 0
    put_json(path, content)
    assert load_dataset(path).names == ("things", *NAMES)


def test_a_single_folder_of_roboflow_has_no_splits_and_several_files_are_refused(tmp_path):
    roboflow_coco(tmp_path)
    for part in ("valid", "test"):
        (tmp_path / part / "_annotations.coco.json").unlink()
    assert load_dataset(tmp_path).splits == {}
    put_json(tmp_path / "train" / "more.json", coco_file(["a.jpg"]))
    with pytest.raises(InputError, match=r"train: holds several files .*; keep one"):
        load_dataset(tmp_path, reader="coco")


def test_a_segment_of_an_unknown_category_is_refused(tmp_path):
    coco_panoptic(tmp_path)
    path = tmp_path / "annotations" / "panoptic_val2017.json"
    change(path, lambda c: c["annotations"][1]["segments_info"][0].update(category_id=9))
    with pytest.raises(InputError, match="annotation number 2 refers to image 1 and category 9"):
        load_dataset(path)
