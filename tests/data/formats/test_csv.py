from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError


@pytest.fixture
def table(tmp_path):
    """Write a CSV beside three images a.png, b.png, sub/c.png and return its path."""
    (tmp_path / "sub").mkdir()
    for name in ("a.png", "b.png", "sub/c.png"):
        Image.new("RGB", (8, 8), "red").save(tmp_path / name)

    def write(text: str | bytes, name: str = "data.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_a_labels_column_says_present_unknown_and_absent(table):
    data = load_dataset(table("image,labels\na.png,dog;?cat\nb.png,cat\nsub/c.png,\n"))
    assert data.names == ("cat", "dog")
    np.testing.assert_array_equal(data.targets, [[-1, 1], [1, 0], [0, 0]])
    assert data.targets.dtype == np.int8
    assert [path.is_file() for path in data.paths] == [True] * 3


def test_the_reader_says_why_it_was_chosen(table):
    data = load_dataset(table("image,labels\na.png,dog\n"))
    assert data.reader == "csv"
    assert data.reason.startswith("csv: the file ends in .csv and has the columns image, labels")


@pytest.mark.parametrize("cells", [["dog|cat", "dog"], ["dog; cat", "dog;"], ['"dog,cat"', "dog"]])
def test_the_delimiter_between_labels_is_found_out(table, cells):
    data = load_dataset(table(f"image,labels\na.png,{cells[0]}\nb.png,{cells[1]}\n"))
    assert data.names == ("cat", "dog")
    np.testing.assert_array_equal(data.targets, [[1, 1], [0, 1]])


def test_a_given_delimiter_beats_the_one_found_out(table):
    path = table("image,labels\na.png,fire engine/dog;house\n")
    assert load_dataset(path, delimiter="/").names == ("dog;house", "fire engine")


def test_labels_with_both_comma_and_bar_ask_for_the_delimiter(table):
    with pytest.raises(InputError, match=r"both '\|' and ','"):
        load_dataset(table('image,labels\na.png,"a, b|c"\n'))


def test_a_lone_question_mark_makes_every_label_not_named_unknown(table):
    data = load_dataset(table("image,labels\na.png,dog;?\nb.png,cat;owl\nsub/c.png,?\n"))
    np.testing.assert_array_equal(data.targets, [[-1, 1, -1], [1, 0, 1], [-1, -1, -1]])


def test_a_label_both_present_and_unknown_is_refused_with_its_line(table):
    with pytest.raises(InputError, match="line 3: 'dog' is listed as both"):
        load_dataset(table("image,labels\na.png,cat\nb.png,dog;?dog\n"))


def test_one_column_per_label_keeps_three_values_and_the_order_of_the_columns(table):
    text = "image,zebra,ant,split\na.png,1,0,train\nb.png,-1,?,dev\nsub/c.png,,1.0,TEST\n"
    data = load_dataset(table(text))
    assert data.names == ("zebra", "ant")
    np.testing.assert_array_equal(data.targets, [[1, 0], [-1, -1], [0, 1]])
    assert [record.split for record in data.records] == ["train", "val", "test"]


def test_a_bad_value_in_a_label_column_names_line_and_column(table):
    with pytest.raises(InputError, match="line 4: '2' in column 'dog' is not 1, 0, -1"):
        load_dataset(table("image,dog\na.png,1\nb.png,0\nsub/c.png,2\n"))


def test_columns_of_other_values_are_fields_not_labels(table):
    data = load_dataset(table("image,dog,camera\na.png,1,east\nb.png,0,west\n"))
    assert data.names == ("dog",)
    assert [record.fields for record in data.records] == [{"camera": "east"}, {"camera": "west"}]


def test_a_column_that_looks_like_a_label_can_be_named_a_field(table):
    path = table("image,dog,session\na.png,1,0\nb.png,0,1\n")
    assert load_dataset(path).names == ("dog", "session")
    data = load_dataset(path, fields=["session"])
    assert data.names == ("dog",)
    assert data.records[1].fields == {"session": "1"}


def test_further_columns_beside_labels_are_kept(table):
    data = load_dataset(table("image,labels,artist\na.png,dog,Ann\n"))
    assert data.records[0].fields == {"artist": "Ann"}


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfimage,labels\r\na.png,dog\r\n",  # Excel's mark and line ends
        b'"image","labels"\n"a.png","dog"\n',
        b"Image ; Labels\na.png;dog\n",  # Excel where the comma is a decimal sign
        b"image\tlabels\na.png\tdog\n",
        b"image,labels\n\na.png , dog,\n\n",  # blank lines, spaces, a comma at the end
    ],
)
def test_spreadsheets_write_csv_in_many_ways(table, text):
    data = load_dataset(table(text))
    assert (data.names, data.records[0].name, len(data)) == (("dog",), "a.png", 1)
    assert data.paths[0].is_file()


def test_back_slashes_in_paths_are_slashes(table):
    record = load_dataset(table("image,labels\nsub\\c.png,dog\n")).records[0]
    assert record.name == "sub/c.png"
    assert record.path.is_file()


def test_images_are_found_in_an_images_folder_or_where_the_user_says(table, tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "images/x.png")
    assert load_dataset(table("image,labels\nx.png,dog\n")).paths[0].is_file()
    data = load_dataset(table("image,labels\nc.png,dog\n"), images=tmp_path / "sub")
    assert data.paths[0] == tmp_path / "sub/c.png"


def test_one_missing_image_is_read_and_left_to_the_check(table):
    data = load_dataset(table("image,labels\na.png,dog\ngone.png,dog\n"))
    assert [path.is_file() for path in data.paths] == [True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("who,what\nx,dog\n", "no column 'image' nor .*its columns are who, what; .*image_column="),
        (
            "image,what\na.png,dog\n",
            "neither a column 'labels' .* are image, what; .*label_columns=",
        ),
        ("image,labels,x\na.png,dog,,cat\n", "line 2: has 4 cells, the header 3; .* double quotes"),
        ("image,labels\n,dog\n", "line 2: the image is missing"),
        ("image,labels,split\na.png,dog,train\nb.png,dog,trian\n", "line 3: .*mean 'train'"),
        ("image,labels,split\na.png,dog,train\nb.png,dog,\n", "line 3: unknown split ''"),
        ("image,dog,dog\na.png,1,0\n", "two columns have the same name"),
        ("image,labels\n", "no row below its header"),
        ("", "is empty"),
        ("image,labels\na.png,\n", "no labels at all"),
        ("image,labels\ngone.png,dog\n", "found 0 of 1 image .*'gone.png'.*looked in"),
        (b"image,labels\na.png,caf\x81\n", "is not UTF-8 text .byte 22.; save it as UTF-8"),
    ],
)
def test_a_bad_file_is_answered_with_what_is_wrong(table, text, message):
    with pytest.raises(InputError, match=message):
        load_dataset(table(text))


@pytest.mark.parametrize("column", ["group", "Group", "GROUP"])
def test_a_column_group_is_read_and_is_never_a_label_nor_a_field(table, column):
    data = load_dataset(table(f"image,{column},dog\na.png,1,1\nb.png,,0\nsub/c.png,1,1\n"))
    assert data.names == ("dog",)
    assert [record.group for record in data.records] == ["1", None, "1"]
    assert data.records[0].fields == {}
    assert "has the columns image, group" in data.reason


def test_only_a_column_of_exactly_that_name_holds_groups(table):
    data = load_dataset(table("image,labels,groups\na.png,dog,x\nb.png,cat,x\n"))
    assert [record.group for record in data.records] == [None, None]
    assert data.records[0].fields == {"groups": "x"}


def test_groups_stay_with_their_images_in_parts_of_the_data(table):
    data = load_dataset(table("image,labels,split,group\na.png,dog,val,x\nb.png,cat,train,y\n"))
    assert data.split("train").records[0].group == "y"
    assert [r.group for r in data.with_splits(["test", "val"]).select([1, 0]).records] == ["y", "x"]
