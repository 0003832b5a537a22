"""CSRA against a slow loop, and what its two poolings promise."""

from __future__ import annotations

import math

import pytest
import torch

from imlgcn.errors import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.models.heads import create_head
from imlgcn.models.heads.csra import MAXIMUM, attend
from imlgcn.official.convert import csra

IN_CHANNELS = 12


def build(labels, **options):
    head = create_head("csra", IN_CHANNELS, labels, **options).eval()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_(std=0.5)
    return head


@pytest.mark.parametrize("preset", ["small", "paper"])
def test_the_head_equals_a_loop_over_heads_labels_and_positions(labels, preset):
    head = build(labels, preset=preset, temperatures=(3, MAXIMUM), lam=0.7)
    features = torch.randn(1, IN_CHANNELS, 2, 3) * 2
    positions = features[0].double().flatten(1).T  # (N, C)
    if preset == "small":
        positions = positions / math.sqrt((positions**2).mean())
    logits = head(features)[0]
    for label in range(labels.num_labels):
        expected = 0.0 if head.bias is None else head.bias[label].item()
        for index, temperature in enumerate((3, MAXIMUM)):
            w = head.weight[index, label].detach().double()
            norm = math.sqrt(sum(value**2 for value in w)) if preset == "paper" else 1.0
            scores = [float(f @ w) / norm for f in positions]
            weights = [math.exp(temperature * score) for score in scores]
            soft = sum(a * s for a, s in zip(weights, scores, strict=True)) / sum(weights)
            attended = max(scores) if temperature == MAXIMUM else soft
            expected += sum(scores) / 6 + 0.7 * attended
        assert logits[label].item() == pytest.approx(expected, abs=1e-5)


def test_without_attention_it_is_the_linear_head_on_the_mean(labels):
    head = build(labels, lam=0.0, normalize=False)
    features = torch.randn(2, IN_CHANNELS, 3, 4)
    expected = features.mean((2, 3)) @ head.weight[0].T + head.bias
    torch.testing.assert_close(head(features), expected)


def test_on_a_single_position_mean_and_attended_score_are_one(labels):
    head = build(labels, preset="paper", lam=0.25)
    features = torch.randn(2, IN_CHANNELS, 1, 1)
    score = features.flatten(1) @ head.classifiers().sum(0).T
    torch.testing.assert_close(head(features), 1.25 * score)


def test_attention_rises_with_the_temperature_from_the_mean_to_the_maximum():
    scores = torch.randn(4, 10)
    steps = torch.stack([attend(scores, T) for T in (1e-6, 1, 4, 30, MAXIMUM)])
    assert (steps.diff(dim=0) >= 0).all()
    torch.testing.assert_close(steps[0], scores.mean(-1), rtol=0, atol=1e-4)
    assert torch.equal(steps[-1], scores.amax(-1))


def test_the_length_of_a_classifier_does_not_count_in_the_paper(labels):
    head, features = build(labels, preset="paper"), torch.randn(2, IN_CHANNELS, 3, 3)
    before = head(features)
    with torch.no_grad():
        head.weight *= torch.rand(4, 5, 1) + 0.5
    torch.testing.assert_close(head(features), before)


def test_folding_scales_the_classifiers_once_and_leaves_the_head_alone(labels):
    head = build(labels, preset="paper", feature_dropout=0.5)
    before = head.weight.clone()
    folded = head.fold().train()  # folding is for use: no dropout whatever the mode
    torch.testing.assert_close(folded.weight.norm(dim=-1), torch.ones(4, 5))
    assert folded.classifiers() is folded.weight
    assert torch.equal(head.weight, before)
    features = torch.randn(2, IN_CHANNELS, 3, 3)
    torch.testing.assert_close(folded(features), head(features))


def test_the_small_head_starts_without_an_opinion(labels):
    head = create_head("csra", IN_CHANNELS, labels)
    assert (head(torch.randn(2, IN_CHANNELS, 3, 3)) == -2).all()


@pytest.mark.parametrize("temperatures", [[], [0], [2, -1]])
def test_temperatures_must_be_positive(labels, temperatures):
    with pytest.raises(InputError, match="one positive number per head"):
        create_head("csra", IN_CHANNELS, labels, temperatures=temperatures)


@pytest.mark.parametrize("heads", [1, 4, 6])
def test_a_full_size_checkpoint_loads(heads):
    with torch.device("meta"):
        weights = {
            f"classifier.multi_head.{i}.head.weight": torch.empty(80, 2048, 1, 1)
            for i in range(heads)
        }
        state = {"conv1.weight": torch.empty(64, 3, 7, 7), **weights}
        options = {"preset": "paper", **csra.options(state)}
        head = create_head("csra", 2048, LabelContext.placeholder(80), **options)
    head.load_state_dict(csra.convert(state), assign=True)


def test_heads_keep_their_order_in_the_checkpoint_whatever_the_order_of_its_entries():
    blocks = {
        f"multi_head.{i}.head.weight": torch.full((1, 2, 1, 1), float(i)) for i in (10, 2, 0, 1)
    }
    assert csra.convert(blocks)["weight"][:, 0, 0].tolist() == [0, 1, 2, 10]


def test_a_checkpoint_of_another_system_is_refused():
    linear = {"layer1.weight": torch.zeros(1), "head.weight": torch.zeros(3, 2)}
    with pytest.raises(InputError, match="not a checkpoint of CSRA: no entry is named"):
        csra.convert(linear)


def test_a_number_of_heads_nobody_published_is_refused():
    state = {f"multi_head.{i}.head.weight": torch.zeros(2, 3, 1, 1) for i in range(3)}
    with pytest.raises(InputError, match=r"published .* 1, 2, 4, 6, 8 heads, not for 3"):
        csra.options(state)
