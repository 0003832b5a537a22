"""An interrupted run goes on and ends as one that was not interrupted."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from imlgcn.errors import InputError
from imlgcn.tagger import Tagger
from runs import TUNED, log_of, metrics_of


class Stop(Exception):  # noqa: N818
    """What a test raises to interrupt a run."""


@pytest.fixture
def stop_after(monkeypatch):
    """Return a function that makes the log stop the run once, at a stage and epoch."""
    from imlgcn.training.output import RunLog

    original = RunLog.__call__

    def arm(stage, epoch):
        def call(self, row):
            original(self, row)
            if (row["stage"], row.get("epoch")) == (stage, epoch):
                monkeypatch.setattr(RunLog, "__call__", original)
                raise Stop

        monkeypatch.setattr(RunLog, "__call__", call)

    return arm


@pytest.mark.parametrize(
    ("stage", "epoch"),
    [
        pytest.param("fine-tuning, linear head", 2, marks=pytest.mark.thorough),
        pytest.param("warm start", None, marks=pytest.mark.thorough),
        ("fine-tuning, graph head", 2),
    ],
)
def test_a_run_killed_anywhere_ends_with_the_weights_of_an_unbroken_one(
    train_tiny, tmp_path, fine_tuned, stop_after, stage, epoch
):
    out = tmp_path / "run"
    stop_after(stage, epoch)
    with pytest.raises(Stop):
        train_tiny(out, **TUNED)
    with pytest.raises(InputError, match=r"holds no model\.json"):
        Tagger.load(out)
    with pytest.raises(InputError, match="unfinished run: add resume=True"):
        train_tiny(out, **TUNED)
    resumed = train_tiny(out, resume=True, **TUNED)
    assert resumed.info.sha256 == fine_tuned.info.sha256
    assert metrics_of(resumed) == metrics_of(fine_tuned)
    epochs = {(row["stage"], row.get("epoch")) for row in log_of(resumed)}
    assert epochs == {(row["stage"], row.get("epoch")) for row in log_of(fine_tuned)}


@pytest.mark.thorough
def test_a_head_on_maps_is_trained_on_the_frozen_backbone_then_with_it_and_resumes(
    train_tiny, tmp_path, stop_after
):
    """It cannot start where the linear head stands, and has a backbone of its own."""
    options = {"head": "csra", "fine_tune": True, "tuning": TUNED["fine_tuning"]}
    whole = train_tiny(tmp_path / "whole", **options)
    assert list(dict.fromkeys(row["stage"] for row in log_of(whole))) == [
        "linear head",
        "fine-tuning, linear head",
        "graph head",
        "fine-tuning, graph head",
    ]
    stop_after("fine-tuning, graph head", 2)
    with pytest.raises(Stop):
        train_tiny(tmp_path / "broken", **options)
    resumed = train_tiny(tmp_path / "broken", resume=True, **options)
    assert resumed.info.sha256 == whole.info.sha256
    assert metrics_of(resumed) == metrics_of(whole)


def test_a_run_of_other_settings_does_not_go_on(train_tiny, tmp_path, stop_after):
    stop_after("linear head", 2)
    with pytest.raises(Stop):
        train_tiny(tmp_path / "run")
    with pytest.raises(InputError, match=r"started with other settings \(seed\)"):
        train_tiny(tmp_path / "run", resume=True, seed=1)
    train_tiny(tmp_path / "run", resume=True)


# the published systems' own backbones


def original_layout(state):
    """Name the entries of timm's TResNet as MIIL's code does: pairs of convolution and norm."""
    renamed = {}
    for key, value in state.items():
        strided = re.match(r"body\.layer2\.0\.conv1|body\.layer[34]\.0\.conv2", key)
        first, second = ("0.0", "0.1") if strided else ("0", "1")
        renamed[key.replace(".conv.", f".{first}.").replace(".bn.", f".{second}.")] = value
    return renamed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "head", "layout"),
    [
        ("tresnet_m", "iml_gcn", "original"),
        ("tresnet_m", "iml_gcn", "timm"),
        ("resnet101", "ml_gcn", "timm"),
    ],
)
def test_the_method_runs_and_resumes_on_its_own_backbone(
    train_tiny, tmp_path, rewrite, stop_after, backbone, head, layout
):
    import timm

    torch.manual_seed(0)
    state = timm.create_model(backbone, num_classes=3).state_dict()
    torch.save(original_layout(state) if layout == "original" else state, tmp_path / "w.pth")
    few = iter(range(72))
    options = {
        "data": rewrite(lambda row: row if next(few) < 36 else None),
        "backbone": backbone,
        "weights": str(tmp_path / "w.pth"),
        "head": head,
        "head_options": {"hidden": 16} | ({"embedding": "onehot"} if head == "ml_gcn" else {}),
        "fine_tune": True,
        "fine_tuning": {"epochs": 1, "batch_size": 8, "workers": 0},
    }
    stop_after("fine-tuning, graph head", 0)
    with pytest.raises(Stop):
        train_tiny(tmp_path / "run", **options)
    found = train_tiny(tmp_path / "run", resume=True, **options)
    assert found.info.backbone.name == backbone
    stages = [row["stage"] for row in log_of(found)]
    assert {"fine-tuning, linear head", "warm start", "fine-tuning, graph head"} <= set(stages)
    assert stages.count("fine-tuning, linear head") == 2, "the finished stage was not run again"
    assert np.isfinite(found.probabilities(np.zeros((1, 64, 64, 3), np.uint8))).all()
