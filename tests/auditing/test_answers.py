"""Answers come back as a new table: what was not answered stays, and no file is replaced."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from imlgcn.auditing import correct
from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


@pytest.fixture
def answers(tmp_path):
    def write(*rows):
        path = tmp_path / "answers.csv"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([("image", "label", "answer"), *rows])
        return path

    return write


def entry(dataset, value):
    """Return the image and label of the first target of a value."""
    row, label = (int(index[0]) for index in np.nonzero(dataset.targets == value))
    return row, dataset.records[row].name, dataset.names[label]


def test_a_table_keeps_every_cell_but_those_answered(colours, clean, answers, tmp_path):
    before = colours.read_bytes()
    added, image, label = entry(clean, 0)
    out = tmp_path / "corrected.csv"
    assert correct(colours, answers((image, label, "yes"), ("05.png", "red", "")), out) == 1
    old, new = rows_of(colours), rows_of(out)
    assert [row[1:] for row in old[: added + 1]] == [row[1:] for row in new[: added + 1]]
    assert old[added + 2 :] == [[row[0].rpartition("/")[2], *row[1:]] for row in new[added + 2 :]]
    assert label in new[added + 1][1].split(";")
    assert colours.read_bytes() == before
    again = load_dataset(out)
    assert (again.targets != clean.targets).sum() == 1
    assert all(path.is_file() for path in again.paths)


def test_answers_and_back_is_the_same_table(colours, clean, answers, tmp_path):
    _, image, label = entry(clean, 1)
    first = colours.parent / "first.csv"
    try:
        assert correct(colours, answers((image, label, "no")), first) == 1
        second = colours.parent / "second.csv"
        assert correct(first, answers((image, label, "yes")), second) == 1
        np.testing.assert_array_equal(load_dataset(second).targets, clean.targets)
        assert rows_of(second)[0] == ["image", "labels", "note"]
    finally:
        for path in (first, second):
            path.unlink(missing_ok=True)


def test_an_answer_that_agrees_changes_nothing(colours, clean, answers, tmp_path):
    _, image, label = entry(clean, 1)
    assert correct(colours, answers((image, label, "YES")), tmp_path / "out.csv") == 0


@pytest.fixture
def folder(tmp_path):
    """Six images, and their labels in four formats."""
    made = tmp_path / "data"
    made.mkdir()
    labels = {"a": ["cat"], "b": ["dog"], "c": ["cat", "dog"], "d": [], "e": ["dog"], "f": ["cat"]}
    for number, name in enumerate(labels):
        Image.new("RGB", (8, 8), (40 * number, 9, 9)).save(made / f"{name}.png")
    return made, labels


def of_format(kind, made, labels):
    if kind == "folder":
        for name, tags in labels.items():
            (made / f"{name}.txt").write_text("\n".join(tags))
        return made
    if kind == "coco":
        names = ["cat", "dog"]
        content = {
            "images": [
                {"id": i, "file_name": f"{name}.png", "width": 8, "height": 8}
                for i, name in enumerate(labels)
            ],
            "categories": [{"id": i, "name": name} for i, name in enumerate(names)],
            "annotations": [
                {
                    "id": 10 * i + j,
                    "image_id": i,
                    "category_id": names.index(tag),
                    "bbox": [0, 0, 4, 4],
                    "area": 16,
                    "iscrowd": 0,
                }
                for i, tags in enumerate(labels.values())
                for j, tag in enumerate(tags)
            ],
        }
        path = made / "instances.json"
        path.write_text(json.dumps(content))
        return path
    if kind == "zip":
        of_format("columns", made, labels)
        return shutil.make_archive(str(made.parent / "packed"), "zip", made)
    path = made / ("data.tsv" if kind == "tabs" else "data.csv")
    mark = "\t" if kind == "tabs" else ","
    if kind == "unknown":
        lines = [
            "image,labels",
            *(f"{n}.png,{';'.join([*tags, '?'])}" for n, tags in labels.items()),
        ]
    else:
        lines = [f"image{mark}cat{mark}dog"]
        for name, tags in labels.items():
            lines.append(mark.join([f"{name}.png", *(str(int(t in tags)) for t in ("cat", "dog"))]))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("kind", ["folder", "coco", "columns", "tabs", "unknown", "zip"])
def test_every_format_comes_back_as_a_csv_with_the_answers(kind, folder, answers, tmp_path):
    data = of_format(kind, *folder)
    before = load_dataset(data)
    name = {record.path.stem: record.name for record in before.records}
    out = tmp_path / "corrected.csv"
    given = answers((name["a"], "dog", "yes"), (name["b"], "dog", "no"))
    assert correct(data, given, out) == 2
    after = load_dataset(out)
    assert set(after.names) == {"cat", "dog"}
    position = {record.path.stem: row for row, record in enumerate(after.records)}
    targets = after.reordered(before.names).targets[[position[r.path.stem] for r in before.records]]
    dog = before.names.index("dog")
    expected = before.targets.copy()
    stems = [record.path.stem for record in before.records]
    expected[stems.index("a"), dog] = 1
    expected[stems.index("b"), dog] = 0
    np.testing.assert_array_equal(targets, expected)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("nobody.png", "red", "yes"), r"line 2: the data has no image 'nobody.png'"),
        (("00.png", "rde", "yes"), r"line 2: unknown label 'rde'; did you mean 'red'"),
        (("00.png", "red", "maybe"), r"line 2: the answer 'maybe' is not yes, no or empty"),
    ],
)
def test_a_wrong_answer_is_refused_with_its_line(colours, answers, tmp_path, row, message):
    with pytest.raises(InputError, match=message):
        correct(colours, answers(row), tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_two_answers_that_contradict_are_refused(colours, answers, tmp_path):
    given = answers(("00.png", "red", "yes"), ("00.png", "red", "no"))
    with pytest.raises(InputError, match=r"line 3: 'red' of 00.png has two different answers"):
        correct(colours, given, tmp_path / "out.csv")


def test_nothing_is_overwritten(colours, answers, tmp_path):
    before = colours.read_bytes()
    with pytest.raises(InputError, match="exists and is not replaced; give another out="):
        correct(colours, answers(), colours)
    assert colours.read_bytes() == before
    with pytest.raises(InputError, match=r"takes the name of a \.csv file"):
        correct(colours, answers(), tmp_path / "out.json")
