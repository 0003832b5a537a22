"""The options of heads: defaults, presets, and what is said to values that cannot be."""

from __future__ import annotations

import pytest

from imlgcn.errors import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.models.heads import HEADS, create_head, head_options

IN_CHANNELS = 12
CASES = [(name, preset) for name, head in HEADS.items() for preset in head.PRESETS]


@pytest.mark.parametrize(("name", "preset"), CASES)
def test_options_are_complete_and_rebuild_the_head(name, preset, labels):
    options = head_options(name, preset)
    rebuilt = HEADS[name](IN_CHANNELS, labels, **options)
    made = create_head(name, IN_CHANNELS, labels, preset=preset)
    shapes = [{k: v.shape for k, v in h.state_dict().items()} for h in (rebuilt, made)]
    assert shapes[0] == shapes[1]


def test_options_go_over_the_preset_and_the_preset_over_the_default():
    assert head_options("iml_gcn")["hidden"] == 256
    assert head_options("iml_gcn", "paper")["hidden"] == 1024
    assert head_options("iml_gcn", "paper", hidden=3)["hidden"] == 3
    assert head_options("iml_gcn")["embedding"] == "image_pca"
    assert head_options("ml_gcn")["embedding"] == "words"


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("lienar",), {}, "unknown head 'lienar'; did you mean 'linear'"),
        (("linear", "papr"), {}, "unknown preset 'papr'; did you mean 'paper'"),
        (("ml_gcn",), {"treshold": 0.3}, "'treshold'; did you mean 'threshold'"),
        (("iml_gcn",), {"hiden": 3}, "'hiden'; did you mean 'hidden'"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(arguments, options, message):
    with pytest.raises(InputError, match=message):
        head_options(*arguments, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "avrg"}, "unknown pooling 'avrg'; did you mean 'avg'"),
        ({"dropout": 1.0}, "dropout is a fraction"),
        ({"graph": "identiti"}, "unknown graph 'identiti'; did you mean 'identity'"),
        ({"embedding": "image_pac"}, "unknown embedding 'image_pac'; did you mean 'image_pca'"),
    ],
)
def test_impossible_values_are_refused(options, message, labels):
    with pytest.raises(InputError, match=message):
        create_head("iml_gcn", IN_CHANNELS, labels, **options)


@pytest.mark.parametrize("name", [name for name in HEADS if "embedding" in head_options(name)])
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("words", r"`pip install 'imlgcn\[words\]'`, a GloVe .*words=FILE"),
        ("image_pca", r"train with embedding=image_pca"),
        ("image", r"train with embedding=image,"),
    ],
)
def test_a_head_whose_embedding_is_missing_says_what_provides_it(name, kind, message):
    with pytest.raises(InputError, match=message):
        create_head(name, IN_CHANNELS, LabelContext.placeholder(3), embedding=kind)


def test_the_heads_that_need_word_vectors_are_known():
    assert [name for name in HEADS if head_options(name).get("embedding") == "words"] == [
        *("ml_gcn", "ssgrl", "kggr")
    ]
