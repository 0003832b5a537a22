"""Open Images: verified present, verified absent, and everything else unknown."""

import numpy as np
import pytest
from PIL import Image

from imlgcn.data.dataset import load_dataset
from imlgcn.data.written_split import write_split_csv
from imlgcn.errors import InputError

ROWS = """ImageID,Source,LabelName,Confidence
00aa,verification,/m/dog,1
00aa,verification,/m/cat,0
00bb,crowdsource-verification,/m/cat,1.0
00bb,machine,/m/dog,0.7
00cc,verification,/m/dog,0
00cc,verification,/m/ufo,0
00dd,verification,/m/dog,1
"""
NAMES = "/m/dog,Dog\n/m/cat,Cat\n/m/ufo,Unidentified object\n"


def put_images(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", (8, 8), "red").save(folder / f"{name}.jpg")


@pytest.fixture
def table(tmp_path):
    put_images(tmp_path / "images", "00aa", "00bb", "00cc")
    (tmp_path / "class-descriptions.csv").write_text(NAMES)
    path = tmp_path / "train-annotations-human-imagelabels.csv"
    path.write_text(ROWS)
    return path


def test_what_nobody_verified_is_unknown(table):
    data = load_dataset(table)
    assert (data.reader, data.names) == ("openimages", ("Cat", "Dog"))
    assert [path.stem for path in data.paths] == ["00aa", "00bb", "00cc"]
    np.testing.assert_array_equal(data.targets, [[0, 1], [1, -1], [-1, 0]])


def test_what_is_verified_both_ways_is_unknown(table):
    for rows in ("00bb,x,/m/dog,1\n00aa,x,/m/dog,0\n", "00aa,x,/m/dog,1\n00aa,x,/m/dog,0\n"):
        table.write_text(ROWS + "00bb,x,/m/dog,1\n" + rows)
        np.testing.assert_array_equal(load_dataset(table).targets, [[0, -1], [1, 1], [-1, 0]])


def test_images_that_are_not_there_and_labels_that_none_shows_are_left_out_and_counted(table):
    reason = load_dataset(table).reason
    assert "left out: 1 missing image and 1 label without a positive" in reason


def test_labels_have_their_codes_when_nothing_describes_them(table):
    (table.parent / "class-descriptions.csv").unlink()
    assert load_dataset(table).names == ("/m/cat", "/m/dog")


def test_two_codes_of_one_name_keep_their_codes(table):
    header = "LabelName,DisplayName\n"
    (table.parent / "class-descriptions.csv").write_text(header + "/m/dog,Pet\n/m/cat,Pet\n")
    assert load_dataset(table).names == ("Pet (/m/cat)", "Pet (/m/dog)")


def test_the_files_of_a_folder_are_splits(table):
    header, *rows = ROWS.splitlines()
    for split in ("validation", "test"):
        name = f"{split}-annotations-human-imagelabels.csv"
        row = rows[0].replace("00aa", split)
        (table.parent / name).write_text(f"{header}\n{row}\n")
        put_images(table.parent / split, split)
    data = load_dataset(table.parent)
    assert data.splits == {"train": 3, "val": 1, "test": 1}
    assert data.split("val").paths == [table.parent / "validation/validation.jpg"]
    table.rename(table.with_name("more-annotations.csv"))
    with pytest.raises(InputError, match="do not say which is train, val and test"):
        load_dataset(table.parent)


def test_what_is_unknown_stays_unknown_in_a_csv_of_splits(table, tmp_path):
    data = load_dataset(table)
    write_split_csv(data, ["train", "val", "test"], tmp_path / "split.csv")
    np.testing.assert_array_equal(load_dataset(tmp_path / "split.csv").targets, data.targets)


def test_images_are_found_where_the_user_says_or_all_missing_are_refused(table):
    (table.parent / "images").rename(table.parent / "far")
    with pytest.raises(InputError, match="holds no images; looked next to the CSV"):
        load_dataset(table)
    assert len(load_dataset(table, images=table.parent / "far")) == 3
    put_images(table.parent, "zz")
    with pytest.raises(InputError, match="none of the images it lists was found: found 1"):
        load_dataset(table)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("00aa,verification,/m/dog,yes", "line 9: expected an image, its source, a label and a"),
        ("00aa,verification,/m/dog", "line 9: expected"),
    ],
)
def test_a_wrong_line_is_named(table, row, message):
    table.write_text(ROWS + row + "\n")
    with pytest.raises(InputError, match=message):
        load_dataset(table)


def test_other_data_is_refused_by_name(table):
    with pytest.raises(InputError, match="holds no CSV with the columns ImageID"):
        load_dataset(table.parent / "images", reader="openimages")
    table.write_text("image,labels\n")
    with pytest.raises(InputError, match="expected the columns ImageID"):
        load_dataset(table, reader="openimages")
