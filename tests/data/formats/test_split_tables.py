"""A folder with one table for each split."""

import pytest
from PIL import Image

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError


@pytest.fixture
def folder(tmp_path):
    """Write tables and images by their paths; return the folder."""

    def write(**files):
        for path, text in files.items():
            file = tmp_path / path.replace("__", "/").replace("_csv", ".csv")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path

    def images(*paths):
        for path in paths:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 4)).save(tmp_path / path)

    write.images = images
    return write


def labels(data):
    return {
        record.name: (record.split, ";".join(record.labels), record.path.parent.name)
        for record in data.records
    }


TRAIN = "image,labels\n0.jpg,boat;sea\n1.jpg,sand\n"
VAL = "image,labels\n2.jpg,sea\n"


def test_tables_called_as_splits_are_the_splits(folder):
    folder.images("train/0.jpg", "train/1.jpg", "valid/2.jpg")
    data = load_dataset(folder(train_csv=TRAIN, valid_csv=VAL))
    assert data.reader == "tables"
    assert labels(data) == {
        "0.jpg": ("train", "boat;sea", "train"),
        "1.jpg": ("train", "sand", "train"),
        "2.jpg": ("val", "sea", "valid"),
    }
    assert "it holds train.csv, valid.csv, the splits" in data.reason


def test_every_table_finds_the_images_of_its_own_split(folder):
    folder.images("train/0.jpg", "train/1.jpg", "val/2.jpg", "val/0.jpg")
    data = load_dataset(folder(train_csv=TRAIN, val_csv=VAL + "0.jpg,boat\n"))
    found = [(record.path.parent.name, record.split) for record in data.records]
    assert found == [("train", "train"), ("train", "train"), ("val", "val"), ("val", "val")]


def test_tables_inside_the_folders_of_splits_are_the_splits(folder):
    folder.images("train/0.jpg", "train/1.jpg", "val/images/0.jpg")
    data = load_dataset(
        folder(train__labels_csv=TRAIN, val__labels_csv="image,labels\n0.jpg,sea\n")
    )
    assert labels(data) == {
        "train/0.jpg": ("train", "boat;sea", "train"),
        "train/1.jpg": ("train", "sand", "train"),
        "val/0.jpg": ("val", "sea", "images"),
    }


def test_the_delimiter_is_that_of_all_tables(folder):
    folder.images("0.jpg", "1.jpg", "2.jpg")
    data = load_dataset(
        folder(train_csv="image,labels\n0.jpg,boat|sea\n", test_csv="image,labels\n2.jpg,sea\n")
    )
    assert data.names == ("boat", "sea")


def test_the_order_of_columns_may_differ_but_not_the_columns(folder):
    folder.images("0.jpg", "1.jpg")
    train = "image,sea,sand\n0.jpg,1,0\n"
    data = load_dataset(folder(train_csv=train, test_csv="image,sand,sea\n1.jpg,1,0\n"))
    assert [record.labels for record in data.records] == [("sea",), ("sand",)]
    with pytest.raises(InputError, match=r"test\.csv: its columns are not those .*: sand, tree"):
        load_dataset(folder(train_csv=train, test_csv="image,tree,sea\n1.jpg,1,0\n"))


@pytest.mark.parametrize("named", ["test_csv", "sample_submission_csv", "names_csv"])
def test_what_is_no_list_of_labels_is_left_out(folder, named):
    folder.images("0.jpg", "1.jpg", "2.jpg", "3.jpg")
    other = {
        "test_csv": "image\n3.jpg\n",
        "sample_submission_csv": "image,labels\n3.jpg,sea\n",
        "names_csv": "id,name\n0,sea\n",
    }
    data = load_dataset(folder(train_csv=TRAIN, val_csv=VAL, **{named: other[named]}))
    assert data.splits == {"train": 2, "val": 1}


def test_one_list_beside_a_competitions_test_is_read(folder):
    folder.images("train/0.jpg", "train/1.jpg", "test/3.jpg")
    made = folder(
        train_csv=TRAIN,
        test_csv="image\n3.jpg\n",
        sample_submission_csv="image,labels\n3.jpg,sea\n",
    )
    data = load_dataset(made)
    assert [record.name for record in data.records] == ["0.jpg", "1.jpg"]


def test_a_table_of_label_names_is_not_taken_for_the_images(folder):
    folder.images("train/0.jpg", "train/1.jpg")
    made = folder(
        train_csv="id,attribute_ids\n0,3\n1,5\n", labels_csv="attribute_id,name\n3,a\n5,b\n"
    )
    data = load_dataset(made)
    assert [record.labels for record in data.records] == [("a",), ("b",)]


def test_a_wrong_line_is_named_with_its_file(folder):
    folder.images("0.jpg", "1.jpg", "2.jpg")
    bad = "image,labels\n2.jpg,?sea;sea\n"
    with pytest.raises(InputError, match=r"val\.csv, line 2: 'sea' is listed as both"):
        load_dataset(folder(train_csv=TRAIN, val_csv=bad))


def test_a_folder_without_such_tables_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match="holds no tables called as train, val or test"):
        load_dataset(tmp_path, reader="tables")
