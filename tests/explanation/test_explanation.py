"""`explain`: which labels it takes up, and that all it says adds up."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from imlgcn.activation_maps import ADDITIVE, Region
from imlgcn.data.images import ImageError
from imlgcn.errors import InputError
from imlgcn.explanation import explain
from imlgcn.explanation.explanation import margin_part
from imlgcn.explanation.words import describe, logit_in_words, position_in_words, where_strong
from imlgcn.models.heads import HEADS
from imlgcn.tagger import Tagger
from thorough import thorough_but

WITH_MAPS = [name for name in HEADS if name != "cnn_rnn"]


@pytest.fixture
def photo(shapes):
    return shapes.parent / "03.png"


def test_the_scores_are_those_of_the_tagger(tagger, photo):
    found = explain(tagger, photo)
    expected = tagger.probabilities(tagger.load_input(photo)[None])[0]
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-6)
    assert found.names == tagger.labels
    assert found.image == "03.png"
    for label in found.labels:
        assert label.probability == found.probabilities[tagger.labels.index(label.label)]


def test_own_node_neighbours_and_bias_add_up_to_the_logit(tagger, photo):
    for label in explain(tagger, photo, tagger.labels).labels:
        parts = [neighbour.effect for neighbour in label.graph.neighbours]
        assert label.graph.kind == "parts"
        assert label.graph.own + sum(parts) + label.bias == pytest.approx(label.logit, abs=1e-4)
        assert label.label not in [neighbour.label for neighbour in label.graph.neighbours]
        assert parts == sorted(parts, key=lambda effect: -abs(effect))


@pytest.mark.parametrize(
    ("head", "parameter"),
    [
        ("linear", "linear.bias"),
        ("mlp", "linear2.bias"),
        ("csra", "bias"),
        ("ml_gcn", "bias"),
        ("iml_gcn", "bias"),
    ],
)
def test_the_bias_is_the_heads_own(head, parameter, untrained, photo):
    """It is computed as what the map leaves of the logit, which alone would hide a wrong map."""
    tagger = untrained(head)
    own = tagger.classifier().head.get_parameter(parameter)
    for label in explain(tagger, photo, tagger.labels).labels:
        expected = own[tagger.labels.index(label.label)].item()
        assert label.bias == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("fit", ["pad", "squash"])
def test_a_large_photograph_is_scored_as_by_the_tagger(fit, untrained, tmp_path):
    """At 224 pixels its decoder may take an eighth for the one fit and a half for the other."""
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (108, 192, 3), np.uint8))
    small.resize((1920, 1080)).save(tmp_path / "a.jpg")
    tagger = untrained("linear")
    settings = tagger.info.image.model_copy(update={"size": 224, "fit": fit})
    tagger = Tagger(tagger.path, tagger.info.model_copy(update={"image": settings}))
    expected = tagger.probabilities(tagger.load_input(tmp_path / "a.jpg")[None])[0]
    found = explain(tagger, tmp_path / "a.jpg")
    np.testing.assert_allclose(found.probabilities, expected, rtol=0, atol=1e-6)


def test_tags_are_explained_and_at_least_the_two_most_probable(tagger, photo):
    found = explain(tagger, photo)
    ranked = sorted(found.names, key=lambda n: -found.probabilities[found.names.index(n)])
    tags = [tag.label for tag in tagger(photo)]
    assert [label.label for label in found.labels] == (tags if len(tags) > 1 else ranked[:2])[:4]


def test_labels_asked_for_come_first_tags_or_not(tagger, photo):
    found = explain(tagger, photo)
    last = found.names[int(found.probabilities.argmin())]
    labels = explain(tagger, photo, [last, last]).labels
    assert labels[0].label == last
    assert [label.wanted for label in labels] == [True] + [False] * (len(labels) - 1)
    assert all(label.is_tag for label in labels[1:])
    assert len(explain(tagger, photo, tagger.labels).labels) == len(tagger.labels)


@pytest.mark.parametrize("head", thorough_but(("csra", "c_tran", "iml_gcn", "kernel"), WITH_MAPS))
def test_every_head_with_maps_is_explained(head, untrained, photo):
    tagger = untrained(head)
    found = explain(tagger, photo, ["red"])
    red = found.labels[0]
    assert (found.kind not in ADDITIVE) == (red.bias is None) == (red.margin is None)
    assert (red.graph is not None) == (HEADS[head].neighbour_effect is not None)
    assert (found.without_graph is None) == (red.graph is None)
    assert (red.support is not None) == HEADS[head].has_support
    if red.graph is not None:
        assert red.graph.neighbours
        given = [n.probability for n in red.graph.neighbours]
        assert all(0 <= p <= 1 for p in given)
        index = found.names.index("red")
        assert red.graph.probability == found.without_graph[index]
        assert not np.allclose(found.without_graph, found.probabilities, atol=1e-3)
    assert json.loads(json.dumps(found.to_dict()))["labels"][0]["label"] == "red"
    assert describe(found, red).startswith("red: ")


@pytest.mark.parametrize("head", ["iml_gcn", "ssgrl"])
def test_beside_a_neighbour_stands_how_often_it_comes_with_the_label(head, untrained, photo):
    """Every image with a circle is blue there, but not the other way round."""
    blue, circle = explain(untrained(head), photo, ["blue", "circle"]).labels[:2]
    assert {n.label: n.probability for n in blue.graph.neighbours}["circle"] == 1
    others = {n.label: n.probability for n in circle.graph.neighbours}
    assert others.get("blue", 0.5) < 0.9


@pytest.mark.parametrize("head", ["c_tran", "ssgrl"])
def test_the_linear_path_of_an_attention_head_is_said(head, untrained, photo):
    assert explain(untrained(head), photo).labels[0].linear is not None


def test_without_a_linear_path_there_is_none(untrained, photo):
    assert explain(untrained("c_tran", residual=False), photo).labels[0].linear is None


def test_an_image_in_memory_is_explained_like_its_file(tagger, photo):
    with Image.open(photo) as image:
        found = explain(tagger, image.convert("RGB"))
    assert found.image == "image"
    np.testing.assert_allclose(found.probabilities, explain(tagger, photo).probabilities)


def test_an_unknown_label_is_refused_with_the_nearest(tagger, photo):
    with pytest.raises(InputError, match="unknown label 'rde'; did you mean 'red'"):
        explain(tagger, photo, ["rde"])


def test_an_unreadable_image_is_named(tagger, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"a\.png"):
        explain(tagger, tmp_path / "a.png")


def test_a_head_without_maps_is_refused(untrained, photo):
    with pytest.raises(InputError, match="'cnn_rnn' has no activation maps"):
        explain(untrained("cnn_rnn"), photo)


def test_a_tagger_without_counts_has_no_probabilities_of_pairs(own_tagger, photo, monkeypatch):
    """As an imported checkpoint: its graph is in the weights, its counts are not known."""
    import imlgcn.explanation.network as network

    def without_counts(path, info):
        classifier, context = loaded(path, info)
        return classifier, replace(context, num_images=0)

    loaded = network.load_classifier
    monkeypatch.setattr(network, "load_classifier", without_counts)
    found = explain(Tagger.load(own_tagger), photo, ["red"]).labels[0]
    assert {n.probability for n in found.graph.neighbours} <= {None}


def test_the_margin_is_the_mean_of_what_lies_outside():
    activation_map = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert margin_part(activation_map, Region(0.0, 0.25, 1.0, 0.75)) == pytest.approx(
        (activation_map[0].sum() + activation_map[3].sum()) / 12
    )
    assert margin_part(activation_map, Region()) == 0


@pytest.mark.parametrize(
    ("rows", "columns", "words"),
    [
        ((0, 10), (40, 60), "upper right, 11 % of the image"),
        ((25, 30), (0, 10), "lower left, 3 % of the image"),
        ((12, 18), (25, 35), "centre, 3 % of the image"),
        ((0, 30), (0, 60), "centre, 100 % of the image"),
    ],
)
def test_where_in_words(rows, columns, words):
    strengths = np.zeros((30, 60), np.float32)
    strengths[slice(*rows), slice(*columns)] = 1
    assert position_in_words(strengths) == words
    assert position_in_words(0.4 * strengths) == "nowhere in particular"


TOP_HALF = Region(0.0, 0.0, 1.0, 0.5)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([0.0, 0.0, 0.0, 9.0], "on the margin, outside the image"),
        ([0.4, 0.0, 0.0, 0.2], "nowhere in particular"),  # faint everywhere
        ([0.1, 0.0, 0.0, 0.4], "nowhere in particular"),  # also where the margin is less faint
        ([9.0, 0.0, 0.0, 0.0], "top, "),
        ([9.0, 0.0, 0.0, 9.5], "top, "),  # strong on both: where it is in the image
    ],
)
def test_the_margin_is_named_only_where_the_map_is_strong_there_and_not_in_the_image(rows, words):
    activation_map = np.repeat(np.array(rows, np.float32)[:, None], 4, axis=1)
    assert where_strong(activation_map, TOP_HALF, "score").startswith(words)


def test_even_attention_is_nowhere_in_particular():
    even = np.full((4, 4), 1 / 16, np.float32)
    assert where_strong(even, TOP_HALF, "attention") == "nowhere in particular"


def test_logits_have_two_decimals_and_their_sign():
    assert [logit_in_words(x) for x in (1.0, -0.5, 0.0049)] == ["+1.00", "−0.50", "0.00"]
