"""From data to a tagger folder: the stages, the control, and the same run twice."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from imlgcn.config import train_settings
from imlgcn.data.dataset import load_dataset
from imlgcn.models import HEADS, head_options
from imlgcn.tagger import Tagger
from runs import config_of, log_of, metrics_of, scores_of
from thorough import thorough_but


def test_a_frozen_run_trains_a_linear_head_then_a_graph_head(tagger):
    stages = [(row["stage"], row["epoch"]) for row in log_of(tagger)]
    stages_of = ("linear head", "iml_gcn head")
    expected = [(stage, epoch) for stage in stages_of for epoch in (1, 2, 3, 4)]
    assert stages == expected


def test_a_frozen_backbone_keeps_its_weights(tagger, weights):
    from safetensors.torch import load_file

    state = tagger.classifier().backbone.model.state_dict()
    for name, value in load_file(weights).items():
        assert torch.equal(state[name], value), name


def test_the_control_is_the_linear_head_trained_alone(tagger, linear_tagger):
    alone = metrics_of(linear_tagger)
    control = metrics_of(tagger)["control"]
    assert control["head"] == "linear"
    for key in ("mAP", "OF1", "CF1", "ECE", "log_loss", "per_label", "protocol", "num_images"):
        assert control[key] == alone[key], key
    assert "control" not in alone
    assert "same features" in control["note"]


def test_the_difference_to_the_control_comes_with_its_interval(tagger):
    found = metrics_of(tagger)
    difference = found["difference_to_control"]
    assert difference["mAP"] == pytest.approx(found["mAP"] - found["control"]["mAP"])
    assert difference["low"] <= difference["mAP"] <= difference["high"]


def test_metrics_are_those_of_the_test_split_and_say_so(tagger):
    found = metrics_of(tagger)
    assert (found["split"], found["num_images"], found["protocol"]) == ("test", 12, "default")
    assert found["out_of_fold"]["num_images"] == 42 + 18
    assert found["head"] == "iml_gcn"
    for key, value in tagger.info.metrics.items():
        assert value == found[key], key


OTHERS = [name for name in HEADS if name not in ("linear", "iml_gcn")]


@pytest.mark.parametrize("head", thorough_but(("csra", "c_tran", "ml_gcn", "mlp"), OTHERS))
def test_every_other_head_runs_through_the_same_stages_and_loads_back(
    train_tiny, tmp_path, shapes, head
):
    options = {"embedding": "onehot"} if "embedding" in head_options(head) else {}
    found = train_tiny(
        tmp_path / "run", head=head, head_options=options, head_training={"epochs": 1}
    )
    assert found.info.head.name == head
    assert metrics_of(found)["control"]["head"] == "linear"
    test = load_dataset(shapes).split("test")
    inputs = np.stack([found.load_input(path) for path in test.paths])
    again = Tagger.load(found.path).engine.logits(inputs)
    np.testing.assert_allclose(again, scores_of(found), atol=2e-2, rtol=2e-3)  # maps are halves


def test_fine_tuning_runs_each_stage_frozen_first_and_moves_the_backbone(fine_tuned, weights):
    from safetensors.torch import load_file

    found = fine_tuned
    rows = log_of(found)
    assert list(dict.fromkeys(row["stage"] for row in rows)) == [
        "linear head",
        "fine-tuning, linear head",
        "warm start",
        "fine-tuning, graph head",
    ]
    by_stage = {
        stage: [r for r in rows if r["stage"] == stage] for stage in (r["stage"] for r in rows)
    }
    begin = by_stage["fine-tuning, linear head"][0]
    assert begin["val_mAP"] == pytest.approx(by_stage["linear head"][-1]["val_mAP"], abs=0.01)
    best = max(row["val_mAP"] for row in by_stage["fine-tuning, linear head"])
    graph = by_stage["fine-tuning, graph head"]
    assert graph[0]["val_mAP"] == pytest.approx(best, abs=0.5), (
        "it starts where the linear one stands"
    )
    assert max(r["val_mAP"] for r in graph) == pytest.approx(metrics_of(found)["validation"]["mAP"])
    state = found.classifier().backbone.model.state_dict()
    assert any(not torch.equal(state[k], v) for k, v in load_file(weights).items())
    assert not (found.path / "checkpoints").exists(), "a finished run needs none"
    assert "same features" not in metrics_of(found)["control"]["note"]
    assert found.info.sha256 == Tagger.load(found.path).info.sha256


@pytest.mark.slow  # test_choice.py has it for all candidates
def test_the_same_seed_gives_the_same_metrics_and_weights_in_another_process(
    tagger, tmp_path, shapes, weights
):
    code = (
        "import sys, json; from imlgcn.pipeline import train;"
        "train(sys.argv[1], sys.argv[2], **json.loads(sys.argv[3]))"
    )
    settings = {
        "head": "iml_gcn",
        "backbone": "test_efficientnet",
        "weights": str(weights),
        "size": 64,
        "export": False,
    }
    settings |= {
        "linear_training": {"epochs": 4},
        "head_training": {"epochs": 4, "learning_rate": 0.01},
    }
    arguments = [str(shapes), str(tmp_path / "again"), json.dumps(settings)]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, timeout=120)
    again = Tagger.load(tmp_path / "again")
    assert again.info.sha256 == tagger.info.sha256
    assert metrics_of(again) == metrics_of(tagger)
    for name in ("predictions.parquet", "metrics.json"):
        assert (again.path / name).read_bytes() == (tagger.path / name).read_bytes(), name
    assert again.info.model_dump() == tagger.info.model_dump()


def test_another_seed_gives_other_weights(tagger, train_tiny, tmp_path):
    assert train_tiny(tmp_path / "run", seed=1).info.sha256 != tagger.info.sha256


def test_training_leaves_the_random_numbers_of_its_caller_alone(train_tiny, tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train_tiny(tmp_path / "run", head="linear")
    assert torch.equal(torch.rand(3), expected)


def test_the_written_settings_are_complete_and_give_the_same_run(tagger, train_tiny, tmp_path):
    content = config_of(tagger)
    data = content.pop("data")
    assert train_settings(content, preset=content["preset"]).model_dump(mode="json") == content
    preset = content.pop("preset")
    again = train_tiny(tmp_path / "again", data, preset=preset, **content)
    assert again.info.sha256 == tagger.info.sha256
    assert config_of(again) == config_of(tagger)
