"""The hub's layout, read by a small client of transformers' conventions.

The client is written from transformers' pages "Configuration" (`id2label` has numbers as text,
`problem_type`), "Image processors" (the fields of preprocessor_config.json) and "Pipelines" (image
classification: the sigmoid of each logit where the problem is multi-label, else softmax), and from
those of Optimum and Transformers.js, which say where `onnx/model.onnx` is and what its tensors are
called. It first reads a folder made by hand, with the preprocessor_config.json that ViT publishes.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image, ImageOps

from imlgcn import Tagger, export
from imlgcn.exporting.layouts.public_files import without_metadata

pytestmark = pytest.mark.thorough

VIT = {  # preprocessor_config.json of google/vit-base-patch16-224, as published
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_processor_type": "ViTImageProcessor",
    "image_std": [0.5, 0.5, 0.5],
    "resample": 2,
    "rescale_factor": 0.00392156862745098,
    "size": {"height": 224, "width": 224},
}


class Client:
    """Reads a folder as the hub has it, without imlgcn."""

    def __init__(self, folder: Path) -> None:
        import onnxruntime

        self.config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.processor = json.loads((folder / "preprocessor_config.json").read_text("utf-8"))
        self.session = onnxruntime.InferenceSession(str(folder / "onnx" / "model.onnx"))
        labels = {int(number): name for number, name in self.config["id2label"].items()}
        assert {name: number for number, name in labels.items()} == self.config["label2id"]
        self.labels = [labels[number] for number in range(len(labels))]

    def pixel_values(self, image: Image.Image) -> np.ndarray:
        p = self.processor
        size = p["size"]["width"], p["size"]["height"]
        image = image.convert("RGB")
        if p.get("do_pad"):
            image = ImageOps.pad(image, size, p["resample"], tuple(p["pad_color"]))
        elif p["do_resize"]:
            image = image.resize(size, p["resample"])
        values = np.asarray(image, np.float32)
        if p["do_rescale"]:
            values = values * p["rescale_factor"]
        if p["do_normalize"]:
            values = (values - p["image_mean"]) / p["image_std"]
        return values.transpose(2, 0, 1)[None].astype(np.float32)

    def scores(self, image: Image.Image) -> np.ndarray:
        (logits,) = self.session.run(["logits"], {"pixel_values": self.pixel_values(image)})
        if self.config.get("problem_type") == "multi_label_classification":
            return 1 / (1 + np.exp(-logits[0]))
        return np.exp(logits[0]) / np.exp(logits[0]).sum()

    def tags(self, image: Image.Image) -> set[str]:
        scores = self.scores(image)
        return {name for name, score in zip(self.labels, scores, strict=True) if score >= 0.5}


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory) -> Path:
    """A network whose logits are twice the means of the channels, red, green and blue."""
    from onnx import TensorProto, helper, save_model

    folder = tmp_path_factory.mktemp("by_hand")
    names = {"0": "red", "1": "green", "2": "blue"}
    config = {
        "model_type": "vit",
        "problem_type": "multi_label_classification",
        "id2label": names,
        "label2id": {name: int(number) for number, name in names.items()},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text(json.dumps(VIT))
    weights = helper.make_tensor("w", TensorProto.FLOAT, (3, 3), np.eye(3).ravel() * 2)
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["pixel_values"], ["means"]),
            helper.make_node("Flatten", ["means"], ["flat"]),
            helper.make_node("MatMul", ["flat", "w"], ["logits"]),
        ],
        "by_hand",
        [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["b", 3, 224, 224])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["b", 3])],
        [weights],
    )
    (folder / "onnx").mkdir()
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    save_model(model, folder / "onnx" / "model.onnx")
    return folder


@pytest.fixture(scope="session")
def layout(once, onnx_folder, shapes) -> Path:
    """The tagger of the tests in the hub's layout; its label table hides one and names another."""
    from imlgcn.tagger.folder import LABEL_TABLE

    def make(folder: Path) -> None:
        import shutil

        shutil.copytree(onnx_folder, folder / "tagger")
        rows = "label,show,name,parents\ncircle,,,dark\nred,,Rot,\nsquare,no,,\n"
        (folder / "tagger" / LABEL_TABLE).write_text(rows, encoding="utf-8")
        export(folder / "tagger", layout="hf", out=folder / "out", calibration=shapes)

    return once("hub_layout", make)


def test_the_client_reads_a_folder_made_by_hand(by_hand):
    client = Client(by_hand)
    image = Image.new("RGB", (30, 20), (255, 0, 191))  # normalised: 1, -1 and about 0.5
    np.testing.assert_allclose(
        client.scores(image), [1 / (1 + np.exp(-2)), 1 / (1 + np.exp(2)), 0.7306], atol=1e-3
    )
    assert client.tags(image) == {"red", "blue"}


def test_the_client_gives_the_tags_of_the_tagger(layout, shapes):
    client, tagger = Client(layout / "out"), Tagger.load(layout / "tagger")
    found = 0
    for path in sorted(shapes.parent.glob("*.png")):
        wanted = {tagger.label_table.name_of(tag.label) for tag in tagger(path)}
        with Image.open(path) as image:
            assert client.tags(image) == wanted, path.name
        found += len(wanted)
    assert found > 100  # so that it says something
    assert client.labels == ["blue", "circle", "dark", "Rot"]


def test_the_folder_of_the_layout_is_a_tagger(layout, shapes):
    wanted, found = Tagger.load(layout / "tagger"), Tagger.load(layout / "out")
    images = sorted(shapes.parent.glob("*.png"))[:12]
    assert found.engine.name == "onnxruntime"
    assert found(images) == wanted(images)


def test_no_other_architecture_is_claimed(layout):
    config = json.loads((layout / "out" / "config.json").read_text(encoding="utf-8"))
    assert config["model_type"] == "imlgcn"
    assert not {"architectures", "architecture", "auto_map"} & set(config)  # code, or a wrong class


def test_the_learnt_images_are_taken_out_of_the_file_and_nothing_else(onnx_file, tmp_path):
    import onnx

    before = onnx.load(onnx_file)
    kept = {entry.key: entry.value for entry in before.metadata_props}
    assert "learnt_images" in kept
    after = onnx.load_from_string(without_metadata(onnx_file.read_bytes(), {"learnt_images"}))
    left = {entry.key: entry.value for entry in after.metadata_props}
    assert left == {key: value for key, value in kept.items() if key != "learnt_images"}
    del before.metadata_props[:], after.metadata_props[:]
    assert before == after


def test_the_card_of_the_layout_has_a_head_that_the_hub_can_read(layout):
    from huggingface_hub import ModelCard

    text = (layout / "out" / "README.md").read_text(encoding="utf-8")
    card = ModelCard(text, ignore_metadata_errors=False)
    assert (card.data.license, card.data.pipeline_tag) == ("unknown", "image-classification")
    head = yaml.safe_load(text.split("---\n")[1])
    (results,) = head["model-index"][0]["results"]
    measured = json.loads((layout / "out" / "metrics.json").read_text())
    assert results["metrics"][0]["value"] == round(measured["mAP"], 2)
