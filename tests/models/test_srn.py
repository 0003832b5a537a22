"""SRN against slow loops, and what each training stage changes."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from imlgcn.errors import InputError
from imlgcn.models.heads import create_head
from imlgcn.models.heads.srn import SRNHead

CHANNELS = (6, 9)  # of the earlier and of the last map
WIDTHS = {"attention_width": 4, "confidence_width": 3, "width": 7}


def build(labels, **options) -> SRNHead:
    head = create_head("srn", CHANNELS, labels, **{**WIDTHS, **options})
    assert isinstance(head, SRNHead)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_(std=0.5)
        for module in head.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
    return head.eval()


def two_maps(batch: int = 2, side: int = 4):
    return torch.randn(batch, CHANNELS[0], side, side), torch.randn(batch, CHANNELS[1], 2, 3)


@torch.no_grad()
def test_the_logits_equal_loops_over_labels_positions_and_kernels(labels):
    side, L = 4, labels.num_labels
    head = build(labels, size=side)
    earlier, last = two_maps(1, side)
    scores, confidence = head.attention(earlier)[0], head.confidence(earlier)[0]
    weighted = torch.empty(L, side, side)
    auxiliary = torch.zeros(L)
    for label in range(L):
        total = sum(scores[label, y, x].exp() for y in range(side) for x in range(side))
        for y in range(side):
            for x in range(side):
                attention = scores[label, y, x].exp() / total
                auxiliary[label] += attention * confidence[label, y, x]
                weighted[label, y, x] = attention / (1 + (-confidence[label, y, x]).exp())
    mixed = head.regulariser[:6](weighted[None])[0]  # two convolutions of 1 x 1
    whole, ending = head.regulariser[6], head.regulariser[-1]
    seen = [
        (whole.weight[4 * channel + kernel, 0] * mixed[channel]).sum()
        + whole.bias[4 * channel + kernel]
        for channel in range(WIDTHS["width"])
        for kernel in range(4)
    ]
    by_maps = ending.weight @ torch.stack(seen).clamp(min=0) + ending.bias
    vector = last[0].mean((1, 2))
    vector = vector / vector.norm() * CHANNELS[1] ** 0.5
    by_vector = head.classifier.weight @ vector + head.classifier.bias
    torch.testing.assert_close(head((earlier, last))[0], (by_vector + by_maps) / 2)

    targets = (torch.rand(1, L) < 0.5).float()
    expected = bce((by_vector + by_maps) / 2, targets[0])
    for logits in (by_vector, auxiliary, by_maps):
        expected += 0.3 * bce(logits, targets[0])
    head.auxiliary = 0.3
    torch.testing.assert_close(head.loss((earlier, last), targets, bce), expected)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 9), (14, 14), (28, 20)])
def test_every_label_spreads_an_attention_of_one_over_maps_of_any_size(height, width, labels):
    attention, confidence = build(labels).attend(torch.randn(2, CHANNELS[0], height, width))
    assert attention.shape == confidence.shape == (2, labels.num_labels, 14, 14)
    torch.testing.assert_close(attention.sum((2, 3)), torch.ones(2, labels.num_labels))


def test_attention_stays_where_the_object_is(labels):
    head = build(labels)
    plain = torch.zeros(2, CHANNELS[0], 7, 10)
    plain[1, :, 5, 8] = 9.0  # bottom right
    nothing, something = head.attend(plain)[0]
    change = (something - nothing)[:, 7:, 7:].abs().sum() - (something - nothing)[
        :, :7, :7
    ].abs().sum()
    assert change > 0


def test_the_official_size_has_512_groups_of_four_kernels_as_large_as_the_map(labels):
    head = create_head("srn", CHANNELS, labels, preset="paper")
    grouped = [m for m in head.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]
    assert [(m.groups, tuple(m.weight.shape)) for m in grouped] == [(512, (2048, 1, 14, 14))]


PARTS = {1: ["classifier"], 2: ["attention", "confidence"], 3: ["regulariser"]}
PARTS[4] = PARTS[1] + PARTS[2] + PARTS[3]


@pytest.mark.parametrize("stage", PARTS)
def test_a_stage_trains_its_parts_and_leaves_the_others_still(stage, labels):
    head = build(labels, train_stage=stage).train()
    before = {key: value.clone() for key, value in head.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in head.parameters() if p.requires_grad], lr=0.1)
    head.loss(two_maps(), torch.ones(2, labels.num_labels), bce).backward()
    optimizer.step()
    changed = {
        key.split(".")[0]
        for key, value in head.state_dict().items()
        if (value != before[key]).any()
    }
    assert changed == set(PARTS[stage])  # batch statistics are part of the state


@torch.no_grad()
def test_a_stage_is_judged_by_its_own_logits(labels):
    features, targets = two_maps(), torch.zeros(2, labels.num_labels)
    head = build(labels)
    attention, confidence = head.attend(features[0])
    logits = {
        1: head.classify(features[1]),
        2: (attention * confidence).sum((2, 3)),
        3: head.regularise(attention, confidence),
        4: head(features),
    }
    for stage, expected in logits.items():
        head.train_stage = stage
        torch.testing.assert_close(head.loss(features, targets, bce), bce(expected, targets))


def test_one_stage_goes_on_where_another_ended(labels):
    first = build(labels, train_stage=1)
    second = create_head("srn", CHANNELS, labels, **WIDTHS, train_stage=2).eval()
    second.load_state_dict(first.state_dict())
    features = two_maps()
    torch.testing.assert_close(second(features), first(features), rtol=0, atol=0)


def test_a_batch_of_one_image_can_be_trained_on(labels):
    head = build(labels).train()
    assert head.loss(two_maps(1), torch.ones(1, labels.num_labels), bce).isfinite()


def test_what_srn_cannot_use_is_refused(labels):
    with pytest.raises(InputError, match="takes two maps"):
        build(labels)(two_maps()[0])
    with pytest.raises(InputError, match="train_stage is 1, 2, 3, 4 or none; got 5"):
        build(labels, train_stage=5)
