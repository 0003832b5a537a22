"""What training does with data: splits it makes, images and labels that are lacking."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import yaml

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from imlgcn.evaluation import evaluate
from imlgcn.tagger import Tagger, load_classifier
from runs import TUNED, Said, log_of, metrics_of, scores_of

# splits


def test_data_without_splits_gets_one_that_is_written_down(train_tiny, tmp_path, rewrite):
    said = Said()
    data = rewrite(lambda row: row[:2], header=("image", "labels"))
    found = train_tiny(tmp_path / "run", data, head="linear", progress=said)
    assert said.about("the data has no splits: making 90 % train, 10 % test")
    back = load_dataset(found.path / "split.csv")
    assert set(back.splits) == {"train", "test"}
    assert len(back) == 72
    assert all(path.is_file() for path in back.paths)
    _, context = load_classifier(found.path)
    assert context.num_images == back.splits["train"]
    again = train_tiny(tmp_path / "again", found.path / "split.csv", head="linear")
    assert again.info.sha256 == found.info.sha256


def test_the_test_images_are_the_same_with_and_without_validation(train_tiny, tmp_path, rewrite):
    data = rewrite(lambda row: row[:2], header=("image", "labels"))
    tests = []
    for refit in (True, False):
        found = train_tiny(tmp_path / str(refit), data, head="linear", refit=refit)
        back = load_dataset(found.path / "split.csv")
        assert ("val" in back.splits) is not refit
        tests.append({record.name for record in back.split("test").records})
    assert tests[0] == tests[1]


def test_the_split_follows_the_seed_wherever_that_is_given(train_tiny, tmp_path, rewrite):
    data = rewrite(lambda row: row[:2], header=("image", "labels"))
    first = train_tiny(tmp_path / "a", data, head="linear", seed=4)
    again = train_tiny(tmp_path / "b", data, start=first.path)  # the seed comes from the old run
    assert (first.path / "split.csv").read_text() == (again.path / "split.csv").read_text()


def test_without_validation_a_tenth_of_train_is_held_out_and_test_is_left_alone(
    train_tiny, tmp_path, rewrite
):
    data = rewrite(lambda row: (*row[:2], "test" if row[2] == "test" else "train"))
    found = train_tiny(tmp_path / "run", data, head="linear", refit=False)
    back = load_dataset(found.path / "split.csv")
    assert back.splits == {"train": 54, "val": 6, "test": 12}
    before = {r.path for r in load_dataset(data).split("test").records}
    assert {r.path.resolve() for r in back.split("test").records} == before


def test_a_refit_needs_no_validation_and_cuts_none_off(train_tiny, tmp_path, rewrite):
    data = rewrite(lambda row: (*row[:2], "test" if row[2] == "test" else "train"))
    found = train_tiny(tmp_path / "run", data, head="linear")
    assert not (found.path / "split.csv").exists()
    assert metrics_of(found)["out_of_fold"]["num_images"] == 60
    assert metrics_of(found)["num_images"] == 12


def test_how_the_data_was_read_is_recorded_and_read_again(train_tiny, tmp_path, shapes, cli):
    records = load_dataset(shapes).records[:60]
    table = tmp_path / "nus_wid_data.csv"
    rows = [
        (str(record.path), str(list(record.labels)), "val" if number % 5 == 0 else "train")
        for number, record in enumerate(records)
    ]
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("filepath", "label", "split_name"), *rows])
    found = train_tiny(tmp_path / "run", table, head="linear", variant="keep-val", reader="asl")
    config = yaml.safe_load((found.path / "config.yaml").read_text())
    assert (config["reader"], config["variant"]) == ("asl", "keep-val")
    assert metrics_of(found)["split"] == "out-of-fold", "keep-val: there is no test split"
    again = cli("train", table, "--out", tmp_path / "again", "--config", found.path / "config.yaml")
    assert again.code == 0, again.err
    assert metrics_of(Tagger.load(tmp_path / "again"))["split"] == "out-of-fold"


def test_data_in_python_is_trained_on_like_its_file_and_recorded_as_what_it_is(
    train_tiny, tmp_path, shapes
):
    data = load_dataset(shapes)
    held = [
        {"image": record.path, "labels": list(record.labels), "split": record.split}
        for record in data.records
    ]
    taggers = [
        train_tiny(tmp_path / str(number), source, head="linear")
        for number, source in enumerate((shapes, held))
    ]
    assert len({tagger.info.sha256["model.safetensors"] for tagger in taggers}) == 1
    config = yaml.safe_load((taggers[1].path / "config.yaml").read_text())
    assert "data" not in config
    assert config["data_in_python"] == "a list of length 72"
    assert load_dataset(taggers[1].path / "split.csv").splits == data.splits
    assert evaluate(taggers[1], held)["num_images"] == data.splits["test"]


@pytest.mark.parametrize(("refit", "split"), [(True, "out-of-fold"), (False, "val")])
def test_without_a_test_split_the_numbers_are_of_the_others_and_say_so(
    train_tiny, tmp_path, rewrite, refit, split
):
    data = rewrite(lambda row: None if row[2] == "test" else row)
    found = train_tiny(tmp_path / "run", data, refit=refit)
    assert metrics_of(found)["split"] == split
    assert metrics_of(found)["num_images"] == (60 if refit else 18)
    assert not {"validation", "out_of_fold"} & metrics_of(found).keys()
    assert not (found.path / "split.csv").exists()


def test_five_images_are_enough_to_run(train_tiny, tmp_path, rewrite):
    few = iter(range(72))
    data = rewrite(lambda row: row[:2] if next(few) < 5 else None, header=("image", "labels"))
    assert metrics_of(train_tiny(tmp_path / "run", data))["num_images"] >= 1


def test_a_single_label_can_be_learnt(train_tiny, tmp_path, rewrite):
    data = rewrite(lambda row: (row[0], "red" if "red" in row[1] else "", row[2]))
    assert train_tiny(tmp_path / "run", data).labels == ("red",)


# what the data may lack


def test_a_corrupt_image_is_left_out_with_a_count(train_tiny, tmp_path, rewrite):
    (tmp_path / "bad.png").write_bytes(b"no image")
    data = rewrite(lambda r: (str(tmp_path / "bad.png"), *r[1:]) if r[0] == "08.png" else r)
    said = Said()
    found = train_tiny(tmp_path / "run", data, progress=said)
    assert "left out, could not be read: 1 image" in said.lines
    assert list(metrics_of(found)["failed_images"]) == [str(tmp_path / "bad.png")]
    assert metrics_of(found)["out_of_fold"]["num_images"] == 59
    with pytest.raises(InputError, match=r"1 of 72 images cannot be read; first: .*bad\.png"):
        train_tiny(tmp_path / "strict", data, strict=True)
    assert not (tmp_path / "strict").exists()


def test_a_corrupt_image_is_counted_after_fine_tuning_too(train_tiny, tmp_path, rewrite):
    (tmp_path / "bad.png").write_bytes(b"no image")
    data = rewrite(lambda r: (str(tmp_path / "bad.png"), *r[1:]) if r[0] == "00.png" else r)
    found = train_tiny(tmp_path / "run", data, fine_tune=True, tuning=TUNED["fine_tuning"])
    assert list(metrics_of(found)["failed_images"]) == [str(tmp_path / "bad.png")]


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_split_of_which_nothing_can_be_read_is_refused(train_tiny, tmp_path, rewrite, split):
    (tmp_path / "bad.png").write_bytes(b"no image")
    data = rewrite(lambda r: (str(tmp_path / "bad.png"), *r[1:]) if r[2] == split else r)
    with pytest.raises(InputError, match=f"no image of the split '{split}' can be read"):
        train_tiny(tmp_path / "run", data)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("options", [{}, {"fine_tune": True, "tuning": TUNED["fine_tuning"]}])
def test_a_validation_split_without_a_known_label_still_gives_a_tagger(
    train_tiny, tmp_path, rewrite, options
):
    data = rewrite(lambda row: (row[0], "?" if row[2] == "val" else row[1], row[2]))
    found = train_tiny(tmp_path / "run", data, head="linear", refit=False, **options)
    assert metrics_of(found)["validation"]["mAP"] is None
    assert np.isfinite(scores_of(found)).all()


def test_a_test_split_without_a_known_label_is_none_not_nan(train_tiny, tmp_path, rewrite):
    data = rewrite(lambda row: (row[0], "?" if row[2] == "test" else row[1], row[2]))
    found = train_tiny(tmp_path / "run", data)

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    for name in ("metrics.json", "model.json"):
        json.loads((found.path / name).read_text(), parse_constant=refuse)
    assert metrics_of(found)["mAP"] is None
    assert "difference_to_control" not in metrics_of(found)


def test_splits_without_train_are_refused(train_tiny, tmp_path, rewrite):
    data = rewrite(lambda row: (*row[:2], "test"))
    with pytest.raises(InputError, match="has splits test but no 'train'"):
        train_tiny(tmp_path / "run", data)


@pytest.mark.parametrize("epochs", [1, 5])
def test_any_number_of_steps_can_be_scheduled(train_tiny, tmp_path, epochs):
    """42 images are one batch of 128: the steps are as many as the epochs."""
    found = train_tiny(
        tmp_path / "run", linear_training={"epochs": epochs}, head_training={"epochs": epochs}
    )
    assert log_of(found)[-1]["epoch"] == epochs
