"""From data to a tagger folder: the stages, the control, going on, and refusals without a trace."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from imlgcn.config import InputError, train_settings
from imlgcn.data.dataset import load_dataset
from imlgcn.pipeline import demo
from imlgcn.predictions import read_predictions
from imlgcn.progress import Progress
from imlgcn.tagger import Tagger, load_classifier

STILL = {"learning_rate": 1e-12, "weight_decay": 0.0, "epochs": 1}  # trains without moving anything
STAY = {"linear": STILL, "graph": STILL}
TUNED = {
    "fine_tune": True,
    "head_options": {"hidden": 32},
    "tuning": {
        "epochs": 2,
        "batch_size": 16,
        "learning_rate": 3e-3,
        "ema_decay": 0.3,
        "workers": 0,
    },
}


class Said(Progress):
    """Remembers what it is told."""

    def __init__(self):
        self.lines, self.stages = [], []

    def say(self, text):
        self.lines.append(text)

    @contextmanager
    def bar(self, stage, total, unit="images"):
        self.stages.append(stage)
        yield lambda count: None


def metrics_of(tagger: Tagger) -> dict:
    return json.loads((tagger.path / "metrics.json").read_text())


def log_of(tagger: Tagger) -> list[dict]:
    return [json.loads(line) for line in (tagger.path / "log.jsonl").read_text().splitlines()]


def config_of(tagger: Tagger) -> dict:
    return yaml.safe_load((tagger.path / "config.yaml").read_text())


def scores_of(tagger: Tagger, split: str = "test", names=None) -> np.ndarray:
    path = tagger.path / "predictions.parquet"
    return read_predictions(path, names or tagger.labels, split).logits


@pytest.fixture(scope="module")
def uninterrupted(train_tiny, tmp_path_factory):
    return train_tiny(tmp_path_factory.mktemp("whole") / "run", **TUNED)


# the stages and the control


def test_a_frozen_run_trains_a_linear_head_then_a_graph_head(tagger):
    stages = [(row["stage"], row["epoch"]) for row in log_of(tagger)]
    expected = [(stage, epoch) for stage in ("linear head", "graph head") for epoch in (1, 2, 3, 4)]
    assert stages == expected


def test_a_frozen_backbone_keeps_its_weights(tagger, weights):
    from safetensors.torch import load_file

    state = tagger.classifier().backbone.model.state_dict()
    for name, value in load_file(weights).items():
        assert torch.equal(state[name], value), name


def test_the_control_is_the_linear_head_trained_alone(tagger, train_tiny, tmp_path):
    alone = metrics_of(train_tiny(tmp_path / "alone", head="linear"))
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
    assert found["validation"]["num_images"] == 18
    assert found["head"] == "iml_gcn"
    for key, value in tagger.info.metrics.items():
        assert value == found[key], key


@pytest.mark.parametrize("head", ["mlp", "ml_gcn"])
def test_every_other_head_runs_through_the_same_stages(train_tiny, tmp_path, head):
    options = {} if head == "mlp" else {"head_options": {"embedding": "onehot"}}
    found = train_tiny(tmp_path / "run", head=head, **options)
    assert found.info.head.name == head
    assert metrics_of(found)["control"]["head"] == "linear"
    assert len(found.probabilities(np.zeros((2, 3, 64, 64), np.float32))) == 2


def test_fine_tuning_runs_each_stage_frozen_first_and_moves_the_backbone(uninterrupted, weights):
    from safetensors.torch import load_file

    found = uninterrupted
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
    assert {p.name for p in (found.path / "checkpoints").iterdir()} == {
        "linear.safetensors",
        "graph.safetensors",
    }
    assert "same features" not in metrics_of(found)["control"]["note"]
    assert found.info.sha256 == Tagger.load(found.path).info.sha256


# the same again


def test_the_same_seed_gives_the_same_metrics_and_weights_in_another_process(
    tagger, tmp_path, shapes, weights
):
    code = (
        "import sys, json; from imlgcn.pipeline import train;"
        "train(sys.argv[1], sys.argv[2], **json.loads(sys.argv[3]))"
    )
    settings = {"backbone": "test_efficientnet", "weights": str(weights), "size": 64}
    settings |= {"linear": {"epochs": 4}, "graph": {"epochs": 4, "learning_rate": 0.01}}
    arguments = [str(shapes), str(tmp_path / "again"), json.dumps(settings)]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, timeout=120)
    again = Tagger.load(tmp_path / "again")
    assert again.info.sha256 == tagger.info.sha256
    assert metrics_of(again) == metrics_of(tagger)
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


# interruption


class Stop(Exception):  # noqa: N818
    """What a test raises to interrupt a run."""


@pytest.fixture
def stop_after(monkeypatch):
    """Return a function that makes the log stop the run once, at a stage and epoch."""
    from imlgcn.training.run_folder import RunLog

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
        ("fine-tuning, linear head", 2),
        ("warm start", None),
        ("fine-tuning, graph head", 2),
    ],
)
def test_a_run_killed_anywhere_ends_with_the_weights_of_an_unbroken_one(
    train_tiny, tmp_path, uninterrupted, stop_after, stage, epoch
):
    out = tmp_path / "run"
    stop_after(stage, epoch)
    with pytest.raises(Stop):
        train_tiny(out, **TUNED)
    with pytest.raises(InputError, match=r"holds no model\.json"):
        Tagger.load(out)
    with pytest.raises(InputError, match="unfinished run: add --resume"):
        train_tiny(out, **TUNED)
    resumed = train_tiny(out, resume=True, **TUNED)
    for name in ("linear", "graph"):
        one, two = (
            (tagger.path / "checkpoints" / f"{name}.safetensors").read_bytes()
            for tagger in (resumed, uninterrupted)
        )
        assert one == two, f"the checkpoint of the {name} stage"
    assert resumed.info.sha256 == uninterrupted.info.sha256
    assert metrics_of(resumed) == metrics_of(uninterrupted)
    epochs = {(row["stage"], row.get("epoch")) for row in log_of(resumed)}
    assert epochs == {(row["stage"], row.get("epoch")) for row in log_of(uninterrupted)}


def test_a_run_of_other_settings_does_not_go_on(train_tiny, tmp_path, stop_after):
    stop_after("linear head", 2)
    with pytest.raises(Stop):
        train_tiny(tmp_path / "run")
    with pytest.raises(InputError, match=r"begun with other settings \(seed\)"):
        train_tiny(tmp_path / "run", resume=True, seed=1)
    train_tiny(tmp_path / "run", resume=True)


# going on from a tagger


def test_going_on_without_moving_scores_as_before(tagger, train_tiny, tmp_path):
    again = train_tiny(tmp_path / "again", start=tagger.path, **STAY)
    np.testing.assert_allclose(scores_of(again), scores_of(tagger), atol=1e-4)
    assert again.info.backbone == tagger.info.backbone
    assert config_of(again)["from"] == str(tagger.path)


@pytest.mark.parametrize("fit", ["squash"])
def test_going_on_keeps_the_preprocessing(train_tiny, tmp_path, fit):
    first = train_tiny(tmp_path / "a", head="linear", fit=fit)
    assert train_tiny(tmp_path / "b", start=first.path).info.image == first.info.image


def test_going_on_matches_labels_by_name_when_their_order_differs(
    tagger, train_tiny, tmp_path, rewrite
):
    names = ("square", "blue", "red", "dark", "circle")
    data = rewrite(
        lambda row: (row[0], *(int(n in row[1].split(";")) for n in names), row[2]),
        header=("image", *names, "split"),
    )
    again = train_tiny(tmp_path / "again", data, start=tagger.path, **STAY)
    assert set(again.labels) == set(names)
    np.testing.assert_allclose(
        scores_of(again, names=names), scores_of(tagger, names=names), atol=1e-4
    )


@pytest.mark.parametrize("old_head", ["linear", "iml_gcn"])
def test_going_on_with_other_labels_keeps_what_is_known_of_those_that_stay(
    tagger, train_tiny, tmp_path, rewrite, old_head
):
    """`blue` becomes `aqua`, and `aqua` sorts where `blue` stood: the count is the same."""
    start = tagger if old_head == "iml_gcn" else train_tiny(tmp_path / "old", head="linear")
    data = rewrite(lambda row: (row[0], row[1].replace("blue", "zebra"), row[2]))
    again = train_tiny(tmp_path / "again", data, start=start.path, head="linear", **STAY)
    assert again.labels == ("circle", "dark", "red", "square", "zebra")
    shared = ("circle", "dark", "red", "square")
    np.testing.assert_allclose(
        scores_of(again, names=shared), scores_of(start, names=shared), atol=1e-3
    )
    np.testing.assert_allclose(scores_of(again, names=("zebra",)), -2, atol=1e-5)


def test_a_graph_head_of_other_labels_starts_anew_on_their_own_nodes(
    tagger, train_tiny, tmp_path, rewrite
):
    data = rewrite(lambda row: (row[0], row[1].replace("blue", "zebra"), row[2]))
    again = train_tiny(tmp_path / "again", data, start=tagger.path, **STAY)
    fresh = train_tiny(tmp_path / "fresh", data)
    for name in ("nodes", "adjacency"):
        found, expected = (getattr(t.classifier().head, name) for t in (again, fresh))
        torch.testing.assert_close(found, expected)


def test_the_label_graph_is_that_of_the_new_data_and_options(tagger, train_tiny, tmp_path):
    options = {"graph": "identity"}
    again = train_tiny(tmp_path / "again", start=tagger.path, head_options=options, **STAY)
    assert torch.equal(again.classifier().head.adjacency, torch.eye(5))
    assert again.info.head.options["graph"] == "identity"


@pytest.mark.parametrize(
    ("old", "new"), [("linear", "iml_gcn"), ("iml_gcn", "mlp"), ("iml_gcn", "linear")]
)
def test_going_on_with_another_head_takes_that_head_s_own_options(
    tagger, train_tiny, tmp_path, old, new
):
    start = tagger if old == "iml_gcn" else train_tiny(tmp_path / "old", head=old)
    again = train_tiny(tmp_path / "again", start=start.path, head=new)
    assert again.info.head.name == new
    fresh = train_tiny(tmp_path / "fresh", head=new)
    assert again.info.head.options == fresh.info.head.options


def test_other_embeddings_than_the_old_ones_are_made(tagger, train_tiny, tmp_path):
    again = train_tiny(
        tmp_path / "again", start=tagger.path, head_options={"embedding": "onehot"}, **STAY
    )
    nodes = again.classifier().head.nodes
    assert torch.count_nonzero(nodes - torch.diag(nodes.diagonal())) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "resnet18"}, "tagger's own backbone, test_efficientnet: leave out backbone"),
        ({"weights": "other.pth"}, "leave out weights"),
        ({"head": "lienar"}, "did you mean 'linear'"),
    ],
)
def test_going_on_with_another_backbone_is_refused(tagger, train_tiny, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        train_tiny(tmp_path / "run", start=tagger.path, **options)
    assert not (tmp_path / "run").exists()


def test_going_on_at_another_size_is_recorded(tagger, train_tiny, tmp_path):
    again = train_tiny(tmp_path / "again", start=tagger.path, head="linear", size=48)
    assert again.info.image.size == 48
    assert again.load_input(Image.new("RGB", (70, 50))).shape == (3, 48, 48)


def test_going_on_needs_a_whole_tagger(train_tiny, tmp_path, own_tagger):
    with pytest.raises(InputError, match="--from takes the folder of a trained tagger"):
        train_tiny(tmp_path / "run", start=tmp_path / "nowhere")
    (own_tagger / "model.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="missing or changed"):
        train_tiny(tmp_path / "run", start=own_tagger)
    assert not (tmp_path / "run").exists()


# splits


def test_data_without_splits_gets_one_that_is_written_down(train_tiny, tmp_path, rewrite):
    said = Said()
    data = rewrite(lambda row: row[:2], header=("image", "labels"))
    found = train_tiny(tmp_path / "run", data, head="linear", progress=said)
    assert any("no split in the data" in line for line in said.lines)
    back = load_dataset(found.path / "split.csv")
    assert set(back.splits) == {"train", "val", "test"}
    assert len(back) == 72
    assert all(path.is_file() for path in back.paths)
    _, context = load_classifier(found.path)
    assert context.num_images == back.splits["train"]
    again = train_tiny(tmp_path / "again", found.path / "split.csv", head="linear")
    assert again.info.sha256 == found.info.sha256


def test_the_split_follows_the_seed_wherever_that_is_given(train_tiny, tmp_path, rewrite):
    data = rewrite(lambda row: row[:2], header=("image", "labels"))
    first = train_tiny(tmp_path / "a", data, head="linear", seed=4)
    again = train_tiny(tmp_path / "b", data, start=first.path)  # the seed comes from the old run
    assert (first.path / "split.csv").read_text() == (again.path / "split.csv").read_text()


def test_without_validation_a_tenth_of_train_is_held_out_and_test_is_left_alone(
    train_tiny, tmp_path, rewrite
):
    data = rewrite(lambda row: (*row[:2], "test" if row[2] == "test" else "train"))
    found = train_tiny(tmp_path / "run", data, head="linear")
    back = load_dataset(found.path / "split.csv")
    assert back.splits == {"train": 54, "val": 6, "test": 12}
    before = {r.name for r in load_dataset(data).split("test").records}
    assert {r.name for r in back.split("test").records} == before


def test_without_a_test_split_the_numbers_are_validation_s_and_say_so(
    train_tiny, tmp_path, rewrite
):
    data = rewrite(lambda row: None if row[2] == "test" else row)
    found = train_tiny(tmp_path / "run", data)
    assert metrics_of(found)["split"] == "val"
    assert "validation" not in metrics_of(found)
    assert not (found.path / "split.csv").exists()


def test_five_images_are_enough_to_run(train_tiny, tmp_path, rewrite):
    few = iter(range(72))
    data = rewrite(lambda row: row[:2] if next(few) < 5 else None, header=("image", "labels"))
    assert metrics_of(train_tiny(tmp_path / "run", data))["num_images"] >= 1


def test_a_single_label_can_be_learnt(train_tiny, tmp_path, rewrite):
    data = rewrite(lambda row: (row[0], "red" if "red" in row[1] else "", row[2]))
    assert train_tiny(tmp_path / "run", data).labels == ("red",)


# what the data may lack


def test_a_corrupt_image_is_left_out_with_a_count(train_tiny, tmp_path, rewrite):
    (tmp_path / "bad.png").write_bytes(b"no image")
    data = rewrite(lambda r: (str(tmp_path / "bad.png"), *r[1:]) if r[0] == "08.png" else r)
    said = Said()
    found = train_tiny(tmp_path / "run", data, progress=said)
    assert "1 images could not be read and were left out" in said.lines
    assert list(metrics_of(found)["failed_images"]) == [str(tmp_path / "bad.png")]
    assert metrics_of(found)["validation"]["num_images"] == 17
    with pytest.raises(InputError, match=r"1 of 72 images cannot be read; first: .*bad\.png"):
        train_tiny(tmp_path / "strict", data, strict=True)
    assert not (tmp_path / "strict").exists()


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_split_of_which_nothing_can_be_read_is_refused(train_tiny, tmp_path, rewrite, split):
    (tmp_path / "bad.png").write_bytes(b"no image")
    data = rewrite(lambda r: (str(tmp_path / "bad.png"), *r[1:]) if r[2] == split else r)
    with pytest.raises(InputError, match=f"no image of the split '{split}' can be read"):
        train_tiny(tmp_path / "run", data)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("options", [{}, {"fine_tune": True, "tuning": TUNED["tuning"]}])
def test_a_validation_split_without_a_known_label_still_gives_a_tagger(
    train_tiny, tmp_path, rewrite, options
):
    data = rewrite(lambda row: (row[0], "?" if row[2] == "val" else row[1], row[2]))
    found = train_tiny(tmp_path / "run", data, head="linear", **options)
    assert metrics_of(found)["validation"]["mAP"] is None
    assert np.isfinite(scores_of(found)).all()


def test_a_test_split_without_a_known_label_is_none_not_nan(train_tiny, tmp_path, rewrite):
    data = rewrite(lambda row: (row[0], "?" if row[2] == "test" else row[1], row[2]))
    found = train_tiny(tmp_path / "run", data)

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    for name in ("metrics.json", "model.json"):
        json.loads((found.path / name).read_text(), parse_constant=refuse)
    assert metrics_of(found)["mAP"] is None
    assert "difference_to_control" not in metrics_of(found)


def test_a_label_without_a_positive_in_train_is_named(train_tiny, tmp_path, rewrite):
    def without(row):
        labels = [n for n in row[1].split(";") if n != "red" or row[2] != "train"]
        return (row[0], ";".join(labels), row[2])

    with pytest.raises(InputError, match="1 labels have no positive image in train: red; add"):
        train_tiny(tmp_path / "run", rewrite(without))
    assert not (tmp_path / "run").exists()


def test_splits_without_train_are_refused(train_tiny, tmp_path, rewrite):
    data = rewrite(lambda row: (*row[:2], "test"))
    with pytest.raises(InputError, match="has splits test but no 'train'"):
        train_tiny(tmp_path / "run", data)


@pytest.mark.parametrize("epochs", [1, 5])
def test_any_number_of_steps_can_be_scheduled(train_tiny, tmp_path, epochs):
    """42 images are one batch of 128: the steps are as many as the epochs."""
    found = train_tiny(tmp_path / "run", linear={"epochs": epochs}, graph={"epochs": epochs})
    assert log_of(found)[-1]["epoch"] == epochs


# settings that cannot be


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"head": "iml-gcn"}, "unknown head 'iml-gcn'; did you mean 'iml_gcn'"),
        ({"backbone": "test_efficientnett"}, "did you mean 'test_efficientnet'"),
        ({"sede": 1}, "unknown setting 'sede'; did you mean 'seed'"),
        ({"seed": "abc"}, "'seed'.*'abc'"),
        ({"threshold": "best"}, "threshold 'best' is not known"),
        ({"loss": {"name": "assymetric"}}, "did you mean 'asymmetric'"),
        ({"loss": {"options": {"gama_neg": 1}}}, "did you mean 'gamma_neg'"),
        ({"loss": {"options": {"gamma_neg": "x"}}}, "the head or the loss cannot be used"),
        ({"loss": {"options": {"reduction": "none"}}}, "training needs sum, batch or mean"),
        ({"head_options": {"hiden": 3}}, "did you mean 'hidden'"),
        ({"head_options": {"hidden": "x"}}, "the head or the loss cannot be used"),
        ({"head_options": {"hidden": 0}}, "the head or the loss cannot be used"),
        ({"head_options": {"embedding": "image_pcs"}}, "did you mean 'image_pca'"),
        ({"head_options": {"graph": "identiti"}}, "did you mean 'identity'"),
        ({"head_options": {"pooling": "sum"}}, "unknown pooling 'sum'"),
        ({"embedding": {"dimension": 100}}, "dimension 100 was asked for; take 1 to 4"),
        ({"preset": "big"}, "unknown preset 'big'"),
        ({"linear": {"learning_rate": 1e30}}, "."),
        ({"backbone": "test_vit", "size": 100, "weights": None}, "divisible by 16; 100 given"),
    ],
)
def test_a_setting_that_cannot_be_is_one_sentence_and_leaves_nothing(
    train_tiny, tmp_path, settings, message, monkeypatch
):
    monkeypatch.setattr(
        "imlgcn.models.backbones.load_from_hub", lambda name, build: build(pretrained=False)
    )
    with pytest.raises(InputError, match=message) as caught:
        train_tiny(tmp_path / "run", **settings)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_refusal_leaves_an_empty_folder_that_was_there_empty(train_tiny, tmp_path):
    (tmp_path / "run").mkdir()
    with pytest.raises(InputError, match="dimension"):
        train_tiny(tmp_path / "run", embedding={"dimension": 100})
    assert list((tmp_path / "run").iterdir()) == []


def test_a_wrong_setting_costs_an_earlier_run_nothing_even_when_it_is_to_be_replaced(
    train_tiny, own_tagger
):
    with pytest.raises(InputError, match="did you mean 'hidden'"):
        train_tiny(own_tagger, replace=True, head_options={"hiden": 3})
    assert Tagger.load(own_tagger).classifier()


def test_a_folder_with_a_run_is_refused_and_replaced_when_asked(train_tiny, own_tagger, tagger):
    with pytest.raises(InputError, match="is not empty"):
        train_tiny(own_tagger)
    assert Tagger.load(own_tagger).info == tagger.info
    assert train_tiny(own_tagger, replace=True, seed=1).info.sha256 != tagger.info.sha256


def test_the_preset_is_chosen_by_the_number_of_images_and_said(train_tiny, tmp_path, monkeypatch):
    said = Said()
    train_tiny(tmp_path / "small", head="linear", progress=said)
    assert "preset 'small' for 42 training images (--preset chooses)" in said.lines
    monkeypatch.setattr("imlgcn.pipeline.SMALL_DATA", 42)
    found = train_tiny(tmp_path / "paper", head="linear")
    assert config_of(found)["preset"] == "paper"
    assert found.info.image.fit == "squash"
    assert found.info.head.options["normalize"] is False


def test_every_stage_shows_its_progress(train_tiny, tmp_path):
    said = Said()
    train_tiny(tmp_path / "run", progress=said, whole=True)
    assert {"features", "linear head", "graph head", "bootstrap", "report"} <= set(said.stages)
    assert "72 images, 5 labels" in said.lines[0]
    assert "csv" in said.lines[0], "the reader that was chosen"


def test_the_demo_trains_and_shows_six_test_images(tmp_path, monkeypatch, shapes, weights):
    monkeypatch.setattr("imlgcn.pipeline.load_dataset", lambda *a, **k: load_dataset(shapes))
    settings = {"backbone": "test_efficientnet", "weights": str(weights), "size": 64}
    for _ in range(2):  # the second replaces the first
        found = demo(tmp_path / "demo", linear={"epochs": 1}, graph={"epochs": 1}, **settings)
    assert len(found.examples) == 6
    test = load_dataset(shapes).split("test")
    by_name = {record.name: list(record.labels) for record in test.records}
    for name, truth, tags in found.examples:
        assert sorted(by_name[name]) == truth
        assert tags == found.tagger(test.paths[list(by_name).index(name)])


@pytest.mark.slow
def test_the_demo_runs_on_its_own_data(tmp_path):
    found = demo(tmp_path / "demo")
    metrics = metrics_of(found.tagger)
    assert metrics["num_images"] == 438
    assert metrics["mAP"] > 55
    assert metrics["control"]["mAP"] > 55
