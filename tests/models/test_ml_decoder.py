"""ML-Decoder against a slow loop, and what its groups and fixed queries promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from imlgcn.errors import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.models.heads import create_head
from imlgcn.official.convert import ml_decoder

IN_CHANNELS = 12


def build(labels, **options):
    head = create_head("ml_decoder", IN_CHANNELS, labels, **options).eval()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_(std=0.3)
    return head


def layer_norm(x, norm):
    x = (x - x.mean()) / math.sqrt(x.var() + 1e-5)
    return x * norm.weight.detach().double().numpy() + norm.bias.detach().double().numpy()


def attend(query, memory, attention):
    """One query (D) on memory (N, D), head by head."""
    D, heads = len(query), attention.num_heads
    W = attention.in_proj_weight.detach().double().numpy().reshape(3, D, D)
    b = attention.in_proj_bias.detach().double().numpy().reshape(3, D)
    q, keys, values = W[0] @ query + b[0], memory @ W[1].T + b[1], memory @ W[2].T + b[2]
    parts = []
    for part in np.split(np.arange(D), heads):
        score = np.exp(keys[:, part] @ q[part] / math.sqrt(D // heads))
        parts.append((score / score.sum()) @ values[:, part])
    out = attention.out_proj
    return out.weight.detach().double().numpy() @ np.concatenate(parts) + (
        out.bias.detach().double().numpy()
    )


@pytest.mark.parametrize("num_of_groups", [2, 3, 100])  # 5 labels: 3 + 2, 2 + 2 + 1, one each
@pytest.mark.parametrize("normalize", [True, False])
def test_the_head_equals_a_loop_over_groups_and_labels(labels, num_of_groups, normalize):
    options = {"decoder_embedding": 8, "num_heads": 2, "dim_feedforward": 6, "map_pooling": 1}
    head = build(labels, num_of_groups=num_of_groups, normalize=normalize, **options)
    features = torch.randn(1, IN_CHANNELS, 3, 2) * 2
    tokens = features[0].double().flatten(1).T.numpy()  # (N, C)
    if normalize:
        tokens = tokens / math.sqrt((tokens**2).mean())
    weights = {k: v.detach().double().numpy() for k, v in head.state_dict().items()}
    memory = np.maximum(tokens @ weights["embed.weight"].T + weights["embed.bias"], 0)
    groups = len(weights["queries"])
    size = -(-labels.num_labels // groups)
    logits = head(features)[0]
    for label in range(labels.num_labels):
        group, place = divmod(label, size)
        q = layer_norm(2 * weights["queries"][group], head.query_norm)
        block = head.cross_attention
        q = layer_norm(q + attend(q, memory, block.attention), block.norm)
        block = head.feed_forward
        hidden = weights["feed_forward.linear1.weight"] @ q + weights["feed_forward.linear1.bias"]
        change = weights["feed_forward.linear2.weight"] @ np.maximum(hidden, 0)
        q = layer_norm(q + change + weights["feed_forward.linear2.bias"], block.norm)
        expected = q @ weights["group_weight"][group, :, place] + weights["bias"][label]
        expected += tokens.mean(0) @ weights["mean_path.weight"][label]
        assert logits[label].item() == pytest.approx(expected, abs=1e-5)


def test_queries_are_drawn_once_and_are_no_parameter(labels):
    head, other = build(labels), build(labels)
    assert "queries" in dict(head.named_buffers())
    assert not torch.equal(head.queries, other.queries)
    assert "queries" in head.state_dict()


def test_more_labels_than_groups_do_not_make_more_queries():
    head = build(LabelContext.placeholder(203), decoder_embedding=8)
    assert head.queries.shape == (100, 8)
    assert head.group_weight.shape == (100, 8, 3)
    assert head(torch.randn(2, IN_CHANNELS, 2, 2)).shape == (2, 203)


def test_where_a_thing_stands_in_the_map_does_not_matter(labels):
    head, features = build(labels, map_pooling=1), torch.randn(2, IN_CHANNELS, 3, 4)
    moved = features.flatten(2)[:, :, torch.randperm(12)].view_as(features)
    torch.testing.assert_close(head(moved), head(features), rtol=1e-4, atol=1e-4)


def test_labels_start_rare(labels):
    head = create_head("ml_decoder", IN_CHANNELS, labels)
    assert head.bias.tolist() == [-2.0] * 5
    paper = create_head("ml_decoder", IN_CHANNELS, labels, preset="paper")
    assert paper.bias.tolist() == [0.0] * 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_of_groups": 0}, "num_of_groups is 1 or more; got 0"),
        ({"num_heads": 7}, "128 is not divisible by 7"),
        ({"dropout": 1.0}, "dropout is a fraction"),
        ({"feature_dropout": -0.1}, "feature_dropout is a fraction"),
    ],
)
def test_impossible_options_are_refused(options, message, labels):
    with pytest.raises(InputError, match=message):
        create_head("ml_decoder", IN_CHANNELS, labels, **options)


@pytest.mark.parametrize("num_labels", [80, 500])
def test_a_full_size_checkpoint_loads(num_labels):
    D, K = 768, min(100, num_labels)
    layer = {
        **{f"norm{i}.{part}": (D,) for i in (1, 2, 3) for part in ("weight", "bias")},
        "multihead_attn.in_proj_weight": (3 * D, D),
        "multihead_attn.in_proj_bias": (3 * D,),
        "multihead_attn.out_proj.weight": (D, D),
        "multihead_attn.out_proj.bias": (D,),
        "linear1.weight": (2048, D),
        "linear1.bias": (2048,),
        "linear2.weight": (D, 2048),
        "linear2.bias": (D,),
    }
    shapes = {
        "body.conv1.0.weight": (64, 48, 3, 3),
        "head.decoder.embed_standart.weight": (D, 2048),
        "head.decoder.embed_standart.bias": (D,),
        "head.decoder.query_embed.weight": (K, D),
        "head.decoder.duplicate_pooling": (K, D, -(-num_labels // K)),
        "head.decoder.duplicate_pooling_bias": (num_labels,),
        **{f"head.decoder.layers.0.{key}": shape for key, shape in layer.items()},
    }
    with torch.device("meta"):
        state = {key: torch.empty(shape) for key, shape in shapes.items()}
        options = {"preset": "paper", **ml_decoder.options(state)}
        head = create_head("ml_decoder", 2048, LabelContext.placeholder(num_labels), **options)
    head.load_state_dict(ml_decoder.convert(state), assign=True)


def test_a_checkpoint_of_another_system_is_refused():
    with pytest.raises(InputError, match=r"not a checkpoint of ML-Decoder: no entry.*2 entries"):
        ml_decoder.convert({"conv1.weight": torch.zeros(1), "fc.weight": torch.zeros(1)})
    with pytest.raises(InputError, match="not a checkpoint of ML-Decoder"):
        ml_decoder.convert({"head.predecoder.duplicate_pooling": torch.zeros(1)})


def test_an_entry_the_mapping_does_not_know_keeps_its_name():
    state = {"head.decoder.duplicate_pooling": torch.zeros(1), "head.decoder.new": torch.zeros(2)}
    assert ml_decoder.convert(state).keys() == {"group_weight", "decoder.new"}
