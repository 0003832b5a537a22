"""The tagger folder: what it holds, and that it tags as trained."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from imlgcn.data.dataset import load_dataset
from imlgcn.data.images import ImageError
from imlgcn.errors import InputError
from imlgcn.files import sha256_file
from imlgcn.image_settings import ImageSettings
from imlgcn.labels.context import LabelContext
from imlgcn.models import MultiLabelClassifier, create_backbone, create_head
from imlgcn.tagger import (
    LabelCalibration,
    Part,
    Tag,
    Tagger,
    TaggerInfo,
    load_classifier,
    save_tagger,
)
from imlgcn.tagger.scores import Scores

FILES = {
    "model.safetensors",
    "model.json",
    "config.yaml",
    "metrics.json",
    "log.jsonl",
    "predictions.parquet",
    "report.html",
    "support.parquet",
    "learnt-images.bin",
    "label-table.csv",
}


# what is in the folder


def test_the_folder_holds_all_that_the_design_names_and_nothing_else(tagger):
    assert {path.name for path in tagger.path.iterdir()} == FILES


def test_no_file_of_the_folder_is_a_pickle_or_an_archive(tagger):
    for path in tagger.path.rglob("*"):
        head = path.read_bytes()[:2]
        assert not zipfile.is_zipfile(path), f"{path}: torch.save writes zips"
        assert head[:1] != b"\x80", f"{path}: a pickle begins with its protocol"


def test_the_description_is_complete(tagger, weights):
    info = json.loads((tagger.path / "model.json").read_text())
    assert info["format"] == 2
    assert info["labels"] == ["blue", "circle", "dark", "red", "square"]
    assert info["backbone"]["name"] == "test_efficientnet"
    assert info["backbone"]["weights"] == f"file:{sha256_file(weights)}"
    assert info["head"]["name"] == "iml_gcn"
    assert info["head"]["options"]["embedding"] == "image_pca"
    assert info["head"]["options"]["threshold"] == 0.4, "the complete options, not only those given"
    assert info["image"]["size"] == 64
    assert info["sha256"]["model.safetensors"] == sha256_file(tagger.path / "model.safetensors")
    assert info["metrics"]["protocol"] == "default"
    assert info["versions"].keys() >= {"imlgcn", "torch", "timm"}
    assert sum(info["calibration"]["positives"]) > 0


def test_the_weights_hold_graph_embeddings_and_counts_of_what_was_learnt(tagger, shapes):
    data = load_dataset(shapes)
    learnt = [i for i, record in enumerate(data.records) if record.split != "test"]
    train = data.targets[learnt] == 1
    _, context = load_classifier(tagger.path)
    np.testing.assert_array_equal(context.occurrences, train.sum(axis=0))
    np.testing.assert_array_equal(context.pair_counts, train.T.astype(int) @ train)
    assert context.num_images == 42 + 18
    assert {"image", "image_pca"} <= set(context.embeddings)
    names = set(tagger.classifier().state_dict())
    assert {"head.nodes", "head.adjacency", "head.gc1.weight"} <= names, "not folded"


# tagging


def test_a_loaded_tagger_scores_as_in_training(tagger, shapes):
    test = load_dataset(shapes).split("test")
    scored = Scores(tagger.path / "predictions.parquet", tagger.labels).split("test")
    loaded = Tagger.load(tagger.path)
    inputs = np.stack([loaded.load_input(path) for path in test.paths])
    np.testing.assert_allclose(loaded.probabilities(inputs), scored.probabilities, atol=1e-5)
    assert list(scored.images) == [record.name for record in test.records]


def test_folding_changes_no_score(tagger):
    images = torch.randn(4, 3, 64, 64)
    with torch.no_grad():
        whole, folded = tagger.classifier().eval()(images), tagger.folded()(images)
    torch.testing.assert_close(folded, whole, atol=1e-5, rtol=1e-5)
    assert not hasattr(tagger.folded().head, "gc1")


def test_an_image_gets_the_same_tags_as_path_text_bytes_stream_and_picture(tagger, photo):
    wanted = tagger(photo, threshold="0")
    assert len(wanted) == 5
    assert tagger(str(photo), threshold="0") == wanted
    assert tagger(photo.read_bytes(), threshold="0") == wanted
    assert tagger(io.BytesIO(photo.read_bytes()), threshold="0") == wanted
    assert tagger(Image.open(photo).convert("RGB"), threshold="0") == wanted


def test_tags_are_the_labels_at_or_above_their_threshold_most_probable_first(tagger):
    row = np.array([0.2, 0.9, 0.5, 0.95, 0.49])
    found = tagger.tags(row, np.array([0.1, 0.91, 0.5, 0.3, 0.5]))
    assert found == [Tag("red", 0.95, 0.3), Tag("dark", 0.5, 0.5), Tag("blue", 0.2, 0.1)]
    assert tagger.tags(np.zeros(5)) == []


def test_tags_are_plain_numbers_for_json(tagger, photo):
    assert json.loads(json.dumps(tagger(photo, threshold="0")))[0][0] in tagger.labels


def test_an_unreadable_image_is_an_error_that_names_it(tagger, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"bad\.png"):
        tagger(tmp_path / "bad.png")


# thresholds


def test_the_stored_goal_gives_the_stored_thresholds(tagger):
    np.testing.assert_array_equal(tagger.thresholds_for(None), tagger.thresholds)
    np.testing.assert_array_equal(tagger.thresholds_for("f1"), tagger.info.calibration.threshold)


@pytest.mark.parametrize("goal", ["0.3", "1", "0"])
def test_a_number_is_every_label_s_threshold_and_needs_no_scores(own_tagger, goal):
    (own_tagger / "predictions.parquet").unlink()
    found = Tagger.load(own_tagger).thresholds_for(goal)
    np.testing.assert_array_equal(found, np.full(5, float(goal)))


def test_a_wanted_recall_or_precision_is_reached_on_validation(tagger):
    scored = Scores(tagger.path / "predictions.parquet", tagger.labels).split("val")
    positive = scored.targets == 1

    def measure(goal):
        said = scored.probabilities >= tagger.thresholds_for(goal)
        hits = (said & positive).sum()
        return hits / said.sum(), hits / positive.sum()

    assert measure("recall=1")[1] == 1
    assert measure("recall=0.9")[1] >= 0.85  # shrunk toward the shared one: near it for all labels
    assert measure("precision=0.9")[0] > measure("recall=0.9")[0]
    low, high = tagger.thresholds_for("recall=0.9"), tagger.thresholds_for("precision=0.9")
    assert (low <= high).all()


def test_another_goal_asked_in_capitals_is_the_stored_one(tagger):
    np.testing.assert_allclose(tagger.thresholds_for("F1"), tagger.thresholds, atol=1e-6)


def test_an_unknown_goal_is_refused(tagger, photo):
    for call in (tagger.thresholds_for, lambda goal: tagger(photo, threshold=goal)):
        with pytest.raises(InputError, match="unknown threshold 'best'"):
            call("best")


def test_a_goal_that_needs_scores_says_where_they_were(own_tagger):
    (own_tagger / "predictions.parquet").unlink()
    with pytest.raises(InputError, match=r"predictions\.parquet is missing"):
        Tagger.load(own_tagger).thresholds_for("recall=0.9")


def test_the_way_images_are_fitted_is_stored(train_tiny, tmp_path, tagger):
    squashed = train_tiny(tmp_path / "squashed", head="linear", fit="squash")
    assert squashed.info.image.fit == "squash"
    assert Tagger.load(tagger.path).info.image == ImageSettings(
        size=64, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), fit="pad"
    )
    wide = Image.new("RGB", (90, 30), (0, 0, 0))
    assert squashed.load_input(wide).max() == 0
    assert tagger.load_input(wide).max() == 255, "white above"


def test_a_head_that_can_use_known_labels_returns_them_and_moves_the_others(tmp_path):
    torch.manual_seed(0)
    names = ("cat", "dog", "tree")
    context = LabelContext.placeholder(3)
    context = replace(context, names=names)
    backbone = create_backbone("test_efficientnet", pretrained=False, size=32)
    head = create_head("c_tran", backbone.out_channels, context)
    calibration = LabelCalibration(
        slope=[1.0] * 3, intercept=[0.0] * 3, threshold=[0.5] * 3, positives=[1] * 3
    )
    info = TaggerInfo(
        labels=list(names),
        backbone=Part(name="test_efficientnet"),
        head=Part(name="c_tran"),
        image=ImageSettings(size=32),
        calibration=calibration,
    )
    tagger = save_tagger(tmp_path, MultiLabelClassifier(backbone, head), context, info)
    inputs = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    free = tagger.probabilities(inputs)
    told = tagger.probabilities(inputs, tagger.known_row({"dog": 1, "tree": 0}))
    assert told[:, 1].tolist() == [1, 1]
    assert told[:, 2].tolist() == [0, 0]
    assert np.abs(told[:, 0] - free[:, 0]).min() > 1e-6
    with pytest.raises(InputError, match="unknown label 'dgo'; did you mean 'dog'"):
        tagger.known_row({"dgo": 1})
    with pytest.raises(InputError, match=r"a known label is 1 .* got 'dog'"):
        tagger.known_row({"dog": 2})


def test_the_folder_of_a_linear_head_tells_which_vectors_are_its_labels(untrained):
    tagger = untrained("linear")
    weight = tagger.classifier().head.linear.weight.detach().numpy()
    np.testing.assert_array_equal(tagger.folder.label_vectors, weight)
    assert tagger.folder.graph is None


def test_the_folder_of_a_graph_head_holds_its_graph(untrained):
    tagger = untrained("iml_gcn")
    graph = tagger.classifier().head.adjacency.numpy()
    np.testing.assert_array_equal(tagger.folder.graph, graph)
    assert tagger.folder.label_vectors is None
