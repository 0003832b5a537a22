"""A data set whose targets are too many for a matrix behaves as one whose targets are few."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from imlgcn.data import dataset as module
from imlgcn.data.dataset import Dataset, Record, Source
from imlgcn.data.guard import misread
from imlgcn.data.ready import say_what_is_thin, with_learnable_labels
from imlgcn.errors import InputError
from imlgcn.labels.targets import Targets
from imlgcn.progress import Progress

RECORDS = [
    Record("a", Path("a"), ("dog",), ("cat",), "train"),
    Record("b", Path("b"), ("cat", "owl"), (), "val"),
    Record("c", Path("c"), ("dog", "dog"), ("owl",), "train"),
    Record("d", Path("d"), ("owl",), absent=("cat",), split="test"),
    Record("e", Path("e"), ("cat",), absent=("cat", "dog"), split="train"),
]


class Notes(Progress):
    def __init__(self):
        super().__init__()
        self.said = []

    def say(self, text):
        self.said.append(text)


def make(most, records=RECORDS):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_DENSE", most)
        return Dataset.from_source(Source(["cat", "dog", "owl"], list(records), "test", "because"))


@pytest.fixture
def both():
    return make(0), make(10**9)


def same(ours, theirs):
    assert isinstance(ours.stored_targets, Targets)
    assert isinstance(theirs.stored_targets, np.ndarray)
    assert ours.targets.dtype == np.int8
    np.testing.assert_array_equal(ours.targets, theirs.targets)
    assert (ours.names, ours.records) == (theirs.names, theirs.records)


def test_targets_of_a_reader_are_kept_sparse_and_read_as_the_matrix(both):
    same(*both)
    assert both[0].targets.tolist() == [
        [-1, 1, 0], [1, 0, 1], [0, 1, -1], [0, -1, 1], [1, 0, -1],
    ]  # fmt: skip


def test_splits_and_selections_stay_sparse(both):
    same(*(data.split("train") for data in both))
    same(*(data.select([3, 0]) for data in both))
    same(*(data.with_splits(["train"] * 5) for data in both))
    same(*(pickle.loads(pickle.dumps(data)) for data in both))
    ours, theirs = both
    for rows in ([4, 0], slice(1, 3), 2):
        np.testing.assert_array_equal(ours.stored_targets[rows], theirs.stored_targets[rows])


def test_labels_that_training_does_not_show_are_left_out_of_either(both):
    notes = Notes(), Notes()
    same(*(with_learnable_labels(*each, splits=["test"]) for each in zip(both, notes, strict=True)))
    for data, each in zip(both, notes, strict=True):
        say_what_is_thin(data, each)
        say_what_is_thin(data, each, refit=True)
    assert notes[0].said == notes[1].said
    assert len(notes[0].said) >= 3
    nothing = make(0, [Record("d", Path("d"), split="test")])
    with pytest.raises(InputError, match="no label has a positive in test"):
        with_learnable_labels(nothing, Progress(), splits=["test"])


def test_what_looks_misread_looks_so_in_either():
    twice = [Record(f"{n}{m}", Path(str(n)), ("dog",) * m) for n in range(4) for m in range(2)]
    ours, theirs = ([each.message for each in misread(make(most, twice))] for most in (0, 10**9))
    assert ours == theirs
    assert any("several rows" in message for message in ours)


def test_a_label_that_is_not_of_the_data_is_refused():
    with pytest.raises(InputError, match="x: its label 'bat' is not a label of the data set"):
        make(0, [Record("x", Path("x"), ("bat",))])
