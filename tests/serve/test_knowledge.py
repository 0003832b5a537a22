"""What the page says of thresholds: fitted on held-out images, evaluated on the test images."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from imlgcn.serve import knowledge
from imlgcn.tagger import Tagger
from imlgcn.tagger import scores as scores_of
from imlgcn.tagger.scores import Scores, write_predictions

from .conftest import picture


def scores(path, labels, split):
    return Scores(path / "predictions.parquet", labels).split(split)


def counted(tagger, scored, limits):
    """Return true positives, predicted and positives by slow loops; unknown entries are ignored."""
    true_positives = predicted = positives = 0
    rows = tagger.calibration.apply(scored.logits)
    for row, targets in zip(rows, scored.targets, strict=True):
        for probability, target, limit in zip(row, targets, limits, strict=True):
            if target >= 0:
                true_positives += probability >= limit and target == 1
                predicted += probability >= limit
                positives += target == 1
    return true_positives, predicted, positives


def test_the_default_step_has_the_numbers_of_the_report(quick):
    metrics = json.loads((quick.path / "metrics.json").read_text(encoding="utf-8"))
    tradeoff = knowledge.tradeoff(quick)
    step = tradeoff["steps"][tradeoff["default"]]
    assert (tradeoff["split"], tradeoff["images"]) == (metrics["split"], metrics["num_images"])
    assert 100 * step["precision"] == pytest.approx(metrics["OP"], abs=0.006)
    assert 100 * step["recall"] == pytest.approx(metrics["OR"], abs=0.006)
    for index, name in enumerate(quick.labels):
        label = metrics["per_label"][name]
        assert tradeoff["positives"][index] == label["positives"]
        for key in ("precision", "recall"):
            fraction = step["per_label"][key][index]
            expected = label[key]
            assert fraction is expected is None or 100 * fraction == pytest.approx(
                expected, abs=0.006
            )


def test_every_step_is_evaluated_on_the_test_images_and_selected_on_held_out_ones(quick):
    tradeoff = knowledge.tradeoff(quick)
    middle = tradeoff["default"]
    held, test = (scores(quick.path, quick.labels, split) for split in ("out-of-fold", "test"))
    found, right = [], []  # on held-out images
    for step in tradeoff["steps"]:
        limits = quick.thresholds_for(step["goal"])
        true_positives, predicted, positives = counted(quick, test, limits)
        assert step["precision"] == (
            pytest.approx(true_positives / predicted, abs=1e-4) if predicted else None
        )
        assert step["recall"] == pytest.approx(true_positives / positives, abs=1e-4)
        true_positives, predicted, positives = counted(quick, held, limits)
        found.append(true_positives / positives)
        right.append(true_positives / predicted)
    assert found[: middle + 1] == sorted(found[: middle + 1], reverse=True)
    assert right[middle:] == sorted(right[middle:])


def test_unknown_targets_count_nowhere(own_tagger):
    tagger = Tagger.load(own_tagger)
    val, test = (scores(own_tagger, tagger.labels, split) for split in ("val", "test"))
    # two labels on three images; the others are unknown on all of them
    targets = np.full((3, 5), -1, np.int8)
    targets[:, 0], targets[:, 1] = (1, 1, 0), (0, -1, 1)
    logits = np.full((3, 5), 50, np.float32)  # all are predicted
    logits[0, 0] = -50  # but this
    small = replace(test, images=("a", "b", "c"), targets=targets, logits=logits)
    small = replace(small, probabilities=np.full((3, 5), 0.5), control=None)
    path = own_tagger / "predictions.parquet"
    write_predictions(path, tagger.labels, [replace(val, control=None), small])
    tradeoff = knowledge.tradeoff(tagger)
    step = tradeoff["steps"][tradeoff["default"]]
    assert (tradeoff["images"], tradeoff["positives"]) == (3, [2, 1, 0, 0, 0])
    assert step["precision"] == 0.5  # 2 of 4
    assert step["recall"] == 0.6667  # 2 of 3
    assert step["per_label"]["precision"] == [0.5, 0.5, None, None, None]
    assert step["per_label"]["recall"] == [0.5, 1, None, None, None]


@pytest.mark.parametrize(("folds", "split"), [(True, "out-of-fold"), (False, "val")])
def test_without_test_images_steps_are_evaluated_on_held_out_ones_and_the_answer_says_so(
    own_tagger, folds, split
):
    tagger = Tagger.load(own_tagger)
    val = scores(own_tagger, tagger.labels, "val")
    val = val if folds else replace(val, folds=None)
    write_predictions(own_tagger / "predictions.parquet", tagger.labels, [val])
    tradeoff = knowledge.tradeoff(tagger)
    step = tradeoff["steps"][tradeoff["default"]]
    true_positives, predicted, positives = counted(tagger, val, tagger.thresholds)
    assert (tradeoff["split"], tradeoff["images"]) == (split, 18)
    assert step["precision"] == pytest.approx(true_positives / predicted, abs=1e-4)
    assert step["recall"] == pytest.approx(true_positives / positives, abs=1e-4)


def test_without_validation_scores_there_is_nothing_to_tell(own_tagger):
    tagger = Tagger.load(own_tagger)
    test = scores(own_tagger, tagger.labels, "test")
    write_predictions(own_tagger / "predictions.parquet", tagger.labels, [test])
    assert knowledge.tradeoff(tagger) is None


def test_a_server_reads_the_scores_once_for_everything_it_tells(quick, serving, monkeypatch):
    read, opened = scores_of.read_rows, []
    monkeypatch.setattr(scores_of, "read_rows", lambda path: opened.append(path.name) or read(path))
    client = serving(quick)
    for address in ("model", "labels", "graph", "thresholds"):
        assert client.get(f"/v1/{address}").status_code == 200
    for goal in ("recall=0.9", "precision=0.8", "f1", "0.5"):
        assert client.post(f"/v1/tags?threshold={goal}", content=picture()).status_code == 200
    assert opened == ["predictions.parquet"]
