"""Labels that look misread are asked about; clean data sets are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from imlgcn.data.dataset import Dataset, Record, Source, load_dataset
from imlgcn.data.guard import MisreadError, misread, refuse_misread

WORDS = ["sea", "sand", "tree", "boat", "person", "sun"]
COCO = [
    *("person", "bicycle", "car", "traffic light", "fire hydrant", "stop sign", "parking meter"),
    *("cat", "dog", "sports ball", "baseball bat", "baseball glove", "tennis racket", "wine glass"),
    *("hot dog", "dining table", "cell phone", "teddy bear", "hair drier", "train", "bear"),
]
LONG = [
    *("palm tree", "pine tree", "tree", "tree trunk", "street light", "light", "open sea", "sea"),
    *("boeing 747", "airbus a320", "area 51", "level 2", "rock 'n' roll", "salt & pepper", "AC/DC"),
    *("T-shirt", "e-mail", "Bird (animal)", "St. Bernard", "M&M's", "7 Up", "9 to 5", "'70s"),
]
CROSSED = [
    f"{size} {colour} {thing}"
    for size in ("big", "small", "tiny")
    for colour in ("red", "blue", "green")
    for thing in ("car", "bus", "hat")
]
PARTLY = ["palm", "tree", "palm tree", "open", "sea", "open sea", "sea tree"]
NUMBERED = [[f"class {n}" for n in range(12)], [f"{n} {word}" for n, word in enumerate(WORDS)]]


def dataset(images, reason="", unknown=()) -> Dataset:
    """Return data with these labels on each image; ``unknown`` are (image, label)."""
    records = [
        Record(
            f"{row}.jpg",
            Path(f"{row}.jpg"),
            tuple(labels),
            tuple(name for at, name in unknown if at == row),
        )
        for row, labels in enumerate(images)
    ]
    names = sorted({n for record in records for n in (*record.labels, *record.unknown)})
    return Dataset.from_source(Source(names, records, "test", reason))


def several(names, images=60, most=4, seed=0):
    """Return one to ``most`` of the names for each of so many images."""
    random = np.random.default_rng(seed)
    return [
        random.choice(names, random.integers(1, most + 1), replace=False).tolist()
        for _ in range(images)
    ]


def kinds(data) -> dict[str, str]:
    return {found.kind: found.message for found in misread(data) if found.level == "error"}


def written(way):
    """Return data whose labels of an image were read as one."""
    return dataset([[way(labels)] for labels in several(WORDS, most=3)])


@pytest.mark.parametrize(
    "names", [WORDS, COCO, LONG, CROSSED, *NUMBERED, [*map(str, range(2, 30))]]
)
@pytest.mark.parametrize("most", [1, 3])
def test_clean_names_are_not_asked_about(names, most):
    assert kinds(dataset(several(names, images=300, most=most))) == {}


def test_names_that_share_words_are_asked_about_only_where_each_image_has_one():
    assert kinds(dataset(several(PARTLY, images=300, most=3))) == {}
    assert "combinations_as_labels" in kinds(dataset(several(PARTLY, images=300, most=1)))
    cycle = ["sea lion", "lion cub", "cub scout", "scout sea"]
    assert kinds(dataset(several(cycle, most=1))) == {}, "as many words as names explain nothing"


def test_the_embedded_data_are_not_asked_about():
    assert kinds(load_dataset("openclipart")) == {}


@pytest.mark.parametrize(
    ("kind", "way", "words"),
    [
        ("combinations_as_labels", "+".join, "delimiter='+' would make 6 labels"),
        ("combinations_as_labels", " and ".join, "delimiter=' and ' would make 6 labels"),
        ("combinations_as_labels", "-".join, "delimiter='-'"),
        ("combinations_as_labels", " ".join, "delimiter='space'"),
        ("scores_in_names", lambda labels: f"{labels[0]} 0.{len(labels)}3", "present_above=0"),
        ("scores_in_names", lambda labels: f"{labels[0]}: 9{len(labels)} %", "present_above=0.5"),
        ("scores_in_names", lambda labels: f"({labels[0]}:1.{len(labels)})", "present_above=0"),
        ("scores_in_names", lambda labels: f"{labels[0]} x{len(labels)}", "present_above=0"),
        ("scores_in_names", lambda labels: f"{len(labels)} {labels[0]}", "present_above=0"),
        ("marks_around_names", lambda labels: f"['{labels[0]}'", "brackets"),
        ("marks_around_names", lambda labels: f'"{labels[0]}"', "quotes"),
        ("marks_around_names", lambda labels: f"labels: {labels[0]}", "signs"),
        ("sentences_as_labels", lambda labels: f"a photo of the {labels[0]}", "captions"),
        ("numbers_as_labels", lambda labels: f"{len(labels)} 0.5 0.5 0.2 0.1", "YOLO"),
        ("numbers_as_labels", lambda labels: f"0.{len(labels)}1", "cells of a table"),
        ("booleans_as_labels", lambda labels: str(len(labels) % 2), "only 0 and 1"),
        (
            "booleans_as_labels",
            lambda labels: "".join(str(int(w in labels)) for w in WORDS),
            "0 and",
        ),
        ("files_as_labels", lambda labels: f"{labels[0]}.JPG", "image file"),
    ],
)
def test_what_looks_misread_is_asked_about_with_the_option(kind, way, words):
    assert words in kinds(written(way))[kind]


def test_labels_on_one_image_each_are_asked_about_when_there_are_many():
    data = [[f"word{row}", f"other{row}"] for row in range(10)]
    assert "10 labels occur" not in kinds(dataset(data))["labels_occur_once"]
    assert "20 labels occur in one image only" in kinds(dataset(data))["labels_occur_once"]
    assert kinds(dataset(data[:9])) == {}


@pytest.mark.parametrize("name", ["none", "NaN", "null", "N/A", "No Finding", "no_label"])
def test_a_name_that_may_mean_no_label_is_a_question(name):
    found = kinds(dataset([*several(WORDS), [name]]))
    assert f"no_label={name!r}" in found["no_label_as_label"]


def test_a_zero_among_words_may_mean_no_label_among_numbers_it_is_a_number():
    assert "no_label='0'" in kinds(dataset([*several(WORDS), ["0"]]))["no_label_as_label"]
    assert kinds(dataset(several([str(number) for number in range(9)]))) == {}


@pytest.mark.parametrize("name", ["unknown", "TODO", "??", "not labeled"])
def test_a_name_that_may_mean_not_labelled_is_a_question(name):
    found = kinds(dataset([*several(WORDS), [name]]))
    assert f"no_label={name!r}" in found["not_labelled_as_label"]


def test_metadata_is_asked_about_where_labels_are_columns():
    images = several([*WORDS, "is_valid", "Sex"])
    found = kinds(dataset(images, reason="csv; labels are 8 columns"))["metadata_as_labels"]
    assert found.startswith("2 columns were taken for labels")
    assert "fields='is_valid'" in found
    assert kinds(dataset(images, reason="csv; labels are separated by ';'")) == {}
    trains = dataset(several([*WORDS, "train"]), reason="labels are 7 columns")
    assert kinds(trains) == {}, "a train may be in an image"
    splits = dataset(several([*WORDS, "train", "test"]), reason="labels are 8 columns")
    assert "fields='train'" in kinds(splits)["metadata_as_labels"]


def test_unknown_without_absent_asks_what_minus_one_means():
    unknown = [(0, "sun"), (1, "sea")]
    assert "minus_one=absent" in kinds(dataset([["sea"], ["sun"]], unknown=unknown))["never_absent"]
    assert kinds(dataset([["sea"], ["sun"]], unknown=unknown[:1])) == {}


def test_an_image_with_a_row_for_each_label_is_asked_about():
    records = [Record("a.jpg", Path("a.jpg"), ("sea",)), Record("a.jpg", Path("a.jpg"), ("sun",))]
    others = [Record("b.jpg", Path("b.jpg"), ("sea",)), Record("b.jpg", Path("b.jpg"), ("sun",))]
    data = Dataset.from_source(Source(["sea", "sun"], [*records, *others], "test", ""))
    assert "2 images have several rows" in kinds(data)["repeated_images"]
    same = Dataset.from_source(Source(["sea", "sun"], records[:1] * 4, "test", ""))
    assert kinds(same) == {}
    once = Dataset.from_source(Source(["sea", "sun"], records, "test", ""))
    assert kinds(once) == {}, "a single image is a conflict, no way of writing"


def test_force_makes_warnings_of_errors():
    data = written("+".join)
    assert [found.level for found in misread(data, force=True)] == ["warning"]


def test_the_refusal_says_what_was_seen_what_mends_it_and_how_to_go_on():
    refuse_misread(dataset(several(WORDS)))
    with pytest.raises(MisreadError, match=r"delimiter='\+'.*\(.*\+.*\).*force=True") as caught:
        refuse_misread(written("+".join))
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("mark", [": ", "="])
def test_a_yes_or_no_behind_a_name_and_hashtags_behind_a_sentence_are_asked_about(mark):
    answers = [[f"{w}{mark}{'yes' if w in row else 'no'}" for w in WORDS] for row in WORDS]
    assert [p.kind for p in misread(dataset(answers * 3))] == ["answers_in_names"]
    texts = [[f"A fine day! #{word}"] for word in WORDS]
    assert "hashtags_in_text" in [p.kind for p in misread(dataset(texts * 3))]
