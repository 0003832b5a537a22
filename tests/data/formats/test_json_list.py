"""JSON of one's own, in every form that is read."""

import json

import pytest

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from tool_samples import MEANT, put_images, put_text

SORTED = {name: sorted(labels) for name, labels in MEANT.items()}
NAMES = ["boat", "sand", "sea", "sun"]
BY_LABEL = {label: [n for n, found in SORTED.items() if label in found] for label in NAMES}


def objects(image="image", labels="labels", value=lambda labels: labels):
    return [{image: name, labels: value(found)} for name, found in SORTED.items()]


def flags(labels):
    return {name: int(name in labels) for name in NAMES}


@pytest.fixture
def read(tmp_path):
    put_images(tmp_path)

    def read(content, name="p.json", **how):
        text = content if isinstance(content, str) else json.dumps(content)
        put_text(tmp_path / name, text)
        return load_dataset(tmp_path / name, **how)

    return read


FORMS = {
    "object": SORTED,
    "object without suffixes": {name[:-4]: labels for name, labels in SORTED.items()},
    "object of texts": {name: ", ".join(labels) for name, labels in SORTED.items()},
    "object of flags": {name: flags(labels) for name, labels in SORTED.items()},
    "object of objects": {name: {"tags": labels, "width": 8} for name, labels in SORTED.items()},
    "object under a key": {"version": 1, "images": SORTED},
    "object beside classes": {"classes": NAMES, **SORTED},
    "labels with images": BY_LABEL,
    "objects": objects("file_name", "Tags"),
    "texts": objects("filename", "label", "|".join),
    "objects with label": objects("image", "annotations", lambda v: [{"label": n} for n in v]),
    "flags for each label": [{"image": name, **flags(v)} for name, v in SORTED.items()],
    "booleans": [
        {"path": n, **{k: bool(f) for k, f in flags(v).items()}} for n, v in SORTED.items()
    ],
    "under a key": {"info": {"n": 4}, "images": objects("file_name", "labels")},
    "numbers with classes": {
        "classes": NAMES,
        "images": objects("file_name", "labels", lambda v: [NAMES.index(n) for n in v]),
    },
    "pairs": [[name, labels] for name, labels in SORTED.items()],
    "one row per label": [
        {"image": name, "label": label} for name, labels in SORTED.items() for label in labels
    ],
    "pandas": {
        "image": dict(enumerate(SORTED)),
        "labels": dict(enumerate(SORTED.values())),
    },
    "lists": {"image": list(SORTED), "labels": list(SORTED.values())},
    "pandas split": {
        "columns": ["image", "labels"],
        "index": [0, 1, 2, 3],
        "data": [[name, labels] for name, labels in SORTED.items()],
    },
    "lines": "\n".join(map(json.dumps, objects())),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_labels_that_were_meant(read, form):
    data = read(FORMS[form])
    assert data.reader == "json_list"
    assert sorted(data.names) == NAMES
    assert {record.path.name: set(record.labels) for record in data.records} == MEANT


def test_a_form_is_known_in_a_file_that_is_longer_than_what_is_read(read):
    padding = {"description": "x" * 500}
    entries = [{**entry, **padding} for entry in objects("file_name") * 200]
    assert len(read({"info": {}, "images": entries}).records) == 4


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_form_is_known_in_the_encodings_that_windows_writes(read, tmp_path, encoding):
    read(SORTED)
    (tmp_path / "p.json").write_text(json.dumps(SORTED), encoding=encoding)
    assert sorted(load_dataset(tmp_path / "p.json").names) == NAMES


def test_rows_of_one_image_are_joined_and_the_reason_says_so(read):
    rows = [{"image": "a.jpg", "label": "sea"}, {"image": "a.jpg", "label": "?sun"}]
    data = read([*rows, {"image": "a.jpg", "label": "sea"}])
    assert (data.records[0].labels, data.records[0].unknown) == (("sea",), ("sun",))
    assert "3 entries of 1 images: those of an image are joined" in data.reason


def test_a_question_mark_null_and_minus_one_are_unknown(read):
    (record,) = read({"a.jpg": ["sea", "?sun"]}).records
    assert (record.labels, record.unknown) == (("sea",), ("sun",))
    (record,) = read({"a.jpg": {"sea": 1, "sun": None, "boat": -1, "sand": 0}}).records
    assert (record.labels, record.unknown) == (("sea",), ("sun", "boat"))


def test_ones_and_minus_ones_alone_are_asked_about_and_both_hints_work(read):
    content = {"a.jpg": {"sea": 1, "sun": -1}}
    with pytest.raises(InputError, match=r"never 0.*minus_one=absent, or minus_one=unknown"):
        read(content)
    assert read(content, minus_one="absent").records[0].unknown == ()
    assert read(content, minus_one="unknown").records[0].unknown == ("sun",)


def test_scores_are_refused_and_the_hint_works(read):
    content = {"a.jpg": {"sea": 0.9, "sun": 0.2}}
    with pytest.raises(InputError, match=r"\['a.jpg'\]: 'sea' is 0.9; .*present_above=0.5"):
        read(content)
    assert read(content, present_above=0.5).records[0].labels == ("sea",)


def test_numbers_without_names_are_refused_and_the_hint_works(read, tmp_path):
    content = {"a.jpg": [0, 2]}
    with pytest.raises(InputError, match=r"labels are numbers \(0, \.\.\.\).*label_names=FILE"):
        read(content)
    put_text(tmp_path / "names.txt", "sea", "sun", "sand")
    assert read(content, label_names=tmp_path / "names.txt").records[0].labels == ("sea", "sand")
    with pytest.raises(InputError, match="3 is not a number from 0 to 2"):
        read({"a.jpg": [3]}, label_names=tmp_path / "names.txt")


def test_keys_that_are_not_usual_can_be_named(read):
    entries = [{"who": name, "what": labels} for name, labels in SORTED.items()]
    with pytest.raises(InputError, match="no reader knows this file"):
        read(entries)
    how = {"reader": "json_list", "image_column": "who", "label_columns": "what"}
    assert len(read(entries, **how).names) == 4
    with pytest.raises(InputError, match=r"its keys: who, what\); name them \(image_column"):
        read(entries, reader="json_list")
    rows = [{"who": name, **flags(labels)} for name, labels in SORTED.items()]
    chosen = {"image_column": "who", "label_columns": ["sea", "sun"]}
    assert read(rows, reader="json_list", **chosen).names == ("sea", "sun")


def test_split_and_group_are_read(read):
    entries = [
        {**e, "split": s, "group": 7} for e, s in zip(objects(), ["train", "val"] * 2, strict=True)
    ]
    data = read(entries)
    assert data.splits == {"train": 2, "val": 2}
    assert data.records[0].group == "7"
    with pytest.raises(InputError, match=r"entry 1: unknown split 'tain'"):
        read([{**objects()[0], "split": "tain"}])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([*objects(), {"labels": []}], "entry 5: expected an object with 'image'"),
        ([*objects(), {"image": "e.jpg"}], "entry 5: has no 'labels'; write an empty list"),
        ('{"image": "a.jpg", "labels": []}\n{"image": ', "line 2: is not valid JSON"),
        ({"a.jpg": [["sea"]]}, r"\['a.jpg'\]: a label must be a text"),
        ({"a.jpg": ["sea", "?sea"]}, "'sea' is listed as both present and unknown"),
        ({"image": ["a.jpg", "b.jpg"], "labels": [["sea"]]}, "columns have different lengths"),
        ([["a.jpg", []], ["b.jpg"]], r"entry 2: expected \[image, \[labels\]\]"),
        ({"x.jpg": ["sea"]}, "found 0 of 1 image"),
    ],
)
def test_wrong_json_is_refused_with_its_place(read, content, message):
    with pytest.raises(InputError, match=message):
        read(content)


@pytest.mark.parametrize(
    "content", [{"version": 1, "notes": "x"}, {"a": ["b"]}, [1, 2], "[]", "{", {"x": [{"y": 1}]}]
)
def test_other_json_is_not_taken_for_images_and_labels(read, content):
    with pytest.raises(InputError, match="no reader knows this file"):
        read(content)
