"""Training that goes on from a tagger: labels by name, its backbone, the new options."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch
from PIL import Image

from imlgcn.errors import InputError
from runs import config_of, scores_of

STILL = {"learning_rate": 1e-12, "weight_decay": 0.0, "epochs": 1}  # trains without moving anything
STAY = {"linear": STILL, "graph": STILL}


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
    tagger, linear_tagger, train_tiny, tmp_path, rewrite, old_head
):
    """`blue` becomes `aqua`, and `aqua` sorts where `blue` stood: the count is the same."""
    start = tagger if old_head == "iml_gcn" else linear_tagger
    data = rewrite(lambda row: (row[0], row[1].replace("blue", "zebra"), row[2]))
    again = train_tiny(tmp_path / "again", data, start=start.path, head="linear", **STAY)
    assert again.labels == ("circle", "dark", "red", "square", "zebra", "blue")
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
    fresh = train_tiny(tmp_path / "fresh", data, **STAY)
    ours, expected = (tagger.classifier().head.state_dict() for tagger in (again, fresh))
    for name in ("nodes", "adjacency", "gc1.weight", "gc2.weight"):
        # beside the head are the labels of the older tagger that the data lack
        torch.testing.assert_close(ours[f"head.{name}"], expected[name], msg=name)


def test_the_label_graph_is_that_of_the_new_data_and_options(tagger, train_tiny, tmp_path):
    options = {"graph": "identity"}
    again = train_tiny(tmp_path / "again", start=tagger.path, head_options=options, **STAY)
    assert torch.equal(again.classifier().head.adjacency, torch.eye(5))
    assert again.info.head.options["graph"] == "identity"


@pytest.mark.parametrize(
    ("old", "new"), [("linear", "iml_gcn"), ("iml_gcn", "mlp"), ("iml_gcn", "linear")]
)
@pytest.mark.thorough
def test_going_on_with_another_head_takes_that_head_s_own_options(
    tagger, linear_tagger, train_tiny, tmp_path, old, new
):
    start = tagger if old == "iml_gcn" else linear_tagger
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
    assert again.load_input(Image.new("RGB", (70, 50))).shape == (48, 48, 3)


def test_going_on_needs_a_whole_tagger(train_tiny, tmp_path, own_tagger):
    with pytest.raises(InputError, match="takes the folder that training wrote"):
        train_tiny(tmp_path / "run", start=tmp_path / "nowhere")
    (own_tagger / "model.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="missing or changed"):
        train_tiny(tmp_path / "run", start=own_tagger)
    assert not (tmp_path / "run").exists()


def test_images_keep_the_split_of_the_old_run_when_the_data_has_none(train_tiny, tmp_path, rewrite):
    numbers = iter(range(72))
    some = rewrite(
        lambda row: row[:2] if next(numbers) < 60 else None, ("image", "labels"), "a.csv"
    )
    everything = rewrite(lambda row: row[:2], ("image", "labels"), "b.csv")
    old = train_tiny(tmp_path / "old", some, head="linear", **STAY)
    new = train_tiny(tmp_path / "new", everything, start=old.path, seed=5, head="linear", **STAY)
    before, after = (read_splits(run.path / "split.csv") for run in (old, new))
    assert len(before) == 60
    assert len(after) == 72
    assert before.items() <= after.items()


def read_splits(path):
    with path.open(newline="", encoding="utf-8") as file:
        return {row["image"]: row["split"] for row in csv.DictReader(file)}
