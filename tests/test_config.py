"""Settings: frozen, complete, and every mistake named with what would have been right."""

from __future__ import annotations

import pytest
import yaml

from imlgcn.config import (
    PRESETS,
    FineTuning,
    TrainSettings,
    merge_settings,
    parse_setting,
    train_settings,
)
from imlgcn.errors import InputError, unknown_name
from imlgcn.image_settings import ImageSettings


def test_an_unknown_name_is_answered_with_the_nearest_and_all_others():
    error = unknown_name("head", "imlgcn", ["linear", "iml_gcn"])
    assert str(error) == "unknown head 'imlgcn'; did you mean 'iml_gcn'? Known: iml_gcn, linear"


def test_a_name_like_no_other_gets_no_guess():
    assert str(unknown_name("head", "zzz", ["mlp"])) == "unknown head 'zzz'; Known: mlp"


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ({"sede": 3}, ["unknown setting 'sede'", "did you mean 'seed'"]),
        ({"linear_training": {"epoch": 3}}, ["in 'linear_training'", "did you mean 'epochs'"]),
        (
            {"linear_training": {"epochs": 0}},
            ["'linear_training.epochs'", "expected greater than or equal to 1", "0"],
        ),
        (
            {"linear_training": {"learning_rate": 0}},
            ["'linear_training.learning_rate'", "greater than 0"],
        ),
        ({"fine_tuning": {"ema_decay": 1}}, ["'fine_tuning.ema_decay'", "less than 1"]),
        ({"size": 8}, ["'size'", "16", "got 8"]),
        ({"seed": "abc"}, ["'seed'", "integer", "'abc'"]),
        ({"seed": None}, ["'seed'", "None"]),
        ({"fit": "crop"}, ["'fit'", "'pad' or 'squash'", "'crop'"]),
        ({"loss": 5}, ["'loss'", "5"]),
        ({"loss": None}, ["'loss'", "None"]),
        ({"loss": "bce"}, ["'loss'", "'bce'"]),
        (
            {"label_embeddings": {"images": "most"}},
            ["'label_embeddings.images'", "'all', 'sole' or 'weighted'"],
        ),
    ],
)
def test_a_wrong_setting_is_one_sentence_that_names_the_key_and_the_value(layer, words):
    with pytest.raises(InputError) as caught:
        train_settings(layer)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_an_unknown_preset_is_refused():
    with pytest.raises(InputError, match="did you mean 'small'"):
        train_settings(preset="smal")


def test_later_layers_win_key_by_key_over_the_preset():
    settings = train_settings(
        {"linear_training": {"epochs": 5, "batch_size": 7}},
        {"linear_training": {"epochs": 6}},
        preset="paper",
    )
    assert (settings.linear_training.epochs, settings.linear_training.batch_size) == (6, 7)
    assert (
        settings.linear_training.learning_rate
        == PRESETS["paper"]["linear_training"]["learning_rate"]
    )
    assert settings.fit == "squash"
    assert settings.preset == "paper"


def test_merging_leaves_its_layers_and_the_presets_alone():
    before = {"linear_training": {"epochs": 5}}
    merge_settings(before, {"linear_training": {"epochs": 6}})
    train_settings({"linear_training": {"epochs": 9}, "loss": {"name": "bce"}}, preset="paper")
    assert before == {"linear_training": {"epochs": 5}}
    assert PRESETS["paper"]["linear_training"]["epochs"] == 30
    assert "loss" in PRESETS["small"]


def test_another_loss_does_not_inherit_the_options_of_the_one_before_it():
    assert train_settings().loss.options == {"gamma_neg": 2.0}
    assert train_settings({"loss": {"name": "bce"}}).loss.options == {}
    old = {"loss": {"name": "asymmetric", "options": {"clip": 0.1}}}  # an earlier run's settings
    assert train_settings(old, {"loss": {"name": "focal"}}).loss.options == {}
    assert train_settings(old, {"loss": {"name": "asymmetric"}}).loss.options["clip"] == 0.1


@pytest.mark.parametrize("preset", PRESETS)
def test_settings_survive_yaml_exactly(preset):
    settings = train_settings(
        {"linear_training": {"learning_rate": 1e-7}, "size": 64}, preset=preset
    )
    text = yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False)
    back = yaml.safe_load(text)
    assert train_settings(back, preset=back["preset"]) == settings


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        TrainSettings().seed = 3


def test_defaults_are_checked_like_given_values():
    assert FineTuning.model_config["validate_default"]
    assert ImageSettings().model_dump()["size"] == 224


@pytest.mark.parametrize(
    ("text", "nested"),
    [
        ("seed=3", {"seed": 3}),
        ("fine_tuning.learning_rate=2.5e-4", {"fine_tuning": {"learning_rate": 2.5e-4}}),
        ("loss.options.clip=0.1", {"loss": {"options": {"clip": 0.1}}}),
        ("label_embeddings.centred=false", {"label_embeddings": {"centred": False}}),
        ("weights=a=b.pth", {"weights": "a=b.pth"}),
        ("fine_tuning.clip_gradient=null", {"fine_tuning": {"clip_gradient": None}}),
    ],
)
def test_a_setting_on_the_command_line_becomes_its_place_in_the_tree(text, nested):
    assert parse_setting(text) == nested


@pytest.mark.parametrize(
    "text", ["seed", "=3", "", "linear_training.epochs=[", "seed=: :", "seed=@"]
)
def test_a_setting_that_cannot_be_read_is_refused(text):
    with pytest.raises(InputError, match="setting"):
        parse_setting(text)


def test_an_input_error_is_a_value_error_for_library_users():
    assert issubclass(InputError, ValueError)
