"""What the page says of thresholds: fitted and chosen on validation, judged on the test images."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from imlgcn.serve import knowledge
from imlgcn.tagger import Tagger
from imlgcn.tagger.scores import Scores, write_predictions


def scores(path, labels, split):
    return Scores(path / "predictions.parquet", labels).split(split)


def counted(tagger, scored, limits):
    """Return hits, tags said and labels there, by slow loops; unknown entries count nowhere."""
    hits = said = there = 0
    rows = tagger.calibration.apply(scored.logits)
    for row, targets in zip(rows, scored.targets, strict=True):
        for probability, target, limit in zip(row, targets, limits, strict=True):
            if target >= 0:
                hits += probability >= limit and target == 1
                said += probability >= limit
                there += target == 1
    return hits, said, there


def test_the_default_step_has_the_numbers_of_the_report(quick):
    metrics = json.loads((quick.path / "metrics.json").read_text(encoding="utf-8"))
    trade = knowledge.trade(quick)
    step = trade["steps"][trade["default"]]
    assert (trade["split"], trade["images"]) == (metrics["split"], metrics["num_images"])
    assert 100 * step["precision"] == pytest.approx(metrics["OP"], abs=0.006)
    assert 100 * step["recall"] == pytest.approx(metrics["OR"], abs=0.006)
    for place, name in enumerate(quick.labels):
        label = metrics["per_label"][name]
        assert trade["positives"][place] == label["positives"]
        for key in ("precision", "recall"):
            share = step["per_label"][key][place]
            expected = label[key]
            assert share is expected is None or 100 * share == pytest.approx(expected, abs=0.006)


def test_every_step_is_judged_on_the_test_images_and_chosen_on_validation(quick):
    trade = knowledge.trade(quick)
    middle = trade["default"]
    val, test = (scores(quick.path, quick.labels, split) for split in ("val", "test"))
    found, right = [], []  # on validation
    for step in trade["steps"]:
        limits = quick.thresholds_for(step["goal"])
        hits, said, there = counted(quick, test, limits)
        assert step["precision"] == (pytest.approx(hits / said, abs=1e-4) if said else None)
        assert step["recall"] == pytest.approx(hits / there, abs=1e-4)
        hits, said, there = counted(quick, val, limits)
        found.append(hits / there)
        right.append(hits / said)
    assert found[: middle + 1] == sorted(found[: middle + 1], reverse=True)
    assert right[middle:] == sorted(right[middle:])


def test_unknown_targets_count_nowhere(own_tagger):
    tagger = Tagger.load(own_tagger)
    val, test = (scores(own_tagger, tagger.labels, split) for split in ("val", "test"))
    # two labels on three images; the others are unknown on all of them
    targets = np.full((3, 5), -1, np.int8)
    targets[:, 0], targets[:, 1] = (1, 1, 0), (0, -1, 1)
    logits = np.full((3, 5), 50, np.float32)  # all are said
    logits[0, 0] = -50  # but this
    small = replace(test, images=("a", "b", "c"), targets=targets, logits=logits)
    small = replace(small, probabilities=np.full((3, 5), 0.5), control=None)
    path = own_tagger / "predictions.parquet"
    write_predictions(path, tagger.labels, [replace(val, control=None), small])
    trade = knowledge.trade(tagger)
    step = trade["steps"][trade["default"]]
    assert (trade["images"], trade["positives"]) == (3, [2, 1, 0, 0, 0])
    assert step["precision"] == 0.5  # 2 of 4
    assert step["recall"] == 0.6667  # 2 of 3
    assert step["per_label"]["precision"] == [0.5, 0.5, None, None, None]
    assert step["per_label"]["recall"] == [0.5, 1, None, None, None]


def test_without_test_images_validation_judges_and_the_answer_says_so(own_tagger):
    tagger = Tagger.load(own_tagger)
    val = scores(own_tagger, tagger.labels, "val")
    write_predictions(own_tagger / "predictions.parquet", tagger.labels, [val])
    trade = knowledge.trade(tagger)
    step = trade["steps"][trade["default"]]
    hits, said, there = counted(tagger, val, tagger.thresholds)
    assert (trade["split"], trade["images"]) == ("val", 18)
    assert step["precision"] == pytest.approx(hits / said, abs=1e-4)
    assert step["recall"] == pytest.approx(hits / there, abs=1e-4)


def test_without_validation_scores_there_is_nothing_to_tell(own_tagger):
    tagger = Tagger.load(own_tagger)
    test = scores(own_tagger, tagger.labels, "test")
    write_predictions(own_tagger / "predictions.parquet", tagger.labels, [test])
    assert knowledge.trade(tagger) is None
