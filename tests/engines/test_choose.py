"""Which engine is taken: the fastest that works, measured once for a network and a machine."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext

import numpy as np
import pytest

from imlgcn.engines import check_engine, choose, openers_for
from imlgcn.errors import InputError
from imlgcn.files import cache_dir


class Fake:
    """An engine that takes its time; counts how often it is opened and run."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.runs = self.opened = 0
        self.shapes: set[tuple[int, ...]] = set()

    def open(self):
        self.opened += 1
        return self

    def streaming(self):
        return nullcontext(1)

    def logits(self, pixels, known=None):
        self.runs += 1
        self.shapes.add(pixels.shape)
        time.sleep(self.seconds)
        return np.zeros((len(pixels), 1), np.float32)


@pytest.fixture(autouse=True)
def _short(monkeypatch, tmp_path):
    monkeypatch.setattr(choose, "SECONDS", 0.06)
    monkeypatch.setenv("IMLGCN_CACHE", str(tmp_path))


def rates(key="network", latency=False, **engines):
    openers = {name: engine.open for name, engine in engines.items()}
    return choose.rates(openers, key, size=16, latency=latency)


def test_the_fastest_engine_comes_first_whatever_the_order():
    found = rates(slow=Fake(0.02), quick=Fake(0.001))
    assert list(found) == ["quick", "slow"]
    assert found["quick"] > 2 * found["slow"]


def test_what_was_measured_is_remembered_and_not_measured_again():
    first, again = Fake(0.001), Fake(0.001)
    found = rates(a=first)
    assert rates(a=again) == found
    assert (again.opened, again.runs) == (0, 0)
    assert (cache_dir() / choose.MEMORY).is_file()


@pytest.mark.parametrize("change", ["network", "latency", "version", "engines", "cores"])
def test_another_network_use_version_or_machine_is_measured_anew(change, monkeypatch):
    rates(a=Fake())
    again, options = Fake(), {}
    if change == "network":
        options["key"] = "another"
    elif change == "latency":
        options["latency"] = True
    elif change == "version":
        monkeypatch.setattr(choose, "_version", lambda package: "99")
    elif change == "cores":
        monkeypatch.setattr(choose, "cores", lambda: 77)
    else:
        options["b"] = Fake()
    rates(a=again, **options)
    assert again.runs > 0


def test_a_cache_that_cannot_be_written_is_done_without(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("IMLGCN_CACHE", str(tmp_path / "file" / "below"))
    assert list(rates(slow=Fake(0.02), quick=Fake(0.001))) == ["quick", "slow"]


def test_latency_is_measured_on_one_image_and_throughput_on_a_batch():
    one, many = Fake(), Fake()
    rates(a=one, latency=True)
    rates(a=many)
    assert one.shapes == {(1, 16, 16, 3)}
    assert many.shapes == {(choose.BATCH, 16, 16, 3)}


def test_an_engine_that_cannot_run_the_network_has_the_rate_0_and_is_not_taken():
    def broken():
        raise InputError("no network that it can run")

    found = choose.rates({"broken": broken, "works": Fake(0.001).open}, "network", size=16)
    assert list(found) == ["works", "broken"]
    assert found["broken"] == 0.0


@pytest.mark.parametrize("content", ["{", "[1]", '{"other": {"a": 1.0}}'])
def test_a_damaged_memory_is_made_anew(content):
    (cache_dir() / choose.MEMORY).write_text(content)
    assert rates(a=Fake())["a"] > 0
    assert json.loads((cache_dir() / choose.MEMORY).read_text())


def test_an_engine_is_offered_only_for_a_file_that_it_reads(tmp_path, monkeypatch):
    monkeypatch.setattr("imlgcn.extras.installed", lambda name: True)
    assert list(openers_for({tmp_path / "model.safetensors": ""})) == []
    assert list(openers_for({tmp_path / "model.onnx": ""})) == ["onnxruntime", "openvino"]
    assert list(openers_for({tmp_path / "model.openvino": ""})) == ["openvino"]
    monkeypatch.setattr("imlgcn.engines.installed", lambda name: name == "onnxruntime")
    assert list(openers_for({tmp_path / "model.onnx": ""})) == ["onnxruntime"]


def test_an_engine_that_is_unknown_or_not_installed_is_refused(monkeypatch):
    with pytest.raises(InputError, match="unknown engine 'onnxruntim'; did you mean 'onnxruntime'"):
        check_engine("onnxruntim")
    monkeypatch.setattr("imlgcn.extras.installed", lambda name: False)
    with pytest.raises(InputError, match=r"not installed: pip install 'imlgcn\[openvino\]'"):
        check_engine("openvino")
