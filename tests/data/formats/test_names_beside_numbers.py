"""Class numbers get the names of a list beside them, in a table and in files of tags alike."""

from __future__ import annotations

import pytest

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError

from ..conftest import encode, picture

NUMBERS = {"a.png": "0 2", "b.png": "1", "c.png": "2"}
NAMED = {"a.png": {"sea", "sun"}, "b.png": {"boat"}, "c.png": {"sun"}}


def in_table(folder):
    rows = "".join(f"{name},{numbers.replace(' ', ';')}\n" for name, numbers in NUMBERS.items())
    (folder / "photos.csv").write_text(f"image,labels\n{rows}")
    return folder / "photos.csv"


def in_tag_files(folder):
    for name, numbers in NUMBERS.items():
        (folder / name).with_suffix(".txt").write_text(numbers.replace(" ", "\n"))
    return folder


@pytest.fixture(params=[in_table, in_tag_files])
def data(request, tmp_path):
    for name in NUMBERS:
        (tmp_path / name).write_bytes(encode(picture(8, 8), "PNG"))
    return request.param(tmp_path)


def labels(dataset):
    return {record.name: set(record.labels) for record in dataset.records}


@pytest.mark.parametrize("name", ["classes.txt", "labels.txt", "obj.names"])
def test_a_list_of_names_beside_them_names_the_numbers(data, tmp_path, name):
    (tmp_path / name).write_text("sea\nboat\nsun\ntree\n")
    found = load_dataset(data)
    assert labels(found) == NAMED
    assert found.names == ("sea", "boat", "sun")
    assert f"their names are from {name}" in found.reason


def test_the_user_s_file_names_them_too(data, tmp_path):
    (tmp_path / "mine").write_text("sea\nboat\nsun\n")
    assert labels(load_dataset(data, label_names=tmp_path / "mine")) == NAMED
    (tmp_path / "short").write_text("sea\nboat\n")
    with pytest.raises(InputError, match=r"short: has 2 names, for the numbers 0 to 1; 2 has none"):
        load_dataset(data, label_names=tmp_path / "short")


def test_a_list_with_too_few_names_names_nothing(data, tmp_path):
    (tmp_path / "classes.txt").write_text("sea\nboat\n")
    assert load_dataset(data).names == ("0", "1", "2")
