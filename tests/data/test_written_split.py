"""A written split is read back as the same data: labels, groups and other columns."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from imlgcn.data.dataset import Dataset, Record, Source, load_dataset
from imlgcn.data.written_split import write_split_csv
from imlgcn.errors import InputError

from .conftest import write_images


@pytest.mark.parametrize(
    "labels",
    [
        ["dog;?cat", "cat", "", "dog"],  # plain: one column
        ["fire, engine;dog", "dog", "dog;?fire, engine", ""],  # a delimiter in a name
        ["dog;?owl", "dog", "?", "dog;?owl"],  # a label that is nowhere present
    ],
)
@pytest.mark.parametrize("place", ["splits.csv", "deep/splits.csv"])
def test_a_written_split_is_read_back_as_the_same_data(tmp_path, labels, place):
    data = write_images(tmp_path, labels)
    splits = ["train", "val", "test", "train"]
    write_split_csv(data, splits, tmp_path / place)
    again = load_dataset(tmp_path / place)
    assert again.names == data.names
    np.testing.assert_array_equal(again.targets, data.targets)
    assert [record.split for record in again.records] == splits
    assert all(a.samefile(b) for a, b in zip(again.paths, data.paths, strict=True))
    assert again.records[0].name == ("0.png" if place == "splits.csv" else "../0.png")


@pytest.mark.parametrize("name", ["fire, engine", "a|b", "a;b", "?x"])
def test_a_label_that_could_be_misread_survives(tmp_path, name):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    records = [Record("a.png", tmp_path / "a.png", (label,)) for label in (name, "dog")]
    data = Dataset.from_source(Source([name, "dog"], records, "test", "because"))
    write_split_csv(data, ["train", "val"], tmp_path / "s.csv")
    again = load_dataset(tmp_path / "s.csv")
    assert again.names == (name, "dog")
    assert again.targets.tolist() == [[1, 0], [0, 1]]


def test_a_label_of_no_image_survives_and_fields_are_written(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    record = Record("a.png", tmp_path / "a.png", ("dog",), fields={"scene": "x, y"})
    one = Dataset.from_source(Source(["dog"], [record], "test", "because"))
    write_split_csv(one, ["train"], tmp_path / "s.csv")
    assert load_dataset(tmp_path / "s.csv").records[0].fields == {"scene": "x, y"}
    two = Dataset.from_source(Source(["dog", "bat"], [record], "test", "because"))
    write_split_csv(two, ["train"], tmp_path / "s.csv")
    assert load_dataset(tmp_path / "s.csv").names == ("dog", "bat")


@pytest.mark.parametrize("labels", [["dog", "cat", "", "dog"], ["fire, engine;dog", "dog", "", ""]])
def test_groups_survive_in_a_written_split_and_are_no_label(tmp_path, labels):
    data = write_images(tmp_path, labels)
    groups = ["1", None, "0", "1"]  # what looks like a label is none
    records = (replace(r, group=group) for r, group in zip(data.records, groups, strict=True))
    data = replace(data, records=tuple(records))
    write_split_csv(data, ["train", "val", "test", "train"], tmp_path / "s.csv")
    again = load_dataset(tmp_path / "s.csv")
    assert [record.group for record in again.records] == groups
    assert again.names == data.names
    np.testing.assert_array_equal(again.targets, data.targets)


@pytest.mark.parametrize("name", ["group", "Split", "labels"])
def test_a_label_called_as_another_column_is_kept_or_refused_but_never_lost(tmp_path, name):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    record = Record("a.png", tmp_path / "a.png", (name,))
    data = Dataset.from_source(Source([name], [record], "test", "because"))
    write_split_csv(data, ["train"], tmp_path / "s.csv")
    assert load_dataset(tmp_path / "s.csv").names == (name,)
    data = Dataset.from_source(Source([name, "a;b"], [record], "test", "because"))
    with pytest.raises(InputError, match=f"label '{name}' cannot be written.*rename the label"):
        write_split_csv(data, ["train"], tmp_path / "t.csv")
    assert not (tmp_path / "t.csv").exists()
