"""Training on corrections.csv as the page of `imlgcn serve` writes it: few images, mostly ``?``."""

from __future__ import annotations

import csv
import shutil
from itertools import islice

import numpy as np
import pytest

from imlgcn.data.check import check_dataset
from imlgcn.data.dataset import load_dataset
from imlgcn.data.ready import say_what_is_thin, with_learnable_labels, with_splits
from imlgcn.errors import InputError
from imlgcn.evaluation import evaluate
from imlgcn.tagger import Tagger
from runs import Said

JUDGED = ("blue", "circle", "dark", "red", "square")


@pytest.fixture(scope="module")
def judged(shapes, tmp_path_factory):
    """A folder of 24 pictures, and what somebody answered about each: name -> {label: 1 or 0}."""
    folder = tmp_path_factory.mktemp("judged")
    answers = {}
    with shapes.open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(islice(csv.DictReader(file), 24)):
            shutil.copy(shapes.parent / row["image"], folder)
            shown = row["labels"].split(";")
            asked = [JUDGED[(number + step) % 5] for step in range(3)]  # three of the five labels
            answers[row["image"]] = {label: int(label in shown) for label in asked}
    return folder, answers


@pytest.fixture
def corrections(judged):
    """Return a function that writes the answers as the page does, after a ``change`` of them."""
    folder, answers = judged

    def write(change=lambda image, row: row, labels=JUDGED, name="corrections.csv"):
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["image", *labels])
            for image, given in answers.items():
                if row := change(image, dict(given)):
                    writer.writerow([image, *(row.get(label, "?") for label in labels)])
        return folder / name

    return write


def no_to_red(image, row):
    return row | {"red": 0}


def test_corrections_give_a_tagger_of_all_labels_somebody_said_yes_to(
    corrections, judged, train_tiny, tmp_path
):
    said = Said()
    data = corrections(no_to_red)
    found = train_tiny(tmp_path / "run", data, progress=said, whole=True)
    assert found.labels == ("blue", "circle", "dark", "square")
    assert said.about("labels left out") == (
        "labels left out, 1 of 5 (red): they have no positive in train; to keep them, add "
        "such images or move some to train (imlgcn check shows all counts)"
    )
    again = Tagger.load(found.path)
    tags = again(judged[0] / "00.png", threshold="0.0")
    assert {tag.label for tag in tags} == set(found.labels)
    assert all(0 < tag.probability < 1 for tag in tags)
    assert (found.path / "report.html").is_file()
    split = load_dataset(found.path / "split.csv")
    assert "red" in split.names, "split.csv is the data as it was, for the next run"
    assert set(split.splits) == {"train", "test"}


def test_the_first_names_of_many_are_said(corrections):
    said = Said()
    labels = (*JUDGED, *(f"plant {number}" for number in range(9)))
    data, _ = with_splits(load_dataset(corrections(labels=labels)), 0, said)
    assert with_learnable_labels(data, said).names == JUDGED
    names = ", ".join(f"plant {number}" for number in range(5))
    assert said.about("labels left out").startswith(
        f"labels left out, 9 of 14 ({names}, ...): they"
    )


def test_a_yes_outside_of_train_teaches_nothing(rewrite):
    said = Said()
    data = load_dataset(rewrite(lambda r: (r[0], r[1] + ";cow" * (r[2] == "val"), r[2])))
    kept = with_learnable_labels(data, said)
    assert kept.names == JUDGED
    assert kept.targets.tolist() == data.reordered(("cow", *JUDGED)).targets[:, 1:].tolist()
    assert "1 of 6 (cow)" in said.about("labels left out")


def test_corrections_that_say_no_to_everything_are_refused(corrections, train_tiny, tmp_path):
    data = corrections(lambda image, row: dict.fromkeys(row, 0))
    with pytest.raises(InputError, match="no label has a positive in train, so there"):
        train_tiny(tmp_path / "run", data)
    assert not (tmp_path / "run").exists()


def test_from_keeps_labels_that_the_data_lack_from_the_older_taggers_images(
    tagger, corrections, train_tiny, tmp_path, shapes
):
    data = corrections(no_to_red)
    said = Said()
    found = train_tiny(tmp_path / "run", data, start=tagger.path, progress=said)
    assert found.labels[-1] == "red"
    assert said.about("start=: the data show") == (
        "start=: the data show 1 of the older tagger's 5 labels nowhere in train (red): they are "
        "kept from the features of its images, if these still fit"
    )
    assert said.about("start=: red") == (
        "start=: red: kept, from the features of 60 images of the older tagger"
    )
    assert said.about("start=: the iml_gcn head is trained from scratch")
    test = load_dataset(shapes).split("test")
    scores = found.probabilities(np.stack([found.load_input(path) for path in test.paths]))
    red = test.targets[:, test.names.index("red")] == 1
    assert scores[red, -1].mean() > scores[~red, -1].mean()
    again = train_tiny(tmp_path / "again", data, start=found.path)  # a carried label is carried on
    assert again.labels == found.labels


def test_from_says_why_labels_are_not_kept(own_tagger, corrections, train_tiny, tmp_path):
    (own_tagger / "support.parquet").unlink()
    said = Said()
    found = train_tiny(tmp_path / "run", corrections(no_to_red), start=own_tagger, progress=said)
    assert "red" not in found.labels
    assert said.about("start=: red") == (
        "start=: red: not kept, because the older tagger keeps no features of its images; to keep "
        "them, train on the old and the new data together"
    )


def test_from_keeps_the_classifiers_of_the_labels_that_are_corrected(
    corrections, linear_tagger, train_tiny, tmp_path
):
    """After a change of the page only judged labels have columns."""
    still = {"learning_rate": 1e-12, "weight_decay": 0.0, "epochs": 1}
    old = linear_tagger
    said = Said()
    data = corrections(labels=("square", "blue"))
    new = train_tiny(tmp_path / "new", data, start=old.path, linear=still, progress=said)
    assert new.labels == ("square", "blue", "circle", "dark", "red")
    assert "3 of the older tagger's 5 labels" in said.about("start=: the data show")
    assert said.about("labels left out") is None
    image = new.load_input(data.parent / "00.png")[None]
    ours, before = new.engine.logits(image), old.engine.logits(image)
    np.testing.assert_allclose(ours[:, :2], before[:, [4, 0]], atol=1e-4)


def test_the_new_tagger_is_judged_on_the_old_data_by_the_labels_it_has(
    corrections, train_tiny, tmp_path, shapes, cli
):
    data = corrections(labels=("square", "blue"))
    found = train_tiny(tmp_path / "run", data, head="linear")
    metrics = evaluate(found, shapes, anyway=True)
    assert set(metrics["per_label"]) == {"square", "blue"}
    assert metrics["ignored_labels"] == ["circle", "dark", "red"]
    assert metrics["mAP"] is not None
    printed = cli("evaluate", found.path, shapes, "--anyway").out
    assert "Ignored, unknown to the tagger: 3 labels of the data" in printed


def test_images_the_old_tagger_learnt_from_do_not_become_its_successor_s_test(
    corrections, train_tiny, tmp_path
):
    """The old run's test images stay test, so their labels may be left out of train."""
    old = train_tiny(tmp_path / "old", corrections(), head="linear")
    before = splits_of(old.path / "split.csv")
    test = [image for image, split in before.items() if split == "test"]

    def only_test_shows_red(image, row):
        return row | {"red": int(image in test)}

    said = Said()
    data = corrections(only_test_shows_red, name="again.csv")
    new = train_tiny(tmp_path / "new", data, start=old.path, progress=said)
    assert splits_of(new.path / "split.csv") == before
    assert new.labels[-1] == "red"  # kept from the older tagger, not learnt


def test_corrections_of_nothing_but_old_training_images_get_a_split_of_their_own(
    corrections, train_tiny, tmp_path
):
    old = train_tiny(tmp_path / "old", corrections(), head="linear", refit=False)
    before = splits_of(old.path / "split.csv")
    said = Said()
    data = corrections(lambda image, row: row if before[image] == "train" else {}, name="again.csv")
    new = train_tiny(tmp_path / "new", data, start=old.path, progress=said)
    assert said.about("the old run's would leave train or val empty, so the split is new")
    assert set(splits_of(new.path / "split.csv").values()) >= {"train", "val"}


# few images


@pytest.mark.parametrize("seed", range(4))
def test_five_corrections_have_something_to_choose_thresholds_by(corrections, seed):
    data = corrections(lambda image, row: row if image < "05.png" else {})
    assert with_splits(load_dataset(data), seed, Said())[0].splits == {"train": 4, "val": 1}


def test_two_corrections_are_too_few(corrections):
    data = corrections(lambda image, row: row if image < "02.png" else {})
    with pytest.raises(InputError, match="2 images: too few to split into train and val"):
        with_splits(load_dataset(data), 0, Said())


def test_validation_without_a_yes_still_lets_the_tagger_find_something(
    rewrite, train_tiny, tmp_path, shapes
):
    """Its scores stay as they are: calibrated on nothing but no, they would all be one number."""
    said = Said()
    data = rewrite(lambda row: (row[0], "" if row[2] == "val" else row[1], row[2]))
    found = train_tiny(
        tmp_path / "run",
        data,
        head="linear",
        linear_training={"epochs": 30},
        refit=False,
        progress=said,
    )
    assert said.about("no label has a positive in val: probabilities are not")
    tags = [tag for path in load_dataset(shapes).split("train").paths for tag in found(path)]
    assert len({tag.label for tag in tags}) >= 2
    assert all(tag.threshold == 0.5 for tag in tags)


def test_labels_that_validation_does_not_show_and_that_nobody_said_no_to_are_named(rewrite):
    def change(row):
        shown = set(row[1].split(";")) - ({"red"} if row[2] == "val" else set())
        return (row[0], ";".join(sorted(shown | {"dark"})), row[2])

    said = Said()
    say_what_is_thin(load_dataset(rewrite(change)), said)
    assert said.lines == [
        "labels never absent in train, 1 of 5 (dark): the tagger will predict them nearly "
        "everywhere; add images that do not show them",
        "labels without a positive in val, 1 of 5 (red): they get the threshold fitted on the "
        "others",
    ]


def test_full_data_needs_no_words(shapes):
    said = Said()
    data = load_dataset(shapes)
    say_what_is_thin(data, said)
    assert with_learnable_labels(data, said) is data
    assert said.lines == []


# check


def test_check_agrees_with_what_train_does(corrections):
    data = corrections(no_to_red)
    report = check_dataset(load_dataset(data), min_positives=1)
    found = {problem.kind: problem for problem in report.problems}["label_never_in_train"]
    assert not report.harmful
    assert (found.level, found.examples) == ("warning", ("red",))
    assert "'imlgcn train' leaves it out" in found.message
    nothing = corrections(lambda image, row: dict.fromkeys(row, 0), name="no.csv")
    report = check_dataset(load_dataset(nothing))
    found = {problem.kind: problem for problem in report.problems}["label_never_in_train"]
    assert report.harmful
    assert (found.level, found.count) == ("error", 5)
    assert "nothing can be trained" in found.message


def splits_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return {row["image"].rpartition("/")[2]: row["split"] for row in csv.DictReader(file)}
