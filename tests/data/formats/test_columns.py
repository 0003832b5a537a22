r"""Tables with one column per label and any name for the column of images: UCM, AID, Roboflow."""

import numpy as np
import pytest
from PIL import Image

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError

UCM = "IMAGE\\LABEL,airplane,bare soil,cars\nfield00,0,1,0\nport01,1,0,1\nport02,0,0,1\n"


def put_image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), "red").save(path)


@pytest.fixture
def ucm(tmp_path):
    for name in ("field/field00", "port/port01", "port/port02"):
        put_image(tmp_path / f"Images/{name}.tif")
    (tmp_path / "multilabels.csv").write_text(UCM)
    return tmp_path / "multilabels.csv"


def test_images_without_a_suffix_are_found_in_any_sub_folder(ucm):
    data = load_dataset(ucm)
    assert (data.reader, data.names) == ("columns", ("airplane", "bare soil", "cars"))
    np.testing.assert_array_equal(data.targets, [[0, 1, 0], [1, 0, 1], [0, 0, 1]])
    assert data.records[1].name == "Images/port/port01.tif"
    assert all(path.is_file() for path in data.paths)
    assert data.reason.startswith(
        r"columns: its column 'IMAGE\\LABEL' is followed by columns of 1 and 0; labels are 3"
    )


def test_a_column_of_row_numbers_before_the_images_is_no_label(ucm):
    numbered = [f"{n - 1 if n else ''},{line}" for n, line in enumerate(UCM.splitlines())]
    ucm.write_text("\n".join(numbered))
    data = load_dataset(ucm)
    assert (data.names, len(data)) == (("airplane", "bare soil", "cars"), 3)
    assert data.paths[0].is_file()


def test_the_only_such_table_of_a_folder_is_read(ucm):
    assert load_dataset(ucm.parent).reader == "columns"


def test_a_missing_image_is_left_to_the_check_and_all_missing_are_refused(ucm):
    (ucm.parent / "Images/port/port01.tif").unlink()
    assert [path.is_file() for path in load_dataset(ucm).paths] == [True, False, True]
    for file in (ucm.parent / "Images").rglob("*.tif"):
        file.unlink()
    with pytest.raises(InputError, match=r"found 0 of 3 images .*'field00'.*images=FOLDER"):
        load_dataset(ucm)


def test_two_files_for_one_name_are_refused_but_only_for_a_name_that_is_listed(ucm):
    put_image(ucm.parent / "copy/other.png")
    put_image(ucm.parent / "Images/port/other.png")
    assert len(load_dataset(ucm)) == 3
    put_image(ucm.parent / "copy/port01.png")
    with pytest.raises(InputError, match=r"port01 could be .*port01\.tif or .*port01|copy/port01"):
        load_dataset(ucm)


def test_unknown_and_a_split_column_are_read_as_in_any_csv(ucm):
    ucm.write_text("name;split;dog;cat\nfield00;train;1;?\nport01;valid;0;1\nport02;test;-1;0\n")
    data = load_dataset(ucm)
    np.testing.assert_array_equal(data.targets, [[1, -1], [0, 1], [-1, 0]])
    assert data.splits == {"train": 1, "val": 1, "test": 1}
    assert data.names == ("dog", "cat")


def test_a_table_whose_image_column_is_called_image_stays_a_csv(ucm):
    ucm.write_text("image,dog\nImages/port/port01.tif,1\n")
    assert load_dataset(ucm).reader == "csv"


@pytest.mark.parametrize("text", ["who,what\nx,dog\n", "name,dog\n", "1,0\n1,1\n", ""])
def test_another_table_is_not_taken_for_one(ucm, text):
    ucm.write_text(text)
    with pytest.raises(InputError, match=r"no column 'image'|no row below|is empty"):
        load_dataset(ucm)


def test_a_table_without_images_is_refused_by_name(ucm):
    ucm.write_text("1,0\n1,1\n")
    with pytest.raises(InputError, match="has no column of images"):
        load_dataset(ucm, reader="columns")


@pytest.fixture
def roboflow(tmp_path):
    for split, images in (("train", "ab"), ("valid", "c"), ("test", "d")):
        rows = ["filename, Dog, Cat"]  # the export puts a space behind each comma
        for image in images:
            put_image(tmp_path / split / f"{image}.jpg")
            rows.append(f"{image}.jpg, {int(image in 'ac')}, {int(image in 'bc')}")
        (tmp_path / split / "_classes.csv").write_text("\n".join(rows))
    return tmp_path


def test_the_folders_of_roboflow_are_splits(roboflow):
    data = load_dataset(roboflow)
    assert (data.reader, data.names) == ("columns", ("Dog", "Cat"))
    by_name = dict(zip([r.name for r in data.records], data.targets.tolist(), strict=True))
    assert by_name == {
        "train/a.jpg": [1, 0],
        "train/b.jpg": [0, 1],
        "valid/c.jpg": [1, 1],
        "test/d.jpg": [0, 0],
    }
    assert data.splits == {"train": 2, "val": 1, "test": 1}
    assert all(path.is_file() for path in data.paths)


def test_one_table_of_roboflow_alone_has_no_split(roboflow):
    data = load_dataset(roboflow / "valid/_classes.csv")
    assert (data.splits, data.records[0].name) == ({}, "c.jpg")


def test_folders_with_other_labels_are_not_joined(roboflow):
    (roboflow / "valid/_classes.csv").write_text("filename, Dog, Owl\nc.jpg, 1, 0")
    with pytest.raises(InputError, match=r"its labels are not those of .*: Cat, Owl"):
        load_dataset(roboflow)


def test_a_folder_without_tables_is_refused_by_name(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "x.txt").touch()
    with pytest.raises(InputError, match=r"has no _classes\.csv in a folder train, valid or test"):
        load_dataset(tmp_path, reader="columns")


@pytest.mark.parametrize("first", [True, False])
def test_a_column_of_groups_is_neither_the_images_nor_a_label(ucm, first):
    lines = UCM.splitlines()
    groups = ["Group", "flight a", "", "flight a"]
    ucm.write_text(
        "\n".join(
            f"{group},{line}" if first else f"{line},{group}"
            for group, line in zip(groups, lines, strict=True)
        )
    )
    data = load_dataset(ucm)
    assert (data.reader, data.names) == ("columns", ("airplane", "bare soil", "cars"))
    assert [record.group for record in data.records] == ["flight a", None, "flight a"]
