"""The report of an evaluation: its own numbers, and the control only where it was judged too."""

from dataclasses import replace

import numpy as np
import pytest

from imlgcn.evaluate import Evaluation, judge
from imlgcn.predictions import read_predictions
from imlgcn.report import write_evaluation_report
from imlgcn.report.run_folder import read_run_folder, with_evaluation


@pytest.fixture
def evaluation(tagger):
    """The test split again, as `imlgcn evaluate` scores it: without a control."""
    scored = read_predictions(tagger.path / "predictions.parquet", tagger.labels, "test")
    metrics = judge(scored.logits, scored.targets, tagger.labels, tagger.info.scale)
    return Evaluation({**metrics, "split": "test"}, replace(scored, control=None), {})


def judged(tagger, evaluation):
    return with_evaluation(read_run_folder(tagger), evaluation, "data.csv")


def test_on_the_images_of_training_the_control_stands_beside(tagger, evaluation):
    run = judged(tagger, evaluation)
    assert run.metrics["control"]["head"] == "linear"
    assert run.scored.control is not None


@pytest.mark.parametrize("change", ["images", "targets", "protocol"])
def test_on_other_images_or_by_another_protocol_it_does_not(tagger, evaluation, change):
    metrics, scored = dict(evaluation.metrics), evaluation.scored
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
    metrics = {**evaluation.metrics, "protocol": "voc07", "mAP": 12.3, "split": "all"}
    del metrics["before_calibration"]  # as under a paper's protocol
    found = evaluation._replace(metrics=metrics)
    file = tmp_path / "page.html"
    write_evaluation_report(tagger, found, file, data="cats & dogs.csv")
    words = read_page(file).words
    assert "my run on cats & dogs.csv" in words
    assert "12.3mAP %" in words
    assert "protocol “voc07”" in words
    assert "The control was not scored on these images" in words
    assert "better than they would be on new images" in words
    assert not (tagger.path / "report.html").exists()
