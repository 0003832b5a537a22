"""A run is resolved once: the same words give the same run, whoever says them."""

from __future__ import annotations

import pytest
import yaml

from imlgcn.data.source import DataSource
from imlgcn.errors import InputError
from imlgcn.training.resolve import plan_run, spell_out


@pytest.fixture
def old_run(tmp_path):
    """The settings of an earlier run, as a tagger folder holds them."""
    folder = tmp_path / "old"
    folder.mkdir()
    content = {
        "data": "old.csv",
        "head": "ml_gcn",
        "head_options": {"graph": "identity"},
        "head_training": {"epochs": 7},
        "seed": 5,
        "size": 96,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return folder


@pytest.fixture
def file(tmp_path):
    def write(**content):
        path = tmp_path / "settings.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    return write


def test_each_layer_wins_over_the_ones_before_it(old_run, file):
    """Preset < head < device < old run < file < arguments, key by key."""
    config = file(size=128, head_training={"batch_size": 9})
    plan = plan_run("new.csv", {"head_training": {"epochs": 3}}, config=config, start=old_run)
    found = plan.settings("paper")
    assert found.head_training.epochs == 3  # arguments
    assert found.head_training.batch_size == 9  # file
    assert (found.size, found.seed) == (128, 5)  # file over old run; old run
    assert found.fit == "squash"  # preset
    assert found.head_options["graph"] == "identity"  # old run


@pytest.mark.parametrize("source", ["arguments", "file"])
def test_a_short_name_means_the_same_wherever_it_is_said(source, file):
    words = {"head": "iml_gcn", "graph": "identity", "embedding": "image", "epochs": 2}
    words |= {"words": "vectors.json"}
    given = (words, None) if source == "arguments" else ({}, file(**words))
    found = plan_run("a.csv", given[0], config=given[1]).settings()
    assert (found.head_options["graph"], found.head_options["embedding"]) == ("identity", "image")
    assert found.label_embeddings.words == "vectors.json"
    epochs = (found.linear_training.epochs, found.head_training.epochs, found.fine_tuning.epochs)
    assert epochs == (2, 2, 2)


def test_a_long_name_wins_over_a_short_one_of_the_same_layer():
    layer = spell_out({"epochs": 2, "head_training": {"epochs": 4}})
    assert layer["head_training"]["epochs"] == 4
    assert layer["linear_training"]["epochs"] == 2


def test_what_another_head_was_given_is_not_for_this_one(old_run):
    found = plan_run("a.csv", {"head": "mlp"}, start=old_run).settings()
    assert "graph" not in found.head_options
    assert found.head_training.epochs != 7
    assert found.seed == 5


def test_a_gpu_only_changes_what_was_not_said(monkeypatch, file):
    """With a GPU fine-tuning is the default; settings and arguments stand over it."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert plan_run("a.csv", {}).settings().fine_tune
    assert not plan_run("a.csv", {"device": "cpu"}).settings().fine_tune
    assert not plan_run("a.csv", {"fine_tune": False}).settings().fine_tune
    assert not plan_run("a.csv", {}, config=file(fine_tune=False)).settings().fine_tune


def test_how_data_is_read_comes_from_the_arguments_then_the_file(file):
    config = file(data="other.csv", reader="csv", delimiter="|")
    plan = plan_run("photos.csv", {"delimiter": ";"}, config=config)
    assert plan.data == DataSource("photos.csv", "csv", None, ";")
    assert plan.to_config() == {"data": "photos.csv", "reader": "csv", "delimiter": ";"}


def test_a_plan_says_where_it_starts(old_run, file):
    plan = plan_run("a.csv", {}, config=file(**{"from": str(old_run)}))
    assert plan.start == old_run
    assert plan.to_config() == {"data": "a.csv", "from": str(old_run)}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"grahp": "identity"}, "unknown setting 'grahp'; did you mean 'graph'"),
        ({"data": "x"}, "unknown setting 'data'"),
        ({"head": "lienar"}, "unknown head 'lienar'; did you mean 'linear'"),
        ({"device": "gpu"}, "device= takes auto, cpu, cuda"),
        ({"preset": "smal"}, "unknown preset 'smal'"),
    ],
)
def test_what_cannot_be_is_refused_before_data_is_read(arguments, words):
    with pytest.raises(InputError, match=words.replace("(", r"\(")):
        plan_run("a.csv", arguments).settings()


def test_the_backbone_of_the_tagger_to_start_from_cannot_be_changed(old_run):
    (old_run / "config.yaml").write_text(yaml.safe_dump({"backbone": "resnet18", "head": "linear"}))
    with pytest.raises(InputError, match="the tagger's own backbone, resnet18"):
        plan_run("a.csv", {"backbone": "resnet34"}, start=old_run)


def test_settings_of_format_1_are_read_with_the_names_of_format_2(file):
    config = file(
        head="ml_gcn",
        linear={"epochs": 3},
        graph={"epochs": 4},
        tuning={"epochs": 5},
        embedding={"centred": False},
    )
    found = plan_run("a.csv", {"graph": "identity"}, config=config).settings()
    assert found.linear_training.epochs == 3
    assert found.head_training.epochs == 4
    assert found.fine_tuning.epochs == 5
    assert found.label_embeddings.centred is False
    assert found.head_options["graph"] == "identity"


def test_how_data_is_read_is_said_once():
    with pytest.raises(InputError, match="leave out reader"):
        plan_run(DataSource("a.csv"), {"reader": "csv"})
    assert plan_run(DataSource("a.csv", "csv"), {}).data.reader == "csv"
