"""8-bit integers: what they need, and when a file of them is not kept."""

from __future__ import annotations

import pytest

import imlgcn.exporting.int8 as judging
from imlgcn.config import InputError
from imlgcn.data.dataset import load_dataset
from imlgcn.exporting import ExportRefused, export
from imlgcn.exporting.int8 import calibration_images, evaluate_int8, judging_split, measure
from imlgcn.progress import SILENT
from imlgcn.tagger import Tagger


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "onnx"}, "needs images to fit its ranges on: give calibration="),
        (
            {"format": "torch", "calibration": "openclipart"},
            "is for format='onnx' and format='openvino'",
        ),
    ],
)
def test_what_int8_needs_is_asked_for_before_any_work(tagger, options, message, tmp_path):
    suffix = {"onnx": ".onnx", "torch": ".pt2"}[options["format"]]
    with pytest.raises(InputError, match=message):
        export(tagger, out=tmp_path / f"a{suffix}", int8=True, **options)


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
        monkeypatch.setattr(Tagger, "load", lambda path, engine, latency: tagger)
        monkeypatch.setattr(judging, "evaluate", lambda *_, **__: {"mAP": next(scores)})
        monkeypatch.setattr(judging, "measure", lambda engines, size: list(rates))
        data = load_dataset(shapes)
        return evaluate_int8(before, after, data, "val", max_drop, 42, SILENT, runtimes)

    return run


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


def test_speed_is_measured_in_turns(monkeypatch):
    calls = []

    class Engine:
        def __init__(self, name):
            self.name = name

        def logits(self, pixels):
            calls.append(self.name)
            assert pixels.shape == (judging.BATCH, 16, 16, 3)

    monkeypatch.setattr(judging, "ROUND_SECONDS", 0.0)
    assert all(rate > 0 for rate in measure([Engine("a"), Engine("b")], 16))
    assert calls == ["a", "b"] * (judging.ROUNDS + 1)


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
