"""Rows and sidecars by a label table: names, parents, hidden labels; without one, as ever."""

from __future__ import annotations

import csv
import json

import pyarrow.parquet as pq
import pytest

from colour_tagger import LABELS, SUFFIXES, ColourTagger, paint
from imlgcn.labels.label_rows import LabelRow
from imlgcn.labels.label_table import LabelTable
from imlgcn.prediction import predict, predict_rows
from imlgcn.prediction.journal import Journal, fingerprint
from imlgcn.prediction.rows import COLUMNS

NAMED = LabelTable.of(LABELS, [LabelRow("cat", parents=("dog",)), LabelRow("dog", name="Hund")])


@pytest.fixture
def ruled():
    made = ColourTagger()
    made.label_table = NAMED
    return made


@pytest.fixture
def photo(tmp_path):
    return paint(tmp_path / "a.png", 204, 0, 51)  # cat 0.8, dog 0, tree 0.2


def read(path) -> list[dict]:
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    return pq.read_table(path).to_pylist()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_names_what_users_read_beside_the_label(ruled, photo, tmp_path, suffix):
    out = tmp_path / f"tags{suffix}"
    summary = predict(ruled, [photo], out=out)
    assert summary.tags == 2
    rows = read(out)
    assert [(row["label"], row["name"]) for row in rows] == [("cat", "cat"), ("dog", "Hund")]
    assert [float(row["probability"]) for row in rows] == [0.8, 0.8]
    assert "tag" not in rows[0]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_of_every_label_says_which_are_tags(ruled, photo, tmp_path, suffix):
    out = tmp_path / f"tags{suffix}"
    assert predict(ruled, [photo], out=out, all_labels=True, threshold="0.9").tags == 0
    ruled.label_table = LabelTable.of(
        LABELS, [LabelRow("cat", parents=("dog",)), LabelRow("tree", show=False)]
    )
    assert predict(ruled, [photo], out=out, overwrite=True, all_labels=True).tags == 2
    rows = read(out)
    assert [(row["label"], str(row["tag"])) for row in rows] == [("cat", "True"), ("dog", "True")]


@pytest.mark.parametrize("table", [None, LabelTable.of(LABELS, [LabelRow("cat", threshold=0.1)])])
def test_without_names_and_rules_the_columns_are_as_ever(ruled, photo, tmp_path, table):
    ruled.label_table = table or LabelTable.of(LABELS)
    predict(ruled, [photo], out=tmp_path / "tags.csv", all_labels=True)
    assert tuple(read(tmp_path / "tags.csv")[0]) == COLUMNS


def test_an_image_that_was_noted_has_its_names_and_tags_again(ruled, photo, tmp_path):
    rows = list(predict_rows(ruled, [photo], all_labels=True, threshold="0.7"))
    assert [row.tag for row in rows] == [True, True, False]
    first = Journal(tmp_path / "noted", "made by", resume=False)
    first.add(rows)
    first.close()
    again = Journal(tmp_path / "noted", "made by", resume=True)
    assert again.find(str(photo)) == rows
    again.close()


def test_a_resumed_run_with_another_table_is_refused(ruled, photo, tmp_path):
    plain = ColourTagger()
    assert fingerprint(ruled) != fingerprint(plain)
    ruled.label_table = LabelTable.of(LABELS)
    assert fingerprint(ruled) == fingerprint(plain)


def test_keywords_are_what_users_read_and_none_is_there_twice(ruled, photo):
    ruled.label_table = LabelTable.of(
        LABELS, [LabelRow("cat", parents=("dog",), name="Tier"), LabelRow("dog", name="Tier")]
    )
    predict(ruled, [photo], xmp=True)
    text = photo.with_name("a.png.xmp").read_text()
    assert text.count("<rdf:li>") == 2  # in the list, and in what is remembered of it
    assert "<rdf:li>Tier</rdf:li>" in text


def test_pre_annotations_keep_the_labels_which_training_reads(ruled, photo, tmp_path):
    predict(ruled, [photo], label_studio=tmp_path / "tasks.json")
    (task,) = json.loads((tmp_path / "tasks.json").read_text())
    assert task["predictions"][0]["result"][0]["value"]["choices"] == ["cat", "dog"]


def test_rows_in_python_have_the_name(ruled, photo):
    assert [(row.name or row.label) for row in predict_rows(ruled, [photo])] == ["cat", "Hund"]
