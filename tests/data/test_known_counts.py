"""The counts of well-known data sets, and what is said of data that has them or has not."""

from pathlib import Path

import pytest
from PIL import Image

from imlgcn.data import known_counts as published
from imlgcn.data.check import check_dataset
from imlgcn.data.dataset import Dataset, Record, Source
from imlgcn.data.known_counts import COUNTS, Counts, compare


def build(root, name="Pets", **splits) -> Dataset:
    """Return a data set with as many images in each split, two labels in all but the first."""
    records = []
    for split, number in splits.items():
        for index in range(number):
            path = root / f"{split}{index}.png"
            labels = ("cat", "dog") if index else ("cat",)
            records.append(Record(path.name, path, labels, split=split))
    return Dataset.from_source(Source(["cat", "dog", "owl"], records, "test", "because", name))


@pytest.fixture(autouse=True)
def pets(monkeypatch):
    counts = Counts({"train": 1200, "val+test": 3}, {"train": 2399})
    monkeypatch.setitem(published.COUNTS, "Pets", counts)


def test_data_of_the_published_size_is_said_to_have_it():
    found = compare(build(Path(), train=1200, test=3))
    assert found is not None
    assert str(found) == (
        "Pets: 1,200 images in train, 3 images in test, 2,399 labels present in train, as published"
    )
    assert found.different == ()


def test_a_sum_over_two_splits_may_be_dealt_out_in_any_way():
    found = compare(build(Path(), train=1200, val=1, test=2))
    assert found is not None
    assert found.same[1] == "3 images in val and test"
    assert found.different == ()


def test_what_differs_is_said_with_both_numbers():
    found = compare(build(Path(), train=1199, test=3))
    assert found is not None
    assert found.different == (
        "1,199 images in train instead of the published 1,200",
        "2,397 labels present in train instead of the published 2,399",
    )
    assert str(found).startswith(
        "Pets: 1,199 images in train instead of the published 1,200; 2,397 labels"
    )


def test_a_split_that_is_not_there_is_not_compared():
    found = compare(build(Path(), test=3))
    assert found is not None
    assert found.same == ("3 images in test",)


def test_of_unknown_data_nothing_is_said():
    assert compare(build(Path(), name="", train=2)) is None
    assert compare(build(Path(), name="Mine", train=2)) is None
    unsplit = build(Path(), train=2).with_splits([None, None])
    assert compare(unsplit) is None


def test_the_check_reports_agreement_as_a_sentence_and_difference_as_a_warning(
    tmp_path, monkeypatch
):
    data = build(tmp_path, train=2, test=1)
    for path in data.paths:
        Image.new("RGB", (8, 8), "red").save(path)
    report = check_dataset(data)
    found = {problem.kind: problem for problem in report.problems}["published_counts"]
    assert (found.level, found.count, report.published) == ("warning", 3, "")
    assert "differ from those published for Pets" in found.message
    assert found.examples[0] == "2 images in train instead of the published 1,200"
    monkeypatch.setitem(published.COUNTS, "Pets", Counts({"train": 2, "test": 1}))
    report = check_dataset(data)
    assert report.published == "Pets: 2 images in train, 1 images in test, as published"
    assert report.to_dict()["published"] == report.published
    assert "published_counts" not in {problem.kind for problem in report.problems}


def test_the_table_holds_what_the_papers_used():
    assert COUNTS["COCO 2014, labelled images"].images == {"train": 82_081, "val+test": 40_137}
    assert COUNTS["COCO 2014, all images"].images == {"train": 82_783, "val+test": 40_504}
    assert COUNTS["VOC2007"].images == {"train+val": 5_011, "test": 4_952}
    assert COUNTS["VOC2007"].present["train+val"] < 7_913  # with difficult objects as present
    assert COUNTS["VG-500"].images == {"train": 82_904, "test": 10_000}
    assert sum(COUNTS["NUS-WIDE, all images"].images.values()) == 269_648
