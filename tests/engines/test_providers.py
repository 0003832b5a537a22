"""ONNX Runtime on a GPU: only where it is offered, runs, and gives the logits of the CPU."""

from __future__ import annotations

import warnings

import numpy as np
import onnxruntime
import pytest

from imlgcn.config import InputError, NoticeWarning
from imlgcn.engines import open_file
from imlgcn.engines.providers import CPU, CUDA
from imlgcn.tagger import Tagger

Real = onnxruntime.InferenceSession


class Gpu:
    """What a session on a GPU looks like; the CPU computes."""

    asked: list = []  # noqa: RUF012 - the providers of each session, in turn
    runs = True  # CUDA is really there
    fails = False  # the first run fails
    adds = 0.0  # to each logit

    def __init__(self, path, options=None, providers=None) -> None:
        Gpu.asked.append(providers)
        self._on_gpu = providers[0] != CPU and Gpu.runs
        self._real = Real(path, options, providers=[CPU])

    def get_providers(self):
        return [CUDA, CPU] if self._on_gpu else [CPU]

    def run(self, names, fed):
        if self._on_gpu and Gpu.fails:
            raise RuntimeError("CUDNN_STATUS_NOT_INITIALIZED\nat line 5")
        found = self._real.run(names, fed)
        return [found[0] + Gpu.adds, *found[1:]] if self._on_gpu else found

    def __getattr__(self, name):
        return getattr(self._real, name)


@pytest.fixture
def gpu(monkeypatch):
    """ONNX Runtime as it is with a GPU that works."""
    for name, value in {"asked": [], "runs": True, "fails": False, "adds": 0.0}.items():
        monkeypatch.setattr(Gpu, name, value)
    monkeypatch.setattr(onnxruntime, "InferenceSession", Gpu)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print("noise"), raising=False)
    return Gpu


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_without_cuda_everything_is_on_the_cpu_and_nothing_is_said(onnx_file, device, no_gpu):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        engine = Tagger.load(onnx_file, device=device).engine
    assert (engine.device, engine.batch) == ("cpu", 1)


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_gpu_that_the_runtime_does_not_offer_is_refused_with_what_to_install(
    onnx_file, device, no_gpu
):
    with pytest.raises(InputError) as caught:
        Tagger.load(onnx_file, device=device)
    assert f"device='{device}'" in str(caught.value)
    assert "onnxruntime-gpu" in str(caught.value)
    assert "device='cpu'" in str(caught.value)


@pytest.mark.parametrize(("device", "number"), [("cuda", "0"), ("cuda:1", "1"), ("auto", "0")])
def test_a_gpu_that_works_is_used_with_all_bits(onnx_file, gpu, device, number, capsys):
    engine = Tagger.load(onnx_file, device=device).engine
    assert engine.device == f"cuda:{number}"
    (name, options), second = gpu.asked[0]
    assert (name, second) == (CUDA, CPU)
    assert options["device_id"] == number
    assert options["use_tf32"] == "0"
    assert (engine.streams, engine.batch) == (1, 32)
    assert capsys.readouterr().out == ""


def test_the_cpu_can_be_asked_for_beside_a_gpu(onnx_file, gpu):
    assert Tagger.load(onnx_file, device="cpu").engine.device == "cpu"
    assert gpu.asked == [[CPU]]


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"runs": False}, "libraries of CUDA or cuDNN are missing"),
        ({"fails": True}, "CUDNN_STATUS_NOT_INITIALIZED"),
        ({"adds": 0.1}, "logits of an image are others than on the CPU"),
    ],
)
def test_a_gpu_that_is_offered_and_does_not_work_is_never_silent(
    onnx_file, gpu, monkeypatch, broken, words, images
):
    for name, value in broken.items():
        monkeypatch.setattr(gpu, name, value)
    with pytest.raises(InputError, match=words) as caught:
        Tagger.load(onnx_file, device="cuda")
    assert "\n" not in str(caught.value)
    with pytest.warns(NoticeWarning, match=words):
        engine = Tagger.load(onnx_file).engine
    assert engine.device == "cpu"
    np.testing.assert_array_equal(engine.logits(images), open_file(onnx_file).logits(images))


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)


def test_a_folder_runs_on_the_gpu_with_the_runtime_that_can(onnx_folder, gpu, monkeypatch):
    assert Tagger.load(onnx_folder, device="cuda").engine.name == "onnxruntime"
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with pytest.raises(InputError, match="torch sees no CUDA GPUs"):
        _ = Tagger.load(onnx_folder, device="cuda").engine


def test_other_devices_are_refused_for_a_file(onnx_file, gpu):
    with pytest.raises(InputError, match="on the CPU or a CUDA GPU"):
        Tagger.load(onnx_file, device="mps")
    pytest.importorskip("openvino")
    with pytest.raises(InputError, match="runs on the CPU; leave device='cuda' out"):
        Tagger.load(onnx_file, device="cuda", engine="openvino")


def test_the_command_says_in_one_line_that_it_takes_the_cpu(
    cli, onnx_file, shapes, gpu, monkeypatch
):
    monkeypatch.setattr(gpu, "runs", False)
    with pytest.warns(NoticeWarning) as caught:
        assert cli("predict", onnx_file, shapes.parent / "00.png").code == 0
    line = warnings.formatwarning(caught[0].message, NoticeWarning, "file.py", 1)
    assert line.startswith("imlgcn: ONNX Runtime was built for CUDA, but no CUDA GPU is found")
    assert line.endswith("with --device cpu this is not tried)\n")
    assert "file.py" in warnings.formatwarning("other", UserWarning, "file.py", 1)


def test_the_command_refuses_in_one_sentence(cli, onnx_file, shapes, no_gpu):
    ran = cli("predict", onnx_file, shapes.parent / "00.png", "--device", "cuda")
    ran.assert_refused("--device cuda", "onnxruntime-gpu", "--device cpu")
