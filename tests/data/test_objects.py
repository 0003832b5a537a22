"""Data held in Python."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from imlgcn import check_dataset, load_dataset, split_dataset
from imlgcn.data.dataset import Dataset
from imlgcn.data.formats import Record
from imlgcn.data.images import open_image
from imlgcn.data.source import DataSource
from imlgcn.errors import InputError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working folder with three pictures."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMLGCN_CACHE", str(tmp_path / "cache"))
    for index in range(3):
        noise = np.random.default_rng(index).integers(0, 256, (12, 10, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{index}.png")
    return tmp_path


class Frame:
    """What pandas (a list for each column) and polars (a keyword) have in common."""

    def __init__(self, columns, polars=False):
        self.cells, self.columns, self.polars = columns, list(columns), polars

    def __len__(self):
        return len(self.cells[self.columns[0]])

    def to_dict(self, *orient, **options):
        if self.polars and (orient or options != {"as_series": False}):
            raise TypeError("to_dict() takes 1 positional argument")
        assert self.polars or orient == ("list",)
        return self.cells


class Items:
    """A data set of PyTorch."""

    def __init__(self, *items, **more):
        self.items = items
        self.__dict__ |= more

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def opened(index):
    return Image.open(f"{index}.png")


COLUMNS = {"image": ["0.png", "1.png"], "labels": [["sea", "sun"], []]}
FORMS = {
    "pairs": [("0.png", ["sea", "sun"]), (Path("1.png"), [])],
    "texts": [("0.png", "sea; sun"), ("1.png", "")],
    "dictionaries": [{"file_name": "0.png", "tags": ["sea", "sun"]}, {"file_name": "1.png"}],
    "columns": COLUMNS,
    "images to labels": {"0.png": ["sea", "sun"], "1.png": []},
    "a frame of pandas": Frame(COLUMNS),
    "a frame of polars": Frame(COLUMNS, polars=True),
    "a frame of 1 and 0": Frame({"path": ["0.png", "1.png"], "sea": [1, 0], "sun": [1.0, 0.0]}),
    "records": [Record("0.png", Path("0.png"), ("sea", "sun")), Record("1.png", Path("1.png"))],
    "a data set of names": Items(("0.png", ["sea", "sun"]), ("1.png", [])),
}


@pytest.mark.parametrize("data", FORMS.values(), ids=FORMS)
def test_every_form_gives_the_same_labels_of_the_same_files(data):
    found = load_dataset(data)
    assert (found.names, found.targets.tolist()) == (("sea", "sun"), [[1, 1], [0, 0]])
    assert [path.resolve() for path in found.paths] == [
        Path("0.png").resolve(),
        Path("1.png").resolve(),
    ]
    assert found.reader == "python"


def test_a_real_frame_of_pandas_is_taken():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"filename": ["0.png", "1.png"], "sea": [1, 0], "sun": [pandas.NA, 1]})
    table["split"], table["group"], table["width"] = ["train", "test"], ["a", None], [10, 12]
    found = load_dataset(table)
    assert (found.names, found.targets.tolist()) == (("sea", "sun"), [[1, -1], [0, 1]])
    assert "nan is unknown" in found.reason
    assert found.splits == {"train": 1, "test": 1}
    assert [(r.group, r.fields) for r in found.records] == [
        ("a", {"width": "10"}),
        (None, {"width": "12"}),
    ]


def test_the_images_of_a_folder_can_be_named(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("pictures")
    (folder / "0.png").rename(elsewhere / "x.png")
    with pytest.raises(InputError, match=r"the list: found 0 of 1 image .*images=FOLDER"):
        load_dataset([("x.png", ["sea"])])
    assert load_dataset([("x.png", ["sea"])], images=elsewhere).paths[0].is_file()


def test_missing_values_are_absent_where_nothing_is_0():
    found = load_dataset(Frame({"image": ["0.png", "1.png"], "sea": [1, None], "sun": [None, 1]}))
    assert found.targets.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("target", [[1, 0, 1], np.array([1, 0, 1]), 2])
def test_numbers_need_names(target):
    with pytest.raises(InputError, match=r"the Items, item 0: labels are numbers.*label_names="):
        load_dataset(Items((opened(0), target)))


def test_vectors_become_the_labels_that_are_named():
    data = Items(*((opened(index), vector) for index, vector in enumerate(([1, 0, 1], [0, 0, 0]))))
    found = load_dataset(data, label_names=["sea", "sand", "sun"])
    assert (found.names, found.targets.tolist()) == (("sea", "sand", "sun"), [[1, 0, 1], [0, 0, 0]])
    named = Items(*data.items, classes=["sea", "sand", "sun"])  # as torchvision has them
    assert load_dataset(named).targets.tolist() == found.targets.tolist()


@pytest.mark.parametrize(
    "image",
    [
        lambda: opened(0),
        lambda: opened(0).convert("RGB"),
        lambda: np.asarray(opened(0)),
        lambda: np.asarray(opened(0)) / 255,
        lambda: Path("0.png").read_bytes(),
        lambda: {"bytes": Path("0.png").read_bytes(), "path": None},
        lambda: {"bytes": None, "path": "0.png"},
    ],
)
def test_an_image_in_any_form_keeps_its_pixels(image):
    data = Items((image(), ["sea"]))
    path = load_dataset(data).paths[0]
    assert np.array_equal(np.asarray(open_image(path)), np.asarray(opened(0)))
    written = path.stat().st_mtime_ns
    assert load_dataset(data).paths == [path]
    assert path.stat().st_mtime_ns == written  # once


def test_the_path_of_an_image_of_hugging_face_is_taken_whole(folder):
    for name in ("a", "b"):
        (folder / name).mkdir()
        opened(0).save(folder / name / "x.png")
    found = load_dataset([({"bytes": None, "path": "b/x.png"}, ["sea"])])
    assert (found.records[0].name, found.paths) == ("b/x.png", [folder / "b" / "x.png"])


def test_a_turned_image_stays_turned(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    opened(0).save(folder / "turned.png", exif=exif)
    path = load_dataset([(Image.open("turned.png"), ["sea"])]).paths[0]
    assert np.array_equal(np.asarray(open_image(path)), np.asarray(open_image("turned.png")))


def test_one_object_for_each_split():
    parts = {"train": [("0.png", ["sea"])], "validation": [("1.png", ["sun"])]}
    found = load_dataset(parts)
    assert (found.splits, found.names) == ({"train": 1, "val": 1}, ("sea", "sun"))
    parts["test"] = Frame({"image": ["2.png"], "tags": ["sun"]})
    with pytest.raises(
        InputError, match=r"test=: its columns are not those of train=: labels, tags"
    ):
        load_dataset(parts)


class Feature:
    def __init__(self, names):
        self.names = names


def test_the_class_names_of_a_hugging_face_data_set_are_taken():
    rows = [{"image": opened(0), "label": [1, 0]}, {"image": opened(1), "label": []}]
    data = Items(*rows, features={"image": object(), "label": Feature(["sea", "sun"])})
    assert load_dataset(data).records[0].labels == ("sun", "sea")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (5, r"expected a path, a Dataset, a DataFrame, a list of .*; got a int"),
        (iter([1]), "got a list_iterator; make a list of it"),
        (type("DataLoader", (), {"dataset": []})(), r"got a DataLoader; give its \.dataset"),
        ([], "the list: holds no images"),
        (["0.png"], r"the list, item 0: expected \(image, labels\) or a dictionary; got a str"),
        ([("0.png", ["sea"], "train")], r"item 0: expected \(image, labels\)"),
        ([(None, ["sea"])], "item 0: the image is missing"),
        ([(np.full((3, 4, 5), -2.0), ["sea"])], "the list, item 0: .*array of shape"),
        ([({"size": 3}, ["sea"])], "item 0: dict is not accepted as an image; expected a path"),
        ([(Image.new("F", (4, 4)), ["sea"])], r"item 0: .*floating-point pixels"),
        ({"image": ["0.png"], "labels": [["a"], ["b"]]}, "not equally long: image 1, labels 2"),
        (
            Frame({"shot": ["x"], "labels": ["sea"]}),
            r"[Ii]ts columns are shot, labels; .*image_column=",
        ),
        (
            Frame({"image": ["0.png"], "words": ["sea"]}),
            r"columns are words; .*label_columns=",
        ),
    ],
)
def test_what_cannot_be_taken_gets_one_sentence(data, message):
    with pytest.raises(InputError, match=message):
        load_dataset(data)


def test_columns_of_other_names_can_be_named():
    data = Frame({"photo": ["0.png"], "words": ["sea;sun"], "who": ["ann"]})
    how = {"image_column": "photo", "label_columns": "words", "group_column": "who"}
    found = load_dataset(data, **how)
    assert (found.names, found.records[0].group) == (("sea", "sun"), "ann")


def test_a_data_set_is_taken_as_it_is_and_not_read_again():
    data = load_dataset([("0.png", ["sea"])])
    assert load_dataset(data) is data
    for how in ({"delimiter": ";"}, {"no_label": "none"}, {"reader": "csv"}):
        with pytest.raises(InputError, match="a Dataset is read already"):
            load_dataset(data, **how)
    with pytest.raises(InputError, match="reader= is for files"):
        load_dataset([("0.png", ["sea"])], reader="csv")


def test_checks_and_splits_take_the_same_objects():
    pairs = [(f"{index}.png", ["sea"]) for index in range(3)]
    assert check_dataset(pairs).num_images == 3
    assert len(split_dataset(pairs, val=0.0, train=0.9)[0]) == 3
    assert isinstance(DataSource.of(pairs).load(), Dataset)


def test_the_settings_say_that_the_data_was_in_python():
    source = DataSource.of([("0.png", 1)], label_names=["sea", "sun"])
    assert yaml.safe_load(yaml.safe_dump(source.to_config())) == {
        "data_in_python": "a list of length 1",
        "label_names": ["sea", "sun"],
    }
    assert DataSource.from_config(source.to_config()) is None
    assert source.load().names == ("sea", "sun")
