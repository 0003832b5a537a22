"""The engines of exported files: any batch, several threads, and what they refuse."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from imlgcn.engines import open_file
from imlgcn.engines.base import cores
from imlgcn.errors import InputError
from imlgcn.tagger import Tagger

pytest.importorskip("onnxscript")
pytest.importorskip("openvino")
RUNTIMES = ["onnxruntime", "openvino"]
over_runtimes = pytest.mark.parametrize("runtime", RUNTIMES)


@pytest.fixture
def file(onnx_file):
    return onnx_file


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8)


@over_runtimes
def test_a_batch_may_have_any_length(file, images, runtime):
    engine = open_file(file, runtime)
    whole = engine.logits(images)
    for count in (0, 1, 3):
        found = engine.logits(images[:count])
        assert found.shape == (count, 5)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, whole[:count], atol=1e-5)


@over_runtimes
def test_several_threads_may_score_at_once(file, images, runtime):
    engine = open_file(file, runtime)
    alone = [engine.logits(images[i : i + 1]) for i in range(5)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: engine.logits(images[i % 5 : i % 5 + 1]), range(20)))
    for i, logits in enumerate(found):
        np.testing.assert_allclose(logits, alone[i % 5], atol=1e-6)


@pytest.mark.slow
@over_runtimes
def test_the_first_runs_may_come_from_several_threads_at_once(file, runtime):
    """OpenVINO's Python API prepares for arrays on first use; six in ten of these hung on it."""
    program = f"""
import faulthandler, sys, threading
faulthandler.dump_traceback_later(60, exit=True)
import numpy as np
from pathlib import Path
from imlgcn.engines import open_file
engine = open_file(Path({str(file)!r}), {runtime!r})
sys.setswitchinterval(1e-6)
barrier = threading.Barrier(6)
def run():
    barrier.wait()
    engine.logits(np.zeros((1, 64, 64, 3), np.uint8))
threads = [threading.Thread(target=run) for _ in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    for _ in range(8):
        assert subprocess.run([sys.executable, "-c", program]).returncode == 0


@over_runtimes
def test_throughput_has_a_stream_a_core_and_latency_one(file, runtime):
    many, one = open_file(file, runtime), open_file(file, runtime, latency=True)
    with many.streaming() as streams:
        assert streams == many.streams == cores()
    with one.streaming() as streams:
        assert streams == one.streams == 1


@over_runtimes
def test_known_labels_are_refused_by_a_network_that_cannot_use_them(file, images, runtime):
    engine = open_file(file, runtime)
    assert not engine.takes_known
    with pytest.raises(InputError, match="cannot use known labels"):
        engine.logits(images, np.full((5, 5), -1, np.int8))


@over_runtimes
def test_a_file_that_is_no_network_is_refused_with_its_name(tmp_path, runtime):
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"not a network")
    with pytest.raises(InputError, match=r"cannot run .*bad.onnx"):
        open_file(bad, runtime)


@pytest.mark.parametrize("name", ["small.pt2", "photo.jpg", "model.safetensors"])
def test_a_file_of_another_kind_is_no_tagger(tmp_path, name):
    (tmp_path / name).write_bytes(b"something")
    with pytest.raises(InputError, match="is not a tagger: expected a folder"):
        Tagger.load(tmp_path / name)


def test_an_engine_that_does_not_run_the_file_is_refused(file):
    with pytest.raises(InputError, match="not by the engine 'torch'"):
        Tagger.load(file, engine="torch")


def test_auto_measures_the_engines_of_a_file(file, monkeypatch):
    measured = []

    def rates(openers, key, **options):
        measured.append(sorted(openers))
        return {"openvino": 2.0, "onnxruntime": 1.0}

    monkeypatch.setattr("imlgcn.engines.choose.rates", rates)
    assert Tagger.load(file, engine="auto").engine.name == "openvino"
    assert measured == [["onnxruntime", "openvino"]]


def test_a_file_for_another_program_is_called_so(file, tmp_path):
    import onnx

    model = onnx.load(file)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(InputError, match=r"model\.onnx is not a tagger: .* with layout="):
        Tagger.load(tmp_path / "model.onnx")


def test_auto_takes_the_fastest_of_the_engines_that_can_run_the_folder(onnx_folder, monkeypatch):
    speeds = {"onnxruntime": 2.0, "openvino": 1.0, "torch": 3.0}
    monkeypatch.setattr(
        "imlgcn.engines.choose._measure",
        lambda openers, size, batch: {n: speeds[n] for n in openers},
    )
    tagger = Tagger.load(onnx_folder, engine="auto")
    assert list(tagger.engine_rates()) == ["torch", "onnxruntime", "openvino"]
    assert tagger.engine.name == "torch"


def test_a_file_whose_weights_are_in_another_file_is_refused(file, tmp_path):
    import onnx

    model = onnx.load(file)
    copy = tmp_path / "model.onnx"
    onnx.save(model, copy, save_as_external_data=True, location="elsewhere", size_threshold=0)
    with pytest.raises(InputError, match="keeps weights in another file, which is not opened"):
        open_file(copy, "onnxruntime")


@pytest.mark.skipif(sys.platform != "linux", reason="signal stacks are Linux's")
def test_a_signal_is_handled_after_engines_are_closed_in_the_order_they_were_opened(file):
    """The stack for signals that OpenVINO leaves behind must not be one it has freed."""
    program = f"""
import signal
from pathlib import Path
from imlgcn.engines import open_file
first = open_file(Path({str(file)!r}), "openvino")
second = open_file(Path({str(file)!r}), "openvino", latency=True)
del first
del second
signal.signal(signal.SIGTERM, lambda *_: print("handled"))
signal.raise_signal(signal.SIGTERM)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "handled\n")
