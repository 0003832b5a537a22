"""The contract of heads, over every head and preset."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from imlgcn.config import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.models.heads import HEADS, Head, create_head, head_options

IN_CHANNELS = 12
CASES = [(name, preset) for name, head in HEADS.items() for preset in head.PRESETS]
over_all_heads = pytest.mark.parametrize(("name", "preset"), CASES)
FOLDING = ["linear", "ml_gcn", "iml_gcn"]


def build(name: str, labels: LabelContext, preset: str = "small", **options) -> Head:
    """Return the head in eval mode with all parameters random, zero starts included."""
    head = create_head(name, IN_CHANNELS, labels, preset=preset, **options).eval()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_(std=0.5)
    return head


def maps(head: Head, batch: int = 3, height: int = 4, width: int = 4):
    levels = tuple(
        torch.randn(batch, IN_CHANNELS, height, width) for _ in range(head.feature_levels)
    )
    return levels if head.feature_levels > 1 else levels[0]


def first(features, count: int = 1):
    return tuple(f[:count] for f in features) if isinstance(features, tuple) else features[:count]


@over_all_heads
def test_every_head_gives_one_finite_logit_per_label(name, preset, labels):
    head = build(name, labels, preset)
    logits = head(maps(head))
    assert logits.shape == (3, labels.num_labels)
    assert logits.isfinite().all()


@over_all_heads
def test_every_head_starts_with_finite_logits_near_its_bias(name, preset, labels):
    head = create_head(name, IN_CHANNELS, labels, preset=preset).eval()
    assert head(maps(head)).abs().max() < 20


@over_all_heads
def test_gradient_reaches_every_parameter_through_the_loss(name, preset, labels):
    head = build(name, labels, preset)
    head.loss(maps(head), torch.ones(3, labels.num_labels), bce).backward()
    silent = {
        name for name, p in head.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    }
    assert silent == set(head.unused_parameters)


@over_all_heads
def test_every_head_scores_an_image_the_same_alone_or_in_a_batch(name, preset, labels):
    head = build(name, labels, preset)
    features = maps(head)
    together = head(features)
    atol = 1e-5 * together.abs().max().item()  # wide layers with weights of 0.5: large sums
    torch.testing.assert_close(together[:1], head(first(features)), rtol=1e-5, atol=atol)


@over_all_heads
def test_every_head_takes_maps_of_any_height_and_width(name, preset, labels):
    head = build(name, labels, preset)
    for height, width in [(1, 1), (2, 5), (7, 3)]:
        assert head(maps(head, 2, height, width)).shape == (2, labels.num_labels)


@over_all_heads
def test_a_pooling_head_scores_the_pooled_map_like_the_whole_one(name, preset, labels):
    head = build(name, labels, preset)
    if head.pooling is None:
        pytest.skip("needs the map")
    features = maps(head)
    pooled = features.mean((2, 3)) if head.pooling == "avg" else features.amax((2, 3))
    torch.testing.assert_close(head(pooled[:, :, None, None]), head(features))


@over_all_heads
def test_a_head_made_anew_scores_alike_once_the_state_is_loaded(name, preset, labels):
    head = build(name, labels, preset)
    blank = LabelContext.placeholder(5, words=7, image_pca=4)  # graph and nodes come by the state
    other = create_head(name, IN_CHANNELS, blank, preset=preset).eval()
    other.load_state_dict(head.state_dict())
    features = maps(head)
    torch.testing.assert_close(other(features), head(features), rtol=0, atol=0)


@over_all_heads
def test_folded_equals_unfolded(name, preset, labels):
    head = build(name, labels, preset)
    features = maps(head)
    expected = head(features)
    folded = head.fold().eval()
    atol = 1e-5 * expected.abs().max().item()
    torch.testing.assert_close(folded(features), expected, rtol=1e-5, atol=atol)


@pytest.mark.parametrize("name", FOLDING)
@pytest.mark.parametrize("bias_start", [None, -2.0])
def test_a_folded_head_keeps_one_classifier_per_label_and_a_bias_if_there_was_one(
    name, bias_start, labels
):
    folded = create_head(name, IN_CHANNELS, labels, bias_start=bias_start).fold()
    L = labels.num_labels
    expected = L * IN_CHANNELS + (0 if bias_start is None else L)
    assert sum(p.numel() for p in folded.parameters()) == expected
    assert not list(folded.buffers())


@over_all_heads
def test_permuting_the_labels_permutes_the_logits(name, preset, labels):
    order = [3, 0, 4, 2, 1]
    head = build(name, labels, preset)
    moved = build(name, labels.reordered([labels.names[i] for i in order]), preset)
    again = dict(build(name, labels, preset).named_buffers())
    given = {key for key, value in head.named_buffers() if torch.equal(value, again[key])}
    with torch.no_grad():
        for key, target in moved.state_dict().items():  # only labels are five wide
            value = head.state_dict()[key]
            for axis in (axis for axis, width in enumerate(value.shape) if width == len(order)):
                value = value.index_select(axis, torch.tensor(order))
            if key not in given:  # graph and nodes come from the labels; drawn buffers do not
                target.copy_(value)
    features = maps(head)
    expected = head(features)[:, order]
    atol = 1e-5 * expected.abs().max().item()
    torch.testing.assert_close(moved(features), expected, rtol=1e-5, atol=atol)


@over_all_heads
def test_a_single_label_is_enough(name, preset):
    embeddings = {"words": np.ones((1, 7), np.float32), "image_pca": np.ones((1, 4), np.float32)}
    one = LabelContext.from_targets(["only"], np.array([[1], [0]], np.int8), embeddings)
    head = build(name, one, preset)
    loss = head.loss(maps(head), torch.ones(3, 1), bce)
    loss.backward()
    assert loss.isfinite()


@over_all_heads
def test_known_labels_are_never_ignored_in_silence(name, preset, labels):
    head = build(name, labels, preset)
    known = torch.full((3, labels.num_labels), -1.0)
    if head.uses_known:
        assert head(maps(head), known).shape == known.shape
        return
    for module in (head, head.fold()):
        with pytest.raises(InputError, match="cannot use known labels"):
            module(maps(head), known)


@over_all_heads
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
        ({"dropout": 1.0}, "dropout is a share"),
        ({"graph": "identiti"}, "unknown graph 'identiti'; did you mean 'identity'"),
        ({"embedding": "image_pac"}, "unknown embedding 'image_pac'; did you mean 'image_pca'"),
    ],
)
def test_impossible_values_are_refused(options, message, labels):
    with pytest.raises(InputError, match=message):
        create_head("iml_gcn", IN_CHANNELS, labels, **options)


def test_a_head_whose_embedding_is_missing_says_what_provides_it():
    with pytest.raises(InputError, match=r"words.*imlgcn\[words\]"):
        create_head("ml_gcn", IN_CHANNELS, LabelContext.placeholder(3))
