"""A table of known labels: what it may say, and which image a name stands for."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from imlgcn.errors import InputError
from imlgcn.prediction.known import KnownTable, match
from imlgcn.tagger.known import known_row

LABELS = ("cat", "dog", "tree")
TAGGER = SimpleNamespace(
    labels=LABELS, known_row=lambda known: known_row(known, LABELS) if known else None
)


@pytest.fixture
def read(tmp_path):
    """Return a function that writes a table and returns it with the rows of its images."""

    def make(text: str, images=("a.png", "b.png", "c.png"), name="known.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        paths = [tmp_path / image for image in images]
        table = KnownTable(path, TAGGER, paths)
        rows = [table.row(path) for path in paths]
        return table, [None if row is None else row.tolist() for row in rows]

    return make


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("image,labels\na.png,cat;dog\nb.png,\n", [[1, 1, -1], None, None]),
        ("image,labels,absent\na.png,cat,dog\nc.png,,tree\n", [[1, 0, -1], None, [-1, -1, 0]]),
        ("image,absent\nb.png,cat|tree\n", [None, [0, -1, 0], None]),
        ("image,labels\na.png,cat;?dog\nb.png,?\n", [[1, -1, -1], None, None]),
        ("image,cat,dog\na.png,1,0\nb.png,,?\nc.png,-1,true\n", [[1, 0, -1], None, [-1, 1, -1]]),
        ("Image;Labels\nA.png;x\na.png;dog|tree\n", [[-1, 1, 1], None, None]),
        ("image,labels\na.png,cat\na.png,dog\n", [[1, 1, -1], None, None]),
        ("image,labels,split,group\na.png,cat,train,7\n", [[1, -1, -1], None, None]),
    ],
    ids=["labels", "absent", "absent alone", "unknown", "columns", "excel", "twice", "of training"],
)
def test_a_label_that_is_not_listed_is_not_known(read, text, expected):
    assert read(text)[1] == expected


def test_what_does_not_fit_is_one_sentence(read):
    table, rows = read(
        "image,labels\na.png,cat;cow\n"
        + "".join(f"lost{number}.png,dog\n" for number in range(1_200))
    )
    assert rows == [[1, -1, -1], None, None]
    assert table.sentence() == (
        f"{table.path}: known labels of 1 image; ignored: 1,200 names that no single image has "
        "(lost0.png, lost1.png, lost2.png and 1,197 more) and 1 label that the tagger does not "
        "have (cow)"
    )
    assert "ignored" not in read("image,labels\na.png,cat\n")[0].sentence()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image,labels,absent\na.png,cat,cat\n", "line 2: 'cat' is both present and absent"),
        ("image,labels,absent\na.png,cat,\na.png,,cat\n", "line 3: 'cat' is both present"),
        ("image,labels\nlost.png,cat\n", r"none of its 1 image \(the first is 'lost.png'\)"),
        ("name,labels\na.png,cat\n", "has no column 'image'"),
        ("image,cat\na.png,1\nb.png,0\nc.png,maybe\n", "'maybe' in column 'cat' is not 1, 0"),
        ("image,labels\n", "has no row below its header"),
        ("", "is empty"),
        ("image,note\na.png,hello\n", "has neither a column 'labels'"),
    ],
    ids=str,
)
def test_a_table_that_says_nothing_or_both_is_refused(read, text, words):
    with pytest.raises(InputError, match=words):
        read(text)


def test_names_are_relative_to_the_table_or_the_end_of_one_path():
    here = Path("/library/tables")
    images = ["/library/tables/a.jpg", "/library/tables/images/b.jpg", "/x/c.jpg", "/y/c.jpg",
              "/x/a.jpg", "/z/d/e.jpg"]  # fmt: skip
    names = ["a.jpg", "b.jpg", "c.jpg", "y/c.jpg", "d/e.jpg", "./a.jpg", "f.jpg", "/x/a.jpg"]
    found = match(names, images, here)
    assert found == {
        "a.jpg": os.path.abspath("/library/tables/a.jpg"),
        "b.jpg": os.path.abspath("/library/tables/images/b.jpg"),
        "y/c.jpg": os.path.abspath("/y/c.jpg"),
        "d/e.jpg": os.path.abspath("/z/d/e.jpg"),
        "./a.jpg": os.path.abspath("/library/tables/a.jpg"),
        "/x/a.jpg": os.path.abspath("/x/a.jpg"),
    }, "c.jpg could be two images"


def test_a_relative_path_is_the_same_image(read, tmp_path, monkeypatch):
    table, _ = read("image,labels\nx/a.png,cat\n", images=["x/a.png"])
    monkeypatch.chdir(tmp_path)
    assert table.row("x/../x/a.png").tolist() == [1, -1, -1]
    assert table.row(Path("x") / "a.png").tolist() == [1, -1, -1]
    assert table.row("a.png") is None
