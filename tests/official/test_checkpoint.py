"""Checkpoints under official names become taggers whose logits are those of the published code.

The heads are proven against the golden files; here the whole path: file, backbone, labels, tagger.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from imlgcn.cli import commands
from imlgcn.data.dataset import load_dataset
from imlgcn.errors import InputError
from imlgcn.evaluation import evaluate
from imlgcn.labels.context import LabelContext
from imlgcn.labels.known_names import COCO, VOC, label_names
from imlgcn.models import PixelInput, create_head
from imlgcn.official.checkpoint import import_checkpoint
from imlgcn.official.sources import SOURCES
from imlgcn.pipeline import train
from imlgcn.tagger import Tagger
from official_states import (
    HEADS,
    head_state,
    resnet,
    resnet_maps,
    resnet_state,
    tresnet,
    tresnet_state,
)
from thorough import thorough_but

from .conftest import SMALL, C, L, files_beside, save_csra, write_names


def expected_logits(system: str, state, maps, given) -> torch.Tensor:
    """Return the logits of a head that is proven against the golden file."""
    source = SOURCES[system]
    vectors = torch.from_numpy(np.load(given["words"])) if "words" in given else None
    extra = {"ml_gcn": {"nodes": vectors}, "ssgrl": {"word_features": vectors}}.get(system, {})
    if "graph" in given:
        extra["matrix"] = torch.from_numpy(np.load(given["graph"]))
    context = LabelContext.named([f"{i}" for i in range(L)])
    if vectors is not None:
        context = context.with_embeddings(words=vectors.numpy())
    head = create_head(source.head, C, context, preset="paper", **source.options(state)).eval()
    head.load_state_dict(source.convert(state, **extra))
    return head(maps)


@torch.no_grad()
@pytest.mark.parametrize(
    "system", thorough_but(("ml_gcn", "ml_decoder"), [name for name in SOURCES if name != "asl"])
)
def test_a_checkpoint_on_a_resnet_scores_as_its_parts_do(system, tmp_path):
    model = resnet("resnet18")
    head = head_state(system, L, C, **SMALL.get(system, {}))
    if system == "ml_decoder":  # on a ResNet it takes the place of `fc`
        head = {key.replace("head.", "fc.", 1): value for key, value in head.items()}
        trunk = {k: v for k, v in model.state_dict().items() if not k.startswith("fc.")}
    else:
        trunk = resnet_state(system, model)
    path = tmp_path / "model_best.pth.tar"
    state = {f"module.{key}": value for key, value in {**trunk, **head}.items()}
    torch.save({"epoch": 3, "best_score": np.float64(81.2), "state_dict": state}, path)
    given = files_beside(system, tmp_path)

    names = write_names(tmp_path)
    tagger = import_checkpoint(path, system, tmp_path / "out", data_names=names, size=64, **given)
    pixels = torch.randint(256, (2, 64, 64, 3), dtype=torch.uint8)
    images = PixelInput(tagger.info.image)(pixels)
    expected = expected_logits(system, {**head}, resnet_maps(model, images), given)
    network = Tagger.load(tagger.path).classifier().eval()
    torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-4)
    folded = tagger.engine.logits(pixels.numpy())
    np.testing.assert_allclose(folded, expected.numpy(), rtol=1e-4, atol=1e-4)
    assert tagger.labels == tuple(f"thing {i}" for i in range(L))


@torch.no_grad()
@pytest.mark.parametrize("system", thorough_but(("asl",), ["asl", "ml_decoder", "query2label"]))
def test_a_checkpoint_on_a_tresnet_in_the_original_layout(system, tmp_path):
    model = tresnet()
    L = 80 if system == "asl" else 7
    head = head_state(system, L, 2048, **SMALL.get(system, {}))
    prefix = "backbone.0.body." if system == "query2label" else ""
    trunk = {f"{prefix}{key}": value for key, value in tresnet_state(model).items()}
    path = tmp_path / "TRresNet_M.pth"
    torch.save({"model": {**trunk, **head}, "num_classes": L}, path)
    names = "coco" if system == "asl" else write_names(tmp_path)
    tagger = import_checkpoint(path, system, tmp_path / "out", data_names=names, size=64)

    network = tagger.classifier().eval()
    images = torch.rand(1, 3, 64, 64)
    maps = model(images)
    torch.testing.assert_close(network.backbone(images), maps, rtol=1e-4, atol=1e-4)
    if system == "asl":
        weight, bias = head["head.fc.weight"], head["head.fc.bias"]
        torch.testing.assert_close(network(images), maps.mean((2, 3)) @ weight.T + bias)
        assert tagger.labels == COCO
    image = tagger.info.image
    assert (image.mean, image.std, image.fit) == ((0, 0, 0), (1, 1, 1), "squash")


@pytest.mark.slow
@pytest.mark.parametrize("system", HEADS)
def test_a_checkpoint_of_the_published_size_loads(system, tmp_path):
    L, trunk = 80, resnet_state(system, resnet("resnet101")) if system in resnet_systems() else None
    state = head_state(system, L, 2048) | (trunk or tresnet_state(tresnet()))
    path = tmp_path / "published.pth"
    torch.save(state, path)
    given = {}
    for need in SOURCES[system].needs:
        given[need] = tmp_path / f"{need}.npy"
        np.save(given[need], np.random.default_rng(0).random((L, 300 if need == "words" else L)))
    tagger = import_checkpoint(path, system, tmp_path / "out", data_names="coco", **given)
    assert tagger.labels == label_names("coco", alphabetical=system == "ml_gcn")
    parameters = sum(value.numel() for value in tagger.classifier().parameters())
    published = {
        "asl": 29_503_952,
        "ml_decoder": 36_490_704,  # without the queries, which are not trained
        "ml_gcn": 44_904_512,
        "ssgrl": 92_270_737,
        "c_tran": 118_397_072,
        "query2label": 198_103_184,
        "csra": 43_155_520,
    }
    assert parameters == published[system]


def resnet_systems() -> set[str]:
    return set(HEADS) - {"asl", "ml_decoder"}


# --- labels ---------------------------------------------------------------------------------------


def test_the_names_are_those_that_torchvision_lists_for_its_detectors():
    from torchvision.models._meta import _COCO_CATEGORIES, _VOC_CATEGORIES

    assert tuple(n for n in _COCO_CATEGORIES if n not in ("N/A", "__background__")) == COCO
    assert tuple(n for n in _VOC_CATEGORIES if n != "__background__") == VOC


def test_ml_gcn_has_coco_in_alphabetical_order_and_the_others_by_category_id():
    assert label_names("coco", alphabetical=True).index("person") == 49
    assert label_names("coco").index("person") == 0
    assert [name for name, source in SOURCES.items() if source.alphabetical] == ["ml_gcn"]
    assert label_names("vg500", alphabetical=True)[10] == "category 10"  # numbers, not letters


def test_names_stored_in_the_checkpoint_are_taken_in_the_order_of_their_numbers(tmp_path):
    path = save_csra(tmp_path, extra={"idx_to_class": {1: "b", 0: "c", 2: "a"}}, labels=3)
    tagger = import_checkpoint(path, "csra", tmp_path / "out", size=64)
    assert tagger.labels == ("c", "b", "a")


# --- what a tagger of it can do -------------------------------------------------------------------


@pytest.fixture(scope="module")
def imported(tmp_path_factory, shapes) -> Tagger:
    """A CSRA checkpoint whose labels are those of the drawn shapes."""
    folder = tmp_path_factory.mktemp("imported")
    names = folder / "names.txt"
    names.write_text("red\nblue\nsquare\ncircle\ndark\n")
    torch.manual_seed(0)
    path = save_csra(folder, labels=5)
    return import_checkpoint(path, "csra", folder / "out", data_names=names, size=64)


def test_it_tags_and_is_evaluated_with_the_published_threshold(imported, shapes):
    assert imported.thresholds.tolist() == [0.5] * 5
    inputs = imported.load_input(shapes.parent / "00.png")[None]
    logits = imported.engine.logits(inputs)
    np.testing.assert_allclose(imported.probabilities(inputs), 1 / (1 + np.exp(-logits)), rtol=1e-6)
    metrics = evaluate(imported, load_dataset(str(shapes)), split="test")
    assert metrics["num_images"] == 12


def test_thresholds_cannot_be_fitted_without_validation_scores(imported):
    assert imported.thresholds_for("0.7").tolist() == [0.7] * 5
    with pytest.raises(InputError, match=r"imported.*no held-out scores.*threshold=0\.5"):
        imported.thresholds_for("f1")


def test_pixels_come_as_in_the_published_code_also_when_training_goes_on(imported):
    image = imported.info.image
    assert (image.size, image.mean, image.std, image.fit) == (64, (0, 0, 0), (1, 1, 1), "squash")
    assert imported.classifier().backbone.image_settings == image


def test_it_says_where_it_came_from(imported):
    origin = json.loads((imported.path / "model.json").read_text())["origin"]
    assert (origin["system"], origin["file"], len(origin["sha256"])) == ("csra", "csra.pth", 64)


def test_an_option_that_no_file_holds_can_be_given(tmp_path):
    path = save_csra(tmp_path)
    names = str(write_names(tmp_path))
    command = ["import", str(path), "--from", "csra", "--data-names", names, "--size", "64"]
    command += ["--out", str(tmp_path / "out"), "--set", "lam=0.1"]
    result = CliRunner().invoke(commands(), command)
    assert result.exit_code == 0, result.output
    assert Tagger.load(tmp_path / "out").info.head.options["lam"] == 0.1
    assert "imlgcn predict" in result.output


@pytest.mark.thorough
def test_training_goes_on_from_it(imported, shapes, tmp_path):
    quick = {"linear_training": {"epochs": 1}, "head_training": {"epochs": 1}}
    tagger = train(str(shapes), tmp_path / "on", start=imported.path, **quick)
    assert tagger.info.head.name == "csra"
    assert tagger.info.image.mean == (0, 0, 0)
