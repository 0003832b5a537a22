"""Whatever a cell holds, the other images of its batch are tagged as if it were not there."""

from __future__ import annotations

import math
from decimal import Decimal
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from imlgcn.batch import BatchTagger
from imlgcn.batch.cells import NO_IMAGE, NO_NAME, SEVERAL
from imlgcn.errors import InputError


class Broken:
    """An open file, it says, and a path; neither can be used."""

    read = None

    def __str__(self):
        raise RuntimeError


def objects(values):
    """Return an array of objects, whatever these are."""
    found = np.empty(len(values), object)
    for place, value in enumerate(values):
        found[place] = value
    return found


def polars(values):
    """Return a column of polars."""
    module = pytest.importorskip("polars")
    return module.Series("image", values, dtype=module.Object)


COLUMNS = {
    "list": list,
    "tuple": tuple,
    "generator": iter,
    "numpy": objects,
    "pandas": lambda values: pd.Series(objects(values), dtype=object),
    "polars": polars,
}
ODD = {
    "None": (None, NO_IMAGE),
    "NaN": (math.nan, NO_IMAGE),
    "float32 NaN": (np.float32("nan"), NO_IMAGE),
    "Decimal NaN": (Decimal("nan"), NO_IMAGE),
    "NA": (pd.NA, NO_IMAGE),
    "NaT": (pd.NaT, NO_IMAGE),
    "numpy NaT": (np.datetime64("NaT"), NO_IMAGE),
    "masked": (np.ma.masked, NO_IMAGE),
    "Arrow null": (pa.scalar(None, pa.string()), NO_IMAGE),
    "empty text": ("", NO_IMAGE),
    "struct of nulls": ({"bytes": None, "path": None}, NO_IMAGE),
    "struct of NaN": ({"bytes": math.nan, "path": pd.NA}, NO_IMAGE),
    "empty struct": ({}, "dict is not accepted"),
    "empty bytes": (b"", "empty"),
    "bytes in a struct": ({"bytes": b"", "path": None}, "empty"),
    "empty array": (np.zeros(0, np.uint8), "shape (0,)"),
    "no rows": (np.zeros((0, 10, 3), np.uint8), "shape (0, 10, 3)"),
    "channels first": (np.zeros((3, 10, 10), np.uint8), "shape (3, 10, 10)"),
    "int64": (np.zeros((10, 10, 3), np.int64), "int64"),
    "objects": (np.full((4, 4, 3), None), "object"),
    "many": (np.zeros((2, 10, 10, 3), np.uint8), SEVERAL),
    "list": ([b"a", b"b"], SEVERAL),
    "floats": (np.full((4, 4), 7.0), "from 0 to 1"),
    "number": (3, "int is not accepted"),
    "object": (object(), "object is not accepted"),
    "open as text": (StringIO("a"), "open as text"),
    "broken file": (Broken(), "'Broken' object"),
    "zero byte": ("a\0b.png", "null"),
    "folder": (Path("in"), "is a directory"),
    "address": ("http://example.org/a.png", "is an address"),
    "no pixels": (Image.new("RGB", (0, 4)), "no pixels"),
}


@pytest.fixture(scope="module")
def tag(onnx_file):
    return BatchTagger(onnx_file, name="id", threshold=0.4, per_image=True)


def rows(found):
    return pa.table(found).to_pylist()


@pytest.mark.parametrize("kind", COLUMNS)
def test_no_cell_of_any_kind_of_column_changes_what_the_others_get(tag, pictures, kind):
    if kind == "polars" and find_spec("polars") is None:
        pytest.skip("polars is not installed")
    good = pictures[0], pictures[1]
    expected = rows(tag({"image": good, "id": ["a", "c"]}))
    given = [good[0], *(value for value, _ in ODD.values()), good[1]]
    names = ["a", *ODD, "c"]
    first, *failed, last = rows(tag({"image": COLUMNS[kind](given), "id": names}))
    assert [first, last] == expected
    for row, (name, (_, reason)) in zip(failed, ODD.items(), strict=True):
        assert row["image"] == name
        assert row["labels"] == []
        assert row["error"], name
        assert reason in row["error"], name


@pytest.mark.parametrize("name", ODD)
def test_a_cell_that_is_alone_in_its_batch_is_a_row_with_an_error(tag, pictures, name):
    value, reason = ODD[name]
    (row,) = rows(tag({"image": [value], "id": [name]}))
    assert (row["image"], row["labels"]) == (name, [])
    assert reason in row["error"]


@pytest.mark.parametrize("empty", [None, math.nan, pd.NA, "", pa.scalar(None, pa.string())])
def test_an_image_without_a_name_is_called_by_its_path_or_has_an_error(tag, pictures, empty):
    content = Path(pictures[0]).read_bytes()
    given = [content, pictures[0], Path(pictures[1]), {"bytes": content, "path": "p"}, content]
    found = rows(tag({"image": given, "id": ["a", empty, empty, empty, empty]}))
    assert [row["image"] for row in found] == ["a", pictures[0], pictures[1], "p", ""]
    assert [row["error"] for row in found] == [None] * 4 + [NO_NAME]
    assert found[0]["labels"] == found[1]["labels"] == found[3]["labels"]


def test_one_image_without_a_name_fails_no_batch_of_paths(onnx, pictures):
    tag, content = BatchTagger(onnx, per_image=True), Path(pictures[1]).read_bytes()
    for odd, reason in ((content, NO_NAME), (None, NO_IMAGE), (np.zeros((4, 4)), NO_NAME)):
        one, two = rows(tag({"image": [pictures[0], odd]}))
        assert one == rows(tag({"image": [pictures[0]]}))[0]
        assert (two["image"], two["labels"], two["error"]) == ("", [], reason)
    assert rows(tag({"image": [None]}))[0]["error"] == NO_IMAGE


def test_what_has_a_path_is_read_and_called_by_it(onnx, pictures):
    tag = BatchTagger(onnx, per_image=True)
    expected = rows(tag({"image": [pictures[0]]}))
    with Path(pictures[0]).open("rb") as file, Image.open(pictures[0]) as image:
        for given in (Path(pictures[0]), {"bytes": None, "path": Path(pictures[0])}, file, image):
            assert rows(tag({"image": [given]})) == expected, given


@pytest.mark.parametrize("form", [pa.table, pa.record_batch, pd.DataFrame, dict])
@pytest.mark.parametrize("kind", ["text", "bytes", "struct", "name that is no UTF-8"])
def test_nulls_and_names_of_any_bytes_in_arrow_are_rows(onnx, pictures, form, kind):
    content = Path(pictures[0]).read_bytes()
    odd, column = None, pa.array([pictures[0], None])
    if kind == "bytes":
        column = pa.array([content, None])
    elif kind == "struct":
        column = pa.array([{"bytes": content, "path": "a"}, {"bytes": None, "path": None}])
    elif kind != "text":
        odd = b"in/\xff.png"
        column = pa.array([pictures[0].encode(), odd]).view(pa.string())
    if form is pd.DataFrame:
        column = pd.Series(column, dtype=pd.ArrowDtype(column.type))
    tag = BatchTagger(onnx, name=None if odd else "id", threshold=0.4)
    found = tag(form({"image": column, "id": pa.array(["a", "b"]).to_pylist()}))
    *good, failed = found.to_dict("records") if form is pd.DataFrame else rows(found)
    assert [row["label"] for row in good]
    assert all(pd.isna(row["error"]) for row in good)
    assert failed["image"] == ("in/\\udcff.png" if odd else "b")
    assert ("No such file" if odd else NO_IMAGE) in failed["error"]


def test_a_struct_whose_path_is_no_utf8_is_read(onnx, pictures):
    content = [Path(path).read_bytes() for path in pictures[:2]]
    paths = pa.array([b"a", b"b\xff"]).view(pa.string())
    structs = pa.StructArray.from_arrays([pa.array(content), paths], ["bytes", "path"])
    one, two = rows(BatchTagger(onnx, threshold=0.4, per_image=True)(pa.table({"image": structs})))
    assert (one["image"], two["image"]) == ("a", "b\\udcff")
    assert one["error"] is two["error"] is None
    by_path = BatchTagger(onnx, threshold=0.4, per_image=True)({"image": pictures[:2]})
    assert [one["labels"], two["labels"]] == by_path["labels"]


def test_columns_that_are_none_are_refused_in_a_sentence(onnx, pictures):
    tag = BatchTagger(onnx, name="id")
    with pytest.raises(InputError, match="'image' has 2 cells and 'id' has 1"):
        tag({"image": pictures[:2], "id": ["a"]})
    one = (pictures[0], Path(pictures[0]), b"content", {"path": "a"}, None, 3, np.array("a.png"))
    for given in one:
        with pytest.raises(InputError, match=r"'image' is one .*; expected a list or an array"):
            tag({"image": given, "id": ["a"]})
    with pytest.raises(InputError, match="'id' is one str"):
        tag({"image": pictures[:3], "id": "abc"})
    twice = pd.DataFrame([[*pictures[:2], "a"]], columns=["image", "image", "id"])
    for form in (twice, pa.Table.from_arrays([["a"], ["b"], ["c"]], names=list(twice))):
        with pytest.raises(InputError, match="several columns 'image'"):
            tag(form)


@pytest.mark.parametrize("index", [list("xyz"), [5, 5, 9]])
def test_a_frame_keeps_its_index_repeated_for_the_tags_of_an_image(onnx, pictures, index):
    frame = pd.DataFrame({"image": pictures[3:6]}, index=index)  # the second cannot be read
    found = BatchTagger(onnx, threshold=0.4)(frame)
    expected = [index[pictures.index(image) - 3] for image in found["image"]]
    assert list(found.index) == expected
    assert len(found) > 3
    assert list(BatchTagger(onnx, per_image=True)(frame).index) == index
