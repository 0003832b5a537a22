"""The report of an evaluation: its own numbers, and the control only where it was judged too."""

from dataclasses import replace

import numpy as np
import pytest

from imlgcn.evaluation import Evaluation, evaluate_split
from imlgcn.metrics.calibration import expected_calibration_error, sigmoid
from imlgcn.report import write_evaluation_report
from imlgcn.report.run import read_run_folder, with_evaluation
from imlgcn.tagger import LabelCalibration, Tagger
from imlgcn.tagger.scores import Scores


@pytest.fixture
def evaluation(tagger):
    """The test split again, as `imlgcn evaluate` scores it: without a control."""
    scored = Scores(tagger.path / "predictions.parquet", tagger.labels).split("test")
    metrics = evaluate_split(scored.logits, scored.targets, tagger.labels, tagger.info.calibration)
    return Evaluation({**metrics, "split": "test"}, replace(scored, control=None), {})


def judged(tagger, evaluation):
    return with_evaluation(read_run_folder(tagger), evaluation, "data.csv")


def test_on_the_images_of_training_the_control_stands_beside(tagger, evaluation):
    run = judged(tagger, evaluation)
    assert run.metrics["control"]["head"] == "linear"
    assert run.scored.control is not None


@pytest.mark.parametrize("change", ["images", "targets", "protocol"])
def test_on_other_images_or_by_another_protocol_it_does_not(tagger, evaluation, change):
    metrics, scored = dict(evaluation), evaluation.scored
    if change == "images":
        scored = replace(scored, images=scored.images[::-1])
    elif change == "targets":
        scored = replace(scored, targets=1 - np.abs(scored.targets))
    else:
        metrics["protocol"] = "voc07"
    run = judged(tagger, Evaluation(metrics, scored, {}))
    assert "control" not in run.metrics
    assert run.scored.control is None


def test_the_page_says_what_was_judged_and_by_what(tagger, evaluation, tmp_path, read_page):
    metrics = {**evaluation, "protocol": "voc07", "mAP": 12.3, "split": "all"}
    del metrics["before_calibration"]  # as under a paper's protocol
    found = Evaluation(metrics, evaluation.scored, evaluation.images)
    file = tmp_path / "page.html"
    write_evaluation_report(tagger, found, file, data="cats & dogs.csv")
    words = read_page(file).words
    assert "my run on cats & dogs.csv" in words
    assert "12.3mAP %" in words
    assert "protocol “voc07”" in words
    assert "The control was not scored on these images" in words
    assert "better than they would be on new images" in words
    assert not (tagger.path / "report.html").exists()


def page_of(tagger, protocol, folder, read_page):
    """Write and read the report on other images, with the scores of the test split."""
    scored = Scores(tagger.path / "predictions.parquet", tagger.labels).split("test")
    metrics = evaluate_split(
        scored.logits, scored.targets, tagger.labels, tagger.info.calibration, protocol
    )
    scored = replace(scored, control=None, probabilities=tagger.calibration.apply(scored.logits))
    scored = replace(scored, images=tuple(f"other/{name}" for name in scored.images))
    found = Evaluation({**metrics, "split": "test"}, scored, {})
    write_evaluation_report(tagger, found, folder / "page.html", data="data.csv")
    return read_page(folder / "page.html"), scored


def drawing(page, begin):
    (found,) = [e for e in page.all("svg") if e["aria-label"].startswith(begin)]
    return found["aria-label"]


@pytest.fixture
def imported(tagger):
    """The small tagger, as if it were a published checkpoint."""
    L = len(tagger.labels)
    calibration = LabelCalibration(
        slope=[1.0] * L,
        intercept=[0.0] * L,
        threshold=[0.8] * L,
        operating_point="0.8",
        positives=[0] * L,
    )
    origin = {"system": "asl", "file": "a.pth", "sha256": "beef"}
    info = tagger.info.model_copy(update={"calibration": calibration, "origin": origin})
    return Tagger(tagger.path, info)


@pytest.mark.parametrize("protocol", ["default", "asl"])
def test_an_imported_tagger_is_not_said_to_be_calibrated_or_trained_here(
    imported, protocol, tmp_path, read_page
):
    page, scored = page_of(imported, protocol, tmp_path, read_page)
    words = page.words
    assert "This tagger is imported and was not calibrated" in words
    assert "its thresholds are the published ones" in words
    assert "no control was trained beside it" in words
    assert "percentages are the plain sigmoid of the network's output" in words
    assert "asl, file = a.pth, sha256 = beef" in words
    for wrong in (
        "Platt",
        "after calibration",
        "calibrated probabilities",
        "held-out positives",
        "frozen",
    ):
        assert wrong not in words.partition("Every setting of this run")[0], wrong
    assert not any(e.get("class") == "few" for e in page.all("span"))
    error = 100 * expected_calibration_error(scored.probabilities, scored.targets)
    assert drawing(page, "Reliability").endswith(f"diagonal: {error:.1f} points.")


def test_under_a_papers_protocol_the_page_says_which_thresholds_are_whose(
    tagger, tmp_path, read_page
):
    page, scored = page_of(tagger, "asl", tmp_path, read_page)
    words = page.words
    assert "those of protocol “asl” (raw probability > 0.8)" in words
    assert "at its own thresholds, not at that of protocol “asl”" in words
    limits = [row[4] for row in page.rows if len(row) == 10 and row[0] in tagger.labels]
    assert limits == ["0.80"] * len(tagger.labels)
    before, after = (
        f"{100 * expected_calibration_error(p, scored.targets):.1f}"
        for p in (sigmoid(scored.logits), scored.probabilities)
    )
    assert f"{before} points before calibration, {after} after" in drawing(page, "Reliability")
    assert ["calibration error (ECE), points", before, after] in page.rows


def page_without_desserts(tagger, evaluation, protocol, folder, read_page):
    """Write and read the report on data that does not know the label dessert."""
    scored = evaluation.scored
    targets = scored.targets.copy()
    targets[:, 1] = -1
    metrics = evaluate_split(
        scored.logits, targets, tagger.labels, tagger.info.calibration, protocol
    )
    found = Evaluation({**metrics, "split": "test"}, replace(scored, targets=targets), {})
    write_evaluation_report(tagger, found, folder / "page.html", data="data.csv")
    return read_page(folder / "page.html")


def test_a_tag_that_the_data_does_not_know_has_its_own_mark(
    tagger, evaluation, tmp_path, read_page
):
    words = page_without_desserts(tagger, evaluation, "default", tmp_path, read_page).words
    assert "? tagged, but unknown in the data" in words
    assert "?unknown in the data: dessert" in words
    assert "correct: dessert" not in words
    assert "correct: food" in words


def test_a_label_that_a_papers_protocol_does_not_judge_has_no_threshold(
    tagger, evaluation, tmp_path, read_page
):
    """Its own would be on another scale than the column."""
    page = page_without_desserts(tagger, evaluation, "asl", tmp_path, read_page)
    rows = {row[0]: row for row in page.rows if len(row) == 10}
    assert rows["dessert"][4] == "–"
    assert rows["dog"][4] == "0.80"


def test_a_number_that_a_paper_divides_by_zero_is_explained(tagger, tmp_path, read_page):
    words = page_of(tagger, "ml_gcn", tmp_path, read_page)[0].words
    assert "Undefined: mAP" in words
    assert "no positive image for never tested." in words
