"""Settings that cannot be, folders that are taken, and what a run says of itself."""

from __future__ import annotations

import pytest

from imlgcn.data.dataset import load_dataset
from imlgcn.demonstration import demo
from imlgcn.errors import InputError
from imlgcn.tagger import Tagger
from runs import LABELS, Said, config_of, metrics_of


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"head": "iml-gcn"}, "unknown head 'iml-gcn'; did you mean 'iml_gcn'"),
        ({"backbone": "test_efficientnett"}, "did you mean 'test_efficientnet'"),
        ({"sede": 1}, "unknown setting 'sede'; did you mean 'seed'"),
        ({"seed": "abc"}, "'seed'.*'abc'"),
        ({"threshold": "best"}, "unknown threshold 'best'"),
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
        (
            {"label_embeddings": {"dimension": 100}},
            "dimension must be 1 to 4, or none for all; got 100",
        ),
        ({"preset": "big"}, "unknown preset 'big'"),
        ({"linear_training": {"learning_rate": 1e30}}, "."),
        ({"backbone": "test_vit", "size": 100, "weights": None}, "divisible by 16; got 100"),
    ],
)
def test_a_setting_that_cannot_be_is_one_sentence_and_leaves_nothing(
    train_tiny, tmp_path, settings, message, monkeypatch
):
    monkeypatch.setattr(
        "imlgcn.models.create.load_from_hub", lambda name, build: build(pretrained=False)
    )
    with pytest.raises(InputError, match=message) as caught:
        train_tiny(tmp_path / "run", **settings)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_refusal_leaves_an_empty_folder_that_was_there_empty(train_tiny, tmp_path):
    (tmp_path / "run").mkdir()
    with pytest.raises(InputError, match="dimension"):
        train_tiny(tmp_path / "run", label_embeddings={"dimension": 100})
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
    assert "preset 'small' for 42 training images (preset= chooses)" in said.lines
    monkeypatch.setattr("imlgcn.training.resolve.SMALL_DATA", 42)
    found = train_tiny(tmp_path / "paper", head="linear")
    assert config_of(found)["preset"] == "paper"
    assert found.info.image.fit == "squash"
    assert found.info.head.options["normalize"] is False


def test_every_stage_shows_its_progress(train_tiny, tmp_path):
    said = Said()
    train_tiny(tmp_path / "run", progress=said, whole=True)
    assert {"features", "linear head", "iml_gcn head", "bootstrap", "report"} <= set(said.stages)
    assert "72 images, 5 labels" in said.lines[0]
    assert "csv" in said.lines[0], "the reader that was chosen"


def test_the_demo_trains_and_shows_six_test_images(
    tmp_path, monkeypatch, rewrite, weights, quick_runs
):
    table = rewrite(lambda row: row, name="labels.csv")
    monkeypatch.setattr("imlgcn.data.openclipart.unpack", lambda **_: table.parent)
    settings = {"backbone": "test_efficientnet", "weights": str(weights), "size": 64}
    settings |= {"linear_training": {"epochs": 1}, "head_training": {"epochs": 1}}
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # in its own folder the second replaces the first
        found = demo(**settings)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.json").touch()
    with pytest.raises(InputError, match="is not empty"):
        demo(tmp_path / "mine", **settings)
    assert (tmp_path / "mine" / "model.json").is_file()
    assert found.tagger.labels == LABELS, "the data are the shapes"
    assert len(found.examples) == 6
    test = load_dataset("openclipart").split("test")
    by_name = {record.name: list(record.labels) for record in test.records}
    for name, truth, tags in found.examples:
        assert sorted(by_name[name]) == truth
        assert tags == found.tagger(test.paths[list(by_name).index(name)])


@pytest.mark.slow
def test_the_demo_runs_on_its_own_data(tmp_path):
    found = demo(tmp_path / "demo")
    metrics = metrics_of(found.tagger)
    assert metrics["num_images"] == 457
    assert metrics["mAP"] > 55
    assert metrics["control"]["mAP"] > 55


def test_a_missing_file_of_label_vectors_is_found_out_before_anything_is_trained(
    train_tiny, tmp_path, monkeypatch
):
    monkeypatch.setattr("imlgcn.training.system.train_head", None)  # cannot be called
    with pytest.raises(InputError, match="no file of word vectors"):
        train_tiny(
            tmp_path / "a", head="ml_gcn", label_embeddings={"words": str(tmp_path / "none.txt")}
        )
    assert not (tmp_path / "a").exists()


def test_label_vectors_that_no_head_takes_are_said_to_be_unused(train_tiny, tmp_path):
    said = Said()
    vectors = tmp_path / "vectors.json"
    vectors.write_text('{"red": [1, 2]}')
    options = {"label_embeddings": {"words": str(vectors)}, "progress": said}
    train_tiny(tmp_path / "a", head="linear", **options)
    assert any(
        "words= are not used: linear does not use word vectors" in line for line in said.lines
    )
