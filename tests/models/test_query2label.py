"""Query2Label: what its queries, positions and layers promise; its numbers are golden ones."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from imlgcn.errors import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.models.heads import create_head
from imlgcn.models.heads.query2label import DecoderLayer, EncoderLayer, sine_code
from imlgcn.official.convert import query2label

IN_CHANNELS = 12


def build(labels, **options):
    head = create_head("query2label", IN_CHANNELS, labels, **options).eval()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_(std=0.3)
    return head


def test_the_position_code_equals_a_loop():
    D, H, W = 8, 3, 5
    code = sine_code(torch.zeros(2, D, H, W))
    assert code.shape == (D, H, W)
    for channel in range(D):
        for row in range(H):
            for column in range(W):
                k = channel % 4
                place = (row + 1) / (H + 1e-6) if channel < 4 else (column + 1) / (W + 1e-6)
                angle = 2 * math.pi * place / 10000 ** (2 * (k // 2) / 4)
                expected = math.sin(angle) if k % 2 == 0 else math.cos(angle)
                assert code[channel, row, column].item() == pytest.approx(expected, abs=1e-6)


def test_the_position_code_has_the_type_of_the_map():
    maps = torch.zeros(1, 4, 2, 2)
    exact = sine_code(maps)
    assert sine_code(maps.double()).dtype == torch.float64
    assert torch.equal(sine_code(maps.bfloat16()), exact.bfloat16())


@pytest.mark.parametrize("codes", [False, True])
def test_an_encoder_layer_without_codes_is_the_one_of_torch(codes):
    ours = EncoderLayer(8, 2, 6, 0.0).eval()
    theirs = nn.TransformerEncoderLayer(8, 2, 6, 0.0, batch_first=True).eval()
    names = {
        "self_attn.": "self_attention.attention.",
        "linear": "feed_forward.linear",
        "norm1.": "self_attention.norm.",
        "norm2.": "feed_forward.norm.",
    }
    for parameter in ours.parameters():
        nn.init.normal_(parameter, std=0.5)
    state = ours.state_dict()
    for official, name in names.items():
        state = {key.replace(name, official): value for key, value in state.items()}
    theirs.load_state_dict(state)
    memory = torch.randn(2, 7, 8)
    positions = torch.randn(7, 8) if codes else torch.zeros(7, 8)
    equal = torch.allclose(ours(memory, positions), theirs(memory), atol=1e-5)
    assert equal is not codes


def test_a_decoder_layer_without_codes_is_the_one_of_torch():
    ours = DecoderLayer(8, 2, 6, 0.0, self_attention=True).eval()
    theirs = nn.TransformerDecoderLayer(8, 2, 6, 0.0, batch_first=True).eval()
    for parameter in ours.parameters():
        nn.init.normal_(parameter, std=0.5)
    names = {
        "self_attention.attention.": "self_attn.",
        "cross_attention.attention.": "multihead_attn.",
        "feed_forward.linear": "linear",
        "self_attention.norm.": "norm1.",
        "cross_attention.norm.": "norm2.",
        "feed_forward.norm.": "norm3.",
    }
    state = ours.state_dict()
    for name, official in names.items():
        state = {key.replace(name, official): value for key, value in state.items()}
    theirs.load_state_dict(state)
    x, memory = torch.randn(2, 5, 8), torch.randn(2, 7, 8)
    zeros = torch.zeros(5, 8), torch.zeros(7, 8)
    torch.testing.assert_close(ours(x, memory, *zeros), theirs(x, memory))


def test_a_label_does_not_see_the_others_unless_self_attention_is_kept(labels):
    features = torch.randn(2, IN_CHANNELS, 3, 3)
    for kept in (False, True):
        head = build(labels, dec_layers=2, keep_other_self_attn=kept)
        before = head(features)
        with torch.no_grad():
            head.queries[0] += 1.0
        changed = (head(features) - before).abs().amax(0) > 1e-6
        assert changed.tolist() == [True] + [kept] * 4


def test_the_first_self_attention_adds_the_same_to_every_label(labels):
    head = build(labels, keep_first_self_attn=True)
    block, zeros = head.decoder[0].self_attention, torch.zeros(2, 5, 128)
    out = block(zeros, zeros, head.queries, head.queries)
    torch.testing.assert_close(out, out[:1, :1].expand_as(out))


def test_where_a_thing_stands_in_the_map_matters(labels):
    head, features = build(labels), torch.randn(2, IN_CHANNELS, 3, 4)
    assert not torch.allclose(head(features.flip(3)), head(features), atol=1e-3)
    assert not torch.allclose(head(features.flip(2)), head(features), atol=1e-3)


def test_layers_are_as_many_as_asked_for(labels):
    head = build(labels, enc_layers=0, dec_layers=3, keep_other_self_attn=True)
    assert len(head.encoder) == 0
    assert [layer.self_attention is not None for layer in head.decoder] == [False, True, True]
    assert head(torch.randn(2, IN_CHANNELS, 2, 2)).shape == (2, 5)


def test_without_a_width_the_map_is_taken_as_it_is(labels):
    assert build(labels, hidden_dim=None).input_proj is None
    assert build(labels, hidden_dim=8).input_proj.weight.shape == (8, IN_CHANNELS, 1, 1)


def test_labels_start_rare_or_at_random(labels):
    small = create_head("query2label", IN_CHANNELS, labels)
    assert small.bias.tolist() == [-2.0] * 5
    paper = create_head("query2label", IN_CHANNELS, labels, preset="paper")
    assert 0 < paper.bias.abs().max() <= 1 / math.sqrt(IN_CHANNELS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_dim": 9, "num_heads": 3}, "hidden_dim must be even .* got 9"),
        ({"num_heads": 3}, "128 is not divisible by 3"),
        ({"dec_layers": 0}, "dec_layers is 1 or more; got 0"),
        ({"feature_dropout": 1.0}, "feature_dropout is a fraction"),
    ],
)
def test_impossible_options_are_refused(options, message, labels):
    with pytest.raises(InputError, match=message):
        create_head("query2label", IN_CHANNELS, labels, **options)


@pytest.mark.parametrize("projection", [False, True])
def test_a_full_size_checkpoint_loads(projection):
    L, D, hidden = 80, 2048, 8192
    feed_forward = {"linear1.weight": (hidden, D), "linear1.bias": (hidden,)}
    feed_forward |= {"linear2.weight": (D, hidden), "linear2.bias": (D,)}
    attention = {"in_proj_weight": (3 * D, D), "in_proj_bias": (3 * D,)}
    attention |= {"out_proj.weight": (D, D), "out_proj.bias": (D,)}
    shapes = {
        "module.backbone.0.body.conv1.weight": (64, 3, 7, 7),
        "module.transformer.decoder.norm.weight": (D,),
        "module.transformer.decoder.norm.bias": (D,),
        "module.query_embed.weight": (L, D),
        "module.fc.W": (1, L, D),
        "module.fc.b": (1, L),
    }
    if projection:
        shapes |= {"module.input_proj.weight": (D, D, 1, 1), "module.input_proj.bias": (D,)}
    for layer, kind, norms in [
        ("encoder.layers.0", "self_attn", (1, 2)),
        ("decoder.layers.0", "multihead_attn", (2, 3)),
        ("decoder.layers.1", "multihead_attn", (2, 3)),
    ]:
        start = f"module.transformer.{layer}"
        shapes |= {f"{start}.{key}": shape for key, shape in feed_forward.items()}
        shapes |= {f"{start}.{kind}.{key}": shape for key, shape in attention.items()}
        shapes |= {f"{start}.norm{i}.{part}": (D,) for i in norms for part in ("weight", "bias")}
    with torch.device("meta"):
        state = {key: torch.empty(shape) for key, shape in shapes.items()}
        options = {"preset": "paper", **query2label.options(state)}
        head = create_head("query2label", 2048, LabelContext.placeholder(L), **options)
    head.load_state_dict(query2label.convert(state), assign=True)


def test_a_checkpoint_of_another_system_is_refused():
    with pytest.raises(InputError, match=r"not a checkpoint of Query2Label: no entry is named"):
        query2label.convert({"conv1.weight": torch.zeros(1)})


def test_an_entry_the_mapping_does_not_know_keeps_its_name():
    names = ["transformer.decoder.norm.weight", "transformer.encoder.norm.weight"]
    state = {name: torch.zeros(1) for name in names}
    assert query2label.convert(state).keys() == {"norm.weight", names[1]}
