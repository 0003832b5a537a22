"""What training says of 8-bit integers: measured, on images not learnt, and only if it is quick."""

from __future__ import annotations

import pytest

import imlgcn.exporting.after_training as after
import imlgcn.exporting.int8_gain as module
from imlgcn import Tagger
from imlgcn.data.dataset import load_dataset
from imlgcn.exporting.after_training import export_trained, say_int8_gain
from imlgcn.exporting.int8_gain import Int8Gain, TooSlowError, int8_gain
from imlgcn.progress import SILENT
from runs import Said

GAIN = Int8Gain(50.0, 120.0, 71.6, 71.3, 457, "test")


@pytest.fixture
def few(monkeypatch):
    """The twelve test images of the shapes are enough."""
    monkeypatch.setattr(module, "FEWEST_JUDGED", 12)
    monkeypatch.setattr(module, "ROUND_SECONDS", 0.0)


def refuse(*given):
    raise AssertionError("nothing should be quantised")


def test_float32_stands_beside_it_with_the_map_of_the_training(
    tagger, onnx_file, shapes, few, monkeypatch
):
    quantized = []

    def copy(source, target, images):
        quantized.append(len(images))
        target.write_bytes(source.read_bytes())

    monkeypatch.setattr(module, "quantize_onnx", copy)
    gain = int8_gain(tagger, onnx_file, load_dataset(shapes))
    assert (gain.split, gain.images) == ("test", 12)
    assert gain.mAP_before == pytest.approx(tagger.folder.metrics["mAP"])
    assert gain.mAP == pytest.approx(gain.mAP_before)  # the copy loses nothing
    assert gain.rate > 0 < gain.rate_before
    assert quantized == [module.CALIBRATION_IMAGES]


def test_what_8_bits_lose_is_that_of_the_quantised_file(
    tagger, onnx_file, shapes, few, monkeypatch
):
    monkeypatch.setattr(module, "quantize_onnx", lambda source, target, images: target.touch())
    whole = module.open_file(onnx_file, "onnxruntime")

    class Reversed:
        streams = 1

        def logits(self, pixels):
            return -whole.logits(pixels)

    monkeypatch.setattr(
        module, "open_file", lambda path, name: whole if path == onnx_file else Reversed()
    )
    gain = int8_gain(tagger, onnx_file, load_dataset(shapes))
    assert gain.drop == gain.mAP_before - gain.mAP > 10


def test_images_that_the_tagger_has_learnt_never_judge(tagger, onnx_file, shapes, few, monkeypatch):
    monkeypatch.setattr(module, "quantize_onnx", refuse)
    data = load_dataset(shapes)
    no_test = data.select(at for at, each in enumerate(data.records) if each.split != "test")
    assert set(no_test.splits) == {"train", "val"}
    assert tagger.folder.config["refit"]
    assert int8_gain(tagger, onnx_file, no_test) is None


def test_too_few_images_judge_nothing(tagger, onnx_file, shapes, monkeypatch):
    monkeypatch.setattr(module, "quantize_onnx", refuse)
    assert int8_gain(tagger, onnx_file, load_dataset(shapes)) is None


def test_a_slow_network_is_not_tried(tagger, onnx_file, shapes, few, monkeypatch):
    monkeypatch.setattr(module, "quantize_onnx", refuse)
    monkeypatch.setattr(module, "measure", lambda *given: [2.0])  # images/s
    with pytest.raises(TooSlowError, match=r"about 67 s of processor time"):  # (4 x 32 + 6) / 2
        int8_gain(tagger, onnx_file, load_dataset(shapes))


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (GAIN, "about 2.4x faster here (50 to 120 images/s a core), −0.3 mAP (71.6 to 71.3 on "),
        (GAIN._replace(mAP=71.0), "no gain, they cost too much: −0.6 mAP (71.6 to 71.0 on "),
        (GAIN._replace(rate=49.0), "no gain, they are not faster on this machine (50 to 49 "),
        (TooSlowError("about 67 s"), "not tried here (about 67 s); `imlgcn export "),
        (RuntimeError("no such layer\nat 3"), "they cannot be tried here: no such layer"),
    ],
)
def test_one_line_says_what_they_bring_or_why_not(tagger, onnx_file, monkeypatch, found, line):
    def answer(*given):
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(after, "int8_gain", answer)
    said = Said()
    say_int8_gain(tagger, onnx_file, None, said)
    (text,) = said.lines
    assert text.startswith(f"8-bit integers: {line}")
    pays = isinstance(found, TooSlowError) or found == GAIN
    assert (f"`imlgcn export {tagger.path} --int8`" in text) == pays


def test_nothing_is_said_of_what_cannot_be_judged(tagger, onnx_file, monkeypatch):
    monkeypatch.setattr(after, "int8_gain", lambda *given: None)
    said = Said()
    say_int8_gain(tagger, onnx_file, None, said)
    assert said.lines == []


@pytest.mark.parametrize(
    ("with_data", "listening", "tried"),
    [(True, True, True), (True, False, False), (False, True, False)],
)
def test_it_is_tried_where_somebody_listens(
    tagger, onnx_file, shapes, monkeypatch, with_data, listening, tried
):
    done = []
    exported = type("Done", (), {"path": onnx_file, "size": 1})
    monkeypatch.setattr(after, "export", lambda tagger: exported)
    monkeypatch.setattr(after, "say_int8_gain", lambda *given: done.append(given))
    data = load_dataset(shapes) if with_data else None
    export_trained(Tagger.load(tagger.path), data, Said() if listening else SILENT)
    assert bool(done) == tried
