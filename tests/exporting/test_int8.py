"""8-bit integers: what they need, and when a file of them is not kept."""

from __future__ import annotations

import re
import shutil
import time

import pytest

import imlgcn.exporting.int8 as judging
from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from imlgcn.exporting import ExportRefused, export
from imlgcn.exporting.int8 import (
    calibration_images,
    evaluate_int8,
    judging_split,
    measure,
    training_data,
)
from imlgcn.exporting.one_file import INT8_BATCH
from imlgcn.progress import SILENT
from imlgcn.tagger import Tagger

CLOCKS = (time.perf_counter, time.thread_time)


def test_a_format_without_8_bits_is_refused_before_any_work(tagger, tmp_path):
    with pytest.raises(InputError, match="is for format='onnx' and format='openvino'"):
        export(tagger, "torch", tmp_path / "a.pt2", int8=True)


def test_the_training_data_serves_where_none_is_given(own_tagger, shapes, rewrite, tmp_path):
    tagger = Tagger.load(own_tagger)
    assert training_data(tagger).paths == load_dataset(shapes).paths
    # splits that the training has made are in the folder, and the data has none
    shutil.copy(rewrite(lambda row: (row[0], row[1], "train")), own_tagger / "split.csv")
    assert set(training_data(Tagger.load(own_tagger)).splits) == {"train"}


def test_images_are_asked_for_where_the_training_data_is_gone(own_tagger, tmp_path):
    config = own_tagger / "config.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(re.sub(r"(?m)^data: .*$", "data: gone.csv", text), encoding="utf-8")
    tagger = Tagger.load(own_tagger)
    assert training_data(tagger) is None
    with pytest.raises(InputError, match=r"is not where it was: give calibration="):
        export(tagger, out=tmp_path / "a.onnx", int8=True)


def test_ranges_are_never_fitted_on_images_that_judge(shapes, rewrite, tagger):
    data = load_dataset(shapes)
    settings = tagger.info.image
    assert len(calibration_images(data, settings)) == data.splits["train"] == 42
    no_splits = load_dataset(rewrite(lambda row: row[:2], ("image", "labels")))
    with pytest.raises(InputError, match="fitted on the split train and evaluated on val or test"):
        calibration_images(no_splits, settings)


def test_images_that_were_learnt_do_not_judge_where_others_are_left(shapes, rewrite):
    data = load_dataset(shapes)
    assert judging_split(data) == "val"
    assert judging_split(data, learnt=True) == "test"
    no_val = load_dataset(rewrite(lambda row: None if row[2] == "val" else row))
    assert judging_split(no_val) == judging_split(no_val, learnt=True) == "test"
    no_test = load_dataset(rewrite(lambda row: None if row[2] == "test" else row))
    assert judging_split(no_test, learnt=True) == "val"


@pytest.fixture
def judge(tagger, shapes, tmp_path, monkeypatch):
    """Return a function that judges files with given mAP and speed."""

    def run(maps, rates, max_drop=0.5, runtimes=("onnxruntime",)):
        before, after = tmp_path / "whole.onnx", tmp_path / "small.onnx"
        before.write_bytes(b"whole")
        scores = iter(maps)
        monkeypatch.setattr(Tagger, "load", lambda path, **given: opened.append(given) or tagger)
        monkeypatch.setattr(judging, "evaluate", lambda *_, **__: {"mAP": next(scores)})
        monkeypatch.setattr(judging, "measure", lambda engines, size: list(rates))
        data = load_dataset(shapes)
        return evaluate_int8(before, after, data, "val", max_drop, 42, SILENT, runtimes)

    opened: list[dict] = []
    run.opened = opened
    return run


def test_both_files_are_judged_on_the_cpu_whatever_gpus_there_are(judge):
    judge((60.0, 59.6, 60.0, 59.6), (10.0, 12.0), runtimes=("onnxruntime", "openvino"))
    assert [given.get("device", "auto") for given in judge.opened] == ["cpu"] * 4


def test_a_file_that_loses_little_and_is_faster_is_kept(judge):
    report = judge((60.0, 59.6), (10.0, 12.0))
    assert (report.mAP_before, report.mAP) == (60.0, 59.6)
    assert (report.rate_before, report.rate) == (10.0, 12.0)
    assert report.images == 18  # the validation split
    assert report.size_before == 5


def test_a_file_that_loses_more_than_allowed_is_refused(judge):
    with pytest.raises(ExportRefused, match=r"falls by 0.60 points .* more than max_drop=0.5"):
        judge((60.0, 59.4), (10.0, 12.0))
    assert judge((60.0, 59.4), (10.0, 12.0), max_drop=0.7).mAP == 59.4
    with pytest.raises(ExportRefused, match="max_drop=0;"):
        judge((60.0, 59.9), (10.0, 12.0), max_drop=0.0)


def test_every_runtime_that_may_run_the_file_has_a_say(judge):
    both = ("onnxruntime", "openvino")
    assert judge((60.0, 59.6, 60.0, 59.9), (10.0, 12.0), runtimes=both).mAP == 59.6
    with pytest.raises(ExportRefused, match=r"run by openvino, mAP falls by 5.00 points"):
        judge((60.0, 59.6, 60.0, 55.0), (10.0, 12.0), runtimes=both)


def test_a_file_that_is_not_faster_here_is_refused(judge):
    with pytest.raises(ExportRefused, match=r"9.0 images/s against 10.0; nothing was written"):
        judge((60.0, 61.0), (10.0, 9.0))


def test_speed_is_measured_in_turns():
    calls = []

    class Engine:
        def __init__(self, name):
            self.name = name

        def logits(self, pixels):
            calls.append(self.name)
            assert pixels.shape == (judging.BATCH, 16, 16, 3)

    assert all(rate > 0 for rate in measure([Engine("a"), Engine("b")], 16, 3, 0.0))
    assert calls == ["a", "b"] * (3 + 1)


def test_the_time_of_others_is_not_counted_by_the_clock_of_the_thread():
    class Waits:
        def logits(self, pixels):
            time.sleep(0.02)
            sum(range(20_000))

    (wall,), (own,) = (measure([Waits()], 16, 1, 0.001, clock) for clock in CLOCKS)
    assert own > 4 * wall


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "openvino"])
def test_a_quantised_file_is_small_and_says_the_same_of_itself(tagger, shapes, format, tmp_path):
    pytest.importorskip("nncf" if format == "openvino" else "onnxruntime")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judging, "measure", lambda engines, size: [1.0, 2.0])  # too small to be fast
        out = tmp_path / f"small.{format}"
        done = export(tagger, format, out, int8=True, calibration=shapes, max_drop=100.0)
    assert done.int8 is not None
    assert done.size < done.int8.size_before
    assert Tagger.load(out).info == tagger.info
    assert Tagger.load(out).engine.batch == INT8_BATCH
