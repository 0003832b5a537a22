from pathlib import Path

import numpy as np
import pytest

from imlgcn.data.dataset import Dataset, Record, Source, load_dataset
from imlgcn.data.formats import FORMATS, split_name
from imlgcn.errors import InputError


def dataset(*records: Record, names=("cat", "dog", "owl")) -> Dataset:
    return Dataset.from_source(Source(list(names), list(records), "test", "because"))


def record(name, labels="", unknown="", split=None) -> Record:
    return Record(name, Path(name), tuple(labels.split()), tuple(unknown.split()), split)


ANIMALS = dataset(
    record("a", "dog", "cat", "train"),
    record("b", "cat owl", "", "test"),
    record("c", "", "owl", "train"),
)


def test_targets_are_one_zero_and_minus_one():
    np.testing.assert_array_equal(ANIMALS.targets, [[-1, 1, 0], [1, 0, 1], [0, 0, -1]])
    assert ANIMALS.targets.dtype == np.int8


def test_where_what_is_absent_is_said_the_rest_is_unknown():
    said = [
        Record("a", Path("a"), ("dog",), absent=("cat",)),
        Record("b", Path("b"), absent=()),
        Record("c", Path("c"), ("dog",)),
    ]
    np.testing.assert_array_equal(dataset(*said).targets, [[0, 1, -1], [-1, -1, -1], [0, 1, 0]])
    with pytest.raises(InputError, match="a: its label 'bat' is not a label of the data set"):
        dataset(Record("a", Path("a"), absent=("bat",)))


def test_a_split_has_its_records_and_their_targets():
    train = ANIMALS.split("training")
    assert [record.name for record in train.records] == ["a", "c"]
    np.testing.assert_array_equal(train.targets, ANIMALS.targets[[0, 2]])
    assert (train.names, len(train)) == (ANIMALS.names, 2)


def test_splits_are_counted_in_the_usual_order():
    data = ANIMALS.with_splits(["test", "train", "test"])
    assert list(data.splits.items()) == [("train", 1), ("test", 2)]


def test_a_split_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(InputError, match="no split 'val'; it has train, test"):
        ANIMALS.split("val")
    with pytest.raises(InputError, match="unknown split 'tets'; did you mean 'test'"):
        ANIMALS.split("tets")
    with pytest.raises(InputError, match="make them with 'imlgcn split'"):
        dataset(record("a")).split("train")


def test_selected_records_come_in_the_order_asked_for_and_may_be_none():
    data = ANIMALS.select([2, 0])
    assert [record.name for record in data.records] == ["c", "a"]
    np.testing.assert_array_equal(data.targets, ANIMALS.targets[[2, 0]])
    assert ANIMALS.select([]).targets.shape == (0, 3)


def test_with_splits_needs_one_for_each_record():
    with pytest.raises(ValueError):
        ANIMALS.with_splits(["train"])


def test_labels_are_matched_by_name_when_reordered():
    data = ANIMALS.reordered(["owl", "cat", "dog"])
    np.testing.assert_array_equal(data.targets, ANIMALS.targets[:, [2, 0, 1]])
    assert data.records is ANIMALS.records


def test_a_label_the_data_does_not_have_is_unknown_and_one_too_many_is_refused():
    data = ANIMALS.reordered(["owl", "bat", "cat", "dog"])
    assert data.targets[:, 1].tolist() == [-1, -1, -1]
    with pytest.raises(InputError, match="1 label not among those expected: dog"):
        ANIMALS.reordered(["owl", "cat"])


def test_a_label_that_is_not_among_the_names_is_refused():
    with pytest.raises(InputError, match="a: its label 'bat' is not a label of the data set"):
        dataset(record("a", "bat"))
    with pytest.raises(InputError, match="no labels at all"):
        dataset(record("a"), names=())
    with pytest.raises(InputError, match="listed twice: 'cat'"):
        dataset(record("a"), names=("cat", "cat"))


@pytest.mark.parametrize("text", ["val", "VALID", " validation ", "dev"])
def test_split_names_have_many_spellings(text):
    assert split_name(text) == "val"


def test_a_path_that_is_not_there_suggests_what_is(tmp_path):
    (tmp_path / "labels.csv").touch()
    with pytest.raises(InputError, match=r"no such file.*did you mean .*labels\.csv\?"):
        load_dataset(tmp_path / "label.csv")
    with pytest.raises(InputError, match="did you mean openclipart"):
        load_dataset("opencliparts")
    with pytest.raises(InputError, match="no such file or folder; give a folder of images"):
        load_dataset(tmp_path / "not/there")


def test_an_unknown_reader_names_the_nearest(tmp_path):
    with pytest.raises(InputError, match="unknown reader 'cocoo'; did you mean 'coco'"):
        load_dataset(tmp_path, reader="cocoo")
    asked_by_folder = {"keywords", "label_folders"}
    assert [name for name in FORMATS if name not in asked_by_folder][-1] == "folder"


def test_a_variant_is_refused_where_the_data_comes_in_one_way_only(tmp_path):
    (tmp_path / "a.png").touch()
    (tmp_path / "labels.csv").write_text("image,labels\na.png,owl\n")
    with pytest.raises(InputError, match="variant= does not apply to data read by csv"):
        load_dataset(tmp_path, variant="labelled")
    with pytest.raises(InputError, match=r"openclipart.*no option applies"):
        load_dataset("openclipart", variant="keep-val")


def test_a_labels_csv_goes_before_what_the_folder_looks_like(tmp_path):
    for name in ("ImageSets/Main", "Groundtruth/TrainTestLabels"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "a.png").touch()
    (tmp_path / "labels.csv").write_text("image,labels\na.png,owl\n")
    assert load_dataset(tmp_path).reader == "csv"


def test_a_file_of_no_known_kind_is_refused(tmp_path):
    path = tmp_path / "photo.jpg"
    path.touch()
    with pytest.raises(InputError, match="no reader knows this file"):
        load_dataset(path)
