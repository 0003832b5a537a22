"""Evaluation: the numbers of training again, labels by name, and what cannot be judged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from imlgcn.evaluation import evaluate, evaluate_split, fit_label_calibration
from imlgcn.metrics import PUBLISHED, raw_probabilities, score_published
from imlgcn.metrics.ranking import average_precision
from imlgcn.tagger import LabelCalibration
from imlgcn.tagger.scores import Scores
from runs import Said, metrics_of


@pytest.fixture(scope="module")
def stored(tagger):
    return json.loads((tagger.path / "metrics.json").read_text())


def without_ties_to_the_run(metrics: dict) -> dict:
    keys = ("control", "difference_to_control", "head", "out_of_fold", "ignored_labels")
    keys += ("out_of_fold_images", "learnt_images")
    return {key: value for key, value in metrics.items() if key not in keys}


def test_the_test_split_gives_the_numbers_that_training_wrote(tagger, shapes, stored):
    found = evaluate(tagger, shapes)
    assert found["mAP"] == pytest.approx(stored["mAP"], abs=1e-3)
    assert found["log_loss"] == pytest.approx(stored["log_loss"], abs=1e-3)
    assert found["split"] == "test"
    assert found["num_images"] == 12
    assert without_ties_to_the_run(found).keys() == without_ties_to_the_run(stored).keys()


def test_an_evaluation_is_its_metrics_and_keeps_the_scores_behind_them(tagger, shapes):
    found = evaluate(tagger, shapes)
    assert json.loads(json.dumps(found)) == dict(found), "a dictionary, ready for JSON"
    again = average_precision(found.scored.probabilities, found.scored.targets)
    assert found["mAP"] == 100 * np.nanmean(again)
    assert list(found.images) == list(found.scored.images)
    assert all(path.is_file() for path in found.images.values())


def test_learnt_images_keep_the_scores_of_heads_that_had_not_learnt_them(tagger, shapes):
    said = Said()
    found = evaluate(tagger.path, str(shapes), split="val", progress=said)
    scores = Scores(tagger.path / "predictions.parquet", tagger.labels).split("val")
    np.testing.assert_array_equal(found.scored.logits, scores.logits)
    assert found["out_of_fold_images"] == found["num_images"] == 18
    assert said.about("18 images of 18 were learnt by the tagger: they keep the out-of-fold")
    whole = evaluate(tagger, shapes, split=None)
    assert whole["out_of_fold_images"] == 42 + 18
    assert whole["num_images"] == 72


@pytest.fixture
def copied(shapes, tmp_path):
    """Return a function that writes the data anew beside copies of its images: the same names."""

    def write(change, header="image,labels,split") -> Path:
        folder = shutil.copytree(shapes.parent, tmp_path / "copied")
        rows = (line.split(",") for line in shapes.read_text().splitlines()[1:])
        lines = [header, *(",".join(change(row)) for row in rows)]
        (folder / "data.csv").write_text("\n".join(lines) + "\n")
        return folder / "data.csv"

    return write


def test_in_data_without_splits_learnt_images_are_found_too(tagger, copied):
    found = evaluate(tagger, copied(lambda row: row[:2], "image,labels"), split=None)
    assert (found["out_of_fold_images"], found["learnt_images"]) == (42 + 18, 42 + 18)


def test_other_images_of_the_same_names_are_scored_anew(tagger, copied):
    """Other targets: the stored scores are not of these images, as far as one can tell."""

    def change(row):
        return (row[0], "" if row[2] == "val" else row[1], row[2])

    found = evaluate(tagger, copied(change), split="val", anyway=True)
    assert found["out_of_fold_images"] == 0


def test_without_a_refit_validation_gives_the_numbers_that_training_wrote(
    train_tiny, tmp_path, shapes
):
    found = train_tiny(tmp_path / "run", refit=False)
    again = evaluate(found, shapes, split="val")
    assert again["mAP"] == pytest.approx(metrics_of(found)["validation"]["mAP"], abs=1e-3)
    assert again["out_of_fold_images"] == 0


def test_another_operating_point_moves_f1_and_no_ranking(tagger, shapes):
    found = {point: evaluate(tagger, shapes, threshold=point) for point in ("0.1", "f1-macro")}
    assert found["0.1"]["mAP"] == found["f1-macro"]["mAP"]
    assert found["0.1"]["OR"] >= found["f1-macro"]["OR"]
    limits = tagger.thresholds_for("f1-macro")
    assert [row["threshold"] for row in found["f1-macro"]["per_label"].values()] == limits.tolist()


def test_metrics_hold_what_is_promised(stored, tagger, shapes):
    test = load_dataset(shapes).split("test")
    scored = Scores(tagger.path / "predictions.parquet", tagger.labels).split("test")
    assert {"protocol", "split", "num_images", "mAP", "CF1", "OF1"} <= stored.keys()
    expected = 100 * average_precision(scored.probabilities, test.targets)
    for i, name in enumerate(tagger.labels):
        assert stored["per_label"][name]["positives"] == (test.targets[:, i] == 1).sum()
        assert stored["per_label"][name]["AP"] == pytest.approx(expected[i])
    assert stored["mAP"] == pytest.approx(np.nanmean(expected))
    assert 1 < stored["mAP"] <= 100, "percent"


def test_data_may_have_its_labels_in_another_order_and_others_besides(
    tagger, shapes, rewrite, stored
):
    names = ("zebra", "square", "red", "dark", "circle", "blue")
    columns = rewrite(
        lambda row: (row[0], *(int(n in row[1].split(";")) for n in names), row[2]),
        header=("image", *names, "split"),
    )
    found = evaluate(tagger, columns)
    assert found["mAP"] == pytest.approx(stored["mAP"], abs=1e-3)
    assert found["per_label"]["red"]["AP"] == pytest.approx(stored["per_label"]["red"]["AP"])
    assert found["ignored_labels"] == ["zebra"]


def test_a_label_that_the_data_does_not_judge_is_left_out_not_counted_absent(
    tagger, rewrite, stored
):
    def only_red(row):
        return (row[0], int("red" in row[1].split(";")), row[2])

    found = evaluate(tagger, rewrite(only_red, header=("image", "red", "split")))
    assert found["mAP"] == pytest.approx(stored["per_label"]["red"]["AP"])
    assert sorted(found["left_out"]) == ["blue", "circle", "dark", "square"]
    assert found["per_label"]["blue"]["positives"] == 0
    assert found["OR"] == pytest.approx(found["per_label"]["red"]["recall"])
    assert found["OP"] == pytest.approx(found["per_label"]["red"]["precision"])


def test_unknown_targets_weigh_nothing(tagger, rewrite):
    def half_known(row):
        return (row[0], f"{row[1]};?blue" if "blue" not in row[1] else row[1], row[2])

    found = evaluate(tagger, rewrite(half_known))
    assert found["per_label"]["blue"]["AP"] == 100, "no known negative is left to outrank"


def test_all_images_can_be_judged_together(tagger, shapes):
    found = evaluate(tagger, shapes, split=None)
    assert (found["num_images"], found["split"]) == (72, "all")


def test_the_protocol_is_named_and_changes_the_number(tagger, shapes):
    default, voc = (evaluate(tagger, shapes, protocol=p) for p in ("default", "voc07"))
    assert (default["protocol"], voc["protocol"]) == ("default", "voc07")
    assert default["mAP"] != voc["mAP"]


@pytest.mark.parametrize("protocol", PUBLISHED)
def test_a_papers_scoring_judges_raw_logits_whatever_the_calibration(protocol):
    logits, targets = random_scores(0, 200)
    calibration = fit_label_calibration(logits, targets)
    assert calibration.slope != [1, 1, 1]
    found = evaluate_split(logits, targets, ("a", "b", "c"), calibration, protocol)
    expected = score_published(raw_probabilities(logits, protocol), targets, protocol)
    assert found["OF1"] == pytest.approx(100 * expected.six["OF1"])
    assert found["mAP"] == pytest.approx(100 * expected.mean_average_precision)
    other = LabelCalibration(**{**calibration.__dict__, "slope": [9.0] * 3, "threshold": [0.1] * 3})
    assert evaluate_split(logits, targets, ("a", "b", "c"), other, protocol) == found


def test_the_scoring_of_a_paper_is_named_and_close_to_ours(tagger, shapes, stored):
    found = evaluate(tagger, shapes, protocol="ml_gcn")
    assert (found["protocol"], found["split"], found["num_images"]) == ("ml_gcn", "test", 12)
    assert found["mAP"] == pytest.approx(stored["mAP"], abs=1e-3), "no ties, no empty label"
    assert (found["undefined"], found["not_judged"], found["ignored_labels"]) == ([], [], [])
    json.dumps(found, allow_nan=False)


def test_a_label_the_data_lacks_is_no_empty_label_to_a_paper(tagger, rewrite, stored):
    def only_red(row):
        return (row[0], int("red" in row[1].split(";")), row[2])

    data = rewrite(only_red, header=("image", "red", "split"))
    for protocol in ("ml_gcn", "asl"):
        found = evaluate(tagger, data, protocol=protocol)
        assert found["mAP"] == pytest.approx(stored["per_label"]["red"]["AP"], abs=1e-5)
        assert sorted(found["not_judged"]) == ["blue", "circle", "dark", "square"]
        assert found["empty_labels"] == []


def test_an_unreadable_image_is_listed_and_the_others_are_judged(tagger, rewrite, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    data = rewrite(lambda r: (str(tmp_path / "bad.png"), *r[1:]) if r[0] == "10.png" else r)
    found = evaluate(tagger, data)
    assert found["num_images"] == 11
    assert [name.rsplit("/", 1)[-1] for name in found["failed_images"]] == ["bad.png"]
    scored = Scores(tagger.path / "predictions.parquet", tagger.labels).split("test")
    rest = [not name.endswith("10.png") for name in scored.images]
    expected = average_precision(scored.probabilities[rest], scored.targets[rest])
    assert found["mAP"] == pytest.approx(100 * np.nanmean(expected), abs=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "dev2"}, "dev2"),
        ({"protocol": "voc70"}, "did you mean 'voc07'"),
        ({"protocol": "ctran"}, "did you mean 'c_tran'"),
    ],
)
def test_a_wrong_split_or_protocol_is_refused_before_any_work(tagger, shapes, options, message):
    class Forbidden:
        def bar(self, *args):
            raise AssertionError("it began to score")

    with pytest.raises(InputError, match=message):
        evaluate(tagger, shapes, progress=Forbidden(), **options)


def test_data_without_a_common_label_is_refused(tagger, rewrite):
    with pytest.raises(InputError, match=r"none of the tagger's labels \(blue, circle"):
        evaluate(tagger, rewrite(lambda row: (row[0], "cow", row[2])))


def test_data_of_which_nothing_can_be_read_is_refused(tagger, rewrite, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"no image can be read; first: .*bad\.png"):
        evaluate(tagger, rewrite(lambda row: (str(tmp_path / "bad.png"), *row[1:])))


def test_data_whose_split_was_made_in_training_is_shown_where_that_is(
    train_tiny, rewrite, tmp_path
):
    data = rewrite(lambda row: row[:2], header=("image", "labels"))
    own = train_tiny(tmp_path / "run", data, head="linear")
    with pytest.raises(InputError, match=r"run/split\.csv"):
        evaluate(own, data)
    found = evaluate(own, own.path / "split.csv")
    assert found["mAP"] == pytest.approx(own.info.metrics["mAP"], abs=1e-3)


# calibration and thresholds come from validation


def random_scores(seed: int, count: int = 4000):
    generator = np.random.default_rng(seed)
    targets = (generator.random((count, 3)) < [0.5, 0.2, 0.05]).astype(np.int8)
    logits = 4 * (targets - 0.3) + 2 * generator.normal(size=targets.shape) + 3
    return logits.astype(np.float32), targets


def test_calibration_of_distorted_scores_is_mended_on_other_images():
    logits, targets = random_scores(0)
    calibration = fit_label_calibration(logits, targets)
    fresh_logits, fresh_targets = random_scores(1)
    found = evaluate_split(fresh_logits, fresh_targets, ("a", "b", "c"), calibration)
    before = found["before_calibration"]
    assert found["ECE"] < 3 < 20 < before["ECE"]
    assert found["log_loss"] < before["log_loss"]
    assert found["OF1"] > before["OF1"]
    assert calibration.positives == targets.sum(axis=0).tolist()
    assert calibration.operating_point == "f1"


def test_calibration_changes_no_ranking():
    logits, targets = random_scores(0)
    calibration = fit_label_calibration(logits, targets, "recall=0.9")
    found = evaluate_split(logits, targets, ("a", "b", "c"), calibration)
    expected = 100 * average_precision(logits, targets)
    assert [found["per_label"][n]["AP"] for n in "abc"] == pytest.approx(expected.tolist())
    assert found["OR"] >= 88
    assert calibration.operating_point == "recall=0.9"


def test_metrics_are_json_even_when_undefined():
    logits, targets = random_scores(0, 6)
    calibration = fit_label_calibration(logits, np.full_like(targets, -1))
    found = evaluate_split(logits, np.full_like(targets, -1), ("a", "b", "c"), calibration)
    assert found["mAP"] is None
    json.dumps(found, allow_nan=False)
