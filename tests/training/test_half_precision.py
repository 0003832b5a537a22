"""Mixed precision: what is stopped and resumed is what would have been, on every device here."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins import MixedPrecision

from imlgcn.config import FineTuning, LossSettings
from imlgcn.stopping import Stopped
from imlgcn.training import tuning_state
from imlgcn.training.checkpoint import Checkpoints
from imlgcn.training.fine_tune import fine_tune

SETTINGS = FineTuning(epochs=3, batch_size=4, learning_rate=3e-3, ema_decay=0.5, workers=0)
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


def half_on_the_cpu():
    """Half precision with its scaled loss; 2^24 overflows at first, so the scale changes."""
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**24, growth_interval=2)
    return Fabric(accelerator="cpu", plugins=[MixedPrecision("16-mixed", "cpu", scaler)])


@pytest.fixture(
    params=[
        "cpu",
        *(pytest.param(how, marks=gpu) for how in ("16-mixed", "bf16-mixed", "32-true")),
    ]
)
def make(request):
    """Return a function that gives a Fabric as a new process would have it."""
    if request.param == "cpu":
        return half_on_the_cpu
    return lambda: Fabric(accelerator="cuda", devices=1, precision=request.param)


def test_a_stopped_run_ends_with_the_same_weights_and_scale(
    make, classifier, colours, tmp_path, monkeypatch
):
    def tune(classifier, name):
        fabric = make()
        fine_tune(
            classifier,
            colours.split("train"),
            colours.split("val"),
            settings=SETTINGS,
            loss=LossSettings(),
            seed=0,
            fabric=fabric,
            checkpoints=Checkpoints(tmp_path, name),
            minutes=5,
            log=lambda row: None,
        )
        return fabric._precision.state_dict()

    start = copy.deepcopy(classifier)
    scale = tune(classifier, "whole")

    steps = itertools.count(1)
    parent = tuning_state.Keeper.__call__

    def stop_at_the_fourth(self, images):
        self.asked = lambda: 15 if next(steps) == 4 else None
        parent(self, images)

    monkeypatch.setattr(tuning_state.Keeper, "__call__", stop_at_the_fourth)
    with pytest.raises(Stopped):
        tune(copy.deepcopy(start), "parts")
    again = copy.deepcopy(start)
    assert tune(again, "parts") == scale
    weights = {name: value.cpu() for name, value in again.state_dict().items()}
    whole = {name: value.cpu() for name, value in classifier.state_dict().items()}
    torch.testing.assert_close(weights, whole, rtol=0, atol=0)
