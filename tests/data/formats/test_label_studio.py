"""Label Studio: kinds of results, JSON-MIN and CSV."""

import json

import pytest

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from tool_samples import label_studio_csv, label_studio_min, put_images, put_json


def write(folder, *answers, data=None):
    """Write one task with an annotation for each answer, a list of regions."""
    put_images(folder, "a.jpg")
    annotations = [{"id": n, "result": regions} for n, regions in enumerate(answers)]
    task = {"id": 1, "annotations": annotations, "data": {"image": "a.jpg", **(data or {})}}
    put_json(folder / "p.json", [task])
    return folder / "p.json"


def region(kind, *labels):
    return {"type": kind, "value": {"x": 1, kind: list(labels)}}


@pytest.mark.parametrize(
    "kind", ["brushlabels", "ellipselabels", "keypointlabels", "polygonlabels", "rectanglelabels"]
)
def test_regions_of_every_kind_are_labels_and_the_reason_says_so(tmp_path, kind):
    data = load_dataset(write(tmp_path, [region(kind, "sea"), region(kind, "sea", "sun")]))
    assert data.names == ("sea", "sun")
    assert f"labels are those of {kind}" in data.reason


def test_a_taxonomy_gives_its_leaf_names_with_parents_where_two_leaves_have_the_same(tmp_path):
    paths = (["car", "red"], ["house", "red"], ["car"], ["place", "shore", "sea"])
    data = load_dataset(write(tmp_path, [region("taxonomy", *paths)]))
    assert data.names == ("car", "car/red", "house/red", "sea")
    assert "of a taxonomy the leaf names" in data.reason


def test_results_that_are_no_labels_are_left_out_and_named(tmp_path):
    text = {"type": "textarea", "value": {"text": ["a fine day"]}}
    path = write(tmp_path, [region("choices", "sea"), text])
    assert load_dataset(path).names == ("sea",)
    assert "left out: textarea" in load_dataset(path).reason
    write(tmp_path, [text])
    with pytest.raises(InputError, match=r"none of them annotated with .*its kinds of .*textarea"):
        load_dataset(path)


def test_a_task_whose_strokes_are_longer_than_what_is_read_is_recognised(tmp_path):
    stroke = {"type": "brushlabels", "value": {"rle": [7] * 100_000, "brushlabels": ["sea"]}}
    assert load_dataset(write(tmp_path, [stroke])).names == ("sea",)


def entries(folder, *others):
    """Write a JSON-MIN export whose entries are completed with what every entry has."""
    put_images(folder, "a.jpg", "b.jpg")
    common = {"annotator": 1, "annotation_id": 1, "lead_time": 1.0}
    put_json(folder / "m.json", [{"image": "a.jpg", "id": 1, **common, **o} for o in others])
    return folder / "m.json"


def test_min_entries_of_one_task_are_joined_and_what_differs_is_unknown(tmp_path):
    path = entries(tmp_path, {"choice": {"choices": ["sea", "sun"]}}, {"choice": "sea"})
    (record,) = load_dataset(path).records
    assert (record.labels, record.unknown) == (("sea",), ("sun",))


def test_min_boxes_are_labels_and_other_texts_are_left_aside_and_named(tmp_path):
    boxes = [{"x": 1, "rectanglelabels": ["sea"]}, {"x": 2, "rectanglelabels": ["boat"]}]
    data = load_dataset(entries(tmp_path, {"box": boxes, "title": "my photo"}))
    assert data.names == ("boat", "sea")
    assert "left out: title" in data.reason


def test_single_choices_are_known_by_a_usual_name_or_by_being_the_only_text(tmp_path):
    one = {"weather": "sunny"}
    assert load_dataset(entries(tmp_path, one)).names == ("sunny",)
    both = {"title": "my photo", "choice": "sunny"}
    assert load_dataset(entries(tmp_path, both)).names == ("sunny",)


def test_texts_that_may_all_be_labels_are_refused_and_the_hint_works(tmp_path):
    path = entries(tmp_path, {"title": "my photo", "weather": "sunny"})
    with pytest.raises(
        InputError, match=r"which of its texts .*\(title, weather\).*label_columns="
    ):
        load_dataset(path)
    assert load_dataset(path, label_columns="weather").names == ("sunny",)
    with pytest.raises(InputError, match="has no key 'wether'; it has image, title, weather"):
        load_dataset(path, label_columns="wether")


def test_min_and_csv_hold_the_same(tmp_path):
    label_studio_min(tmp_path)
    label_studio_csv(tmp_path)
    json_min, table = (load_dataset(tmp_path / f"project-1{end}") for end in ("-min.json", ".csv"))
    assert (json_min.records, json_min.names) == (table.records, table.names)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"choice": "sea", "annotator": 1}], "entry 1: no value names an image"),
        ([5], "entry 1: expected an object; got 5"),
        ({}, "expected a list of annotations"),
    ],
)
def test_a_wrong_min_export_is_refused_with_its_place(tmp_path, content, message):
    (tmp_path / "m.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        load_dataset(tmp_path / "m.json", reader="label_studio_min")
