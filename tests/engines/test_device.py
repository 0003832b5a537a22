"""One place chooses the device: the same names and refusals wherever one is asked for."""

from __future__ import annotations

import pytest
import torch

from imlgcn.engines.device import batch_size, choose_device
from imlgcn.errors import InputError
from imlgcn.tagger import Tagger
from imlgcn.training.loop import create_fabric

here = pytest.mark.skipif(torch.cuda.is_available(), reason="for a machine without a GPU")


@pytest.fixture
def gpus(monkeypatch):
    """Two CUDA GPUs, as far as torch says."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)


@pytest.mark.parametrize(
    ("name", "found"),
    [("auto", "cuda"), ("cpu", "cpu"), ("cuda", "cuda"), ("cuda:1", "cuda:1")],
)
def test_a_name_is_the_device_it_says(name, found, gpus):
    assert choose_device(name) == torch.device(found)


def test_a_gpu_that_is_not_there_is_refused_with_what_is(gpus):
    with pytest.raises(InputError, match="device='cuda:2': torch sees 2 CUDA GPUs here"):
        choose_device("cuda:2")


@here
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_without_a_gpu_the_cpu_is_chosen_and_others_are_refused(name):
    assert choose_device("auto").type == choose_device("cpu").type == "cpu"
    with pytest.raises(InputError, match="give device='auto'"):
        choose_device(name)


@pytest.mark.parametrize("name", ["gpu", "CUDA", "cuda:", "cpu:0", ""])
def test_an_unknown_name_is_refused_before_anything_is_loaded(name, tagger):
    with pytest.raises(InputError, match="device= takes auto, cpu, cuda"):
        choose_device(name)
    with pytest.raises(InputError, match="device= takes auto, cpu, cuda"):
        Tagger.load(tagger.path, device=name)


def test_training_runs_in_float32_on_the_cpu():
    fabric = create_fabric("cpu")
    assert fabric.device == torch.device("cpu")
    assert fabric._precision.precision == "32-true"


def test_openvino_runs_on_the_cpu_only(tagger):
    with pytest.raises(InputError, match="engine='openvino' runs on the CPU"):
        Tagger.load(tagger.path, engine="openvino", device="cuda")


def test_more_images_at_a_time_go_to_a_gpu():
    assert batch_size(torch.device("cpu")) < batch_size(torch.device("cuda"))
