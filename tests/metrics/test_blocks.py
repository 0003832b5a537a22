"""Metrics of scores larger than a block, or than memory, are those of the whole."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imlgcn import memory
from imlgcn.evaluation import evaluate_split
from imlgcn.memory import new_array
from imlgcn.metrics import blocks
from imlgcn.metrics.blocks import by_rows, columns, label_blocks, row_blocks
from imlgcn.metrics.f1 import precision_recall_f1, predict_labels
from imlgcn.metrics.protocol import evaluate_scores
from imlgcn.metrics.ranking import PROTOCOLS
from imlgcn.tagger import LabelCalibration


def made(images, labels, seed=0, levels=0):
    """Return probabilities, tied where there are few levels, and targets of three values."""
    random = np.random.default_rng(seed)
    scores = random.random((images, labels), dtype=np.float32)
    if levels:
        scores = np.round(scores * levels) / np.float32(levels)
    targets = random.choice(np.array([-1, 0, 0, 0, 1], np.int8), (images, labels))
    targets[:, labels // 2] = 0  # a label that nothing shows
    return scores, targets


def names(labels):
    return [f"label {number}" for number in range(labels)]


def flat(found, where=""):
    """Yield the numbers of metrics by their keys."""
    if isinstance(found, dict):
        for key, value in found.items():
            yield from flat(value, f"{where}/{key}")
    elif isinstance(found, list):
        for number, value in enumerate(found):
            yield from flat(value, f"{where}/{number}")
    else:
        yield where, found


def assert_same(found, expected):
    for (key, ours), (other, theirs) in zip(flat(found), flat(expected), strict=True):
        assert key == other
        if isinstance(theirs, float):
            assert ours == pytest.approx(theirs, rel=1e-12, abs=1e-12), key
        else:
            assert ours == theirs, key


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 12), st.integers(1, 60), st.sampled_from([0, 4]), st.data()
)
def test_every_metric_by_blocks_is_that_of_the_whole(images, labels, entries, levels, data):
    scores, targets = made(images, labels, images * labels, levels)
    protocol = data.draw(st.sampled_from(sorted(PROTOCOLS)))
    thresholds = np.linspace(0.3, 0.7, labels)
    more = {"thresholds": thresholds, "protocol": protocol}
    whole = evaluate_scores(scores, targets, names(labels), **more)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "ENTRIES", entries)
        assert_same(evaluate_scores(scores, targets, names(labels), **more), whole)


@pytest.mark.parametrize("entries", [7, 100, 1000])
def test_an_evaluation_by_blocks_has_the_intervals_of_the_whole(monkeypatch, entries, tmp_path):
    scores, targets = made(60, 9)
    logits = np.log(scores + 1e-3) - np.log(1.001 - scores)
    calibration = LabelCalibration(
        slope=[0.5 + 0.1 * n for n in range(9)],
        intercept=[0.1] * 9,
        threshold=[0.4] * 9,
        positives=[9] * 9,
    )
    whole = evaluate_split(logits, targets, names(9), calibration)
    monkeypatch.setattr(blocks, "ENTRIES", entries)
    monkeypatch.setattr(memory, "available_memory", lambda: 0)  # all in files
    monkeypatch.setenv("IMLGCN_CACHE", str(tmp_path))
    np.save(tmp_path / "logits.npy", logits)
    mapped = np.load(tmp_path / "logits.npy", mmap_mode="r")
    assert_same(evaluate_split(mapped, targets, names(9), calibration), whole)
    assert [file.name for file in tmp_path.iterdir()] == ["logits.npy"]


def test_predictions_counted_by_blocks_are_those_of_the_whole(monkeypatch):
    scores, targets = made(50, 7)
    predicted = predict_labels(scores, 0.4, top_k=3)
    whole = precision_recall_f1(predicted, targets)
    monkeypatch.setattr(blocks, "ENTRIES", 11)
    found = precision_recall_f1(predicted, targets)
    for key in ("OP", "OR", "OF1", "CP", "CR", "CF1", "CF1_per_label"):
        assert getattr(found, key) == getattr(whole, key)
    np.testing.assert_array_equal(found.predicted, whole.predicted)


def test_scores_on_disk_are_evaluated_in_a_fraction_of_their_size(tmp_path, monkeypatch):
    images, labels = 5_000, 200  # 4 MB of scores
    scores, targets = made(images, labels)
    targets[np.random.default_rng(1).random(targets.shape) < 0.95] = 0  # one in a hundred shows
    np.save(tmp_path / "scores.npy", scores)
    np.save(tmp_path / "targets.npy", targets)
    monkeypatch.setattr(blocks, "ENTRIES", 2**14)
    mapped = [np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("scores", "targets")]
    tracemalloc.start()
    try:
        evaluate_scores(*mapped, names(labels))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < scores.nbytes / 2


def test_blocks_cover_each_row_and_label_once(monkeypatch):
    monkeypatch.setattr(blocks, "ENTRIES", 10)
    values = np.arange(21).reshape(7, 3)
    assert [len(values[rows]) for rows in row_blocks(values.shape)] == [3, 3, 1]
    assert [values[:, part].shape[1] for part in label_blocks(values.shape)] == [1, 1, 1]
    np.testing.assert_array_equal(np.stack(list(columns(values)), 1), values)
    np.testing.assert_array_equal(by_rows(lambda part: 2 * part, values, int), 2 * values)
    assert list(row_blocks((0, 3))) == [slice(0, 0)]


def test_an_array_that_would_fill_the_memory_is_in_a_file_without_a_name(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 4 * 80)
    assert not isinstance(new_array((10,), np.float64, tmp_path), np.memmap)
    large = new_array((11, 3), np.float64, tmp_path / "new")
    assert isinstance(large, np.memmap)
    assert large.shape == (11, 3)
    large[:] = 1.5
    assert float(large.sum()) == 1.5 * 33
    assert not list((tmp_path / "new").iterdir())
