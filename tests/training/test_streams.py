"""A backbone trained in parts: the gradients of the whole batch, in every run the same."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from imlgcn.labels.context import LabelContext
from imlgcn.models import MultiLabelClassifier, create_backbone, create_head
from imlgcn.training.optimization import freeze_batch_norm
from imlgcn.training.streams import can_stream, streamed

SIDE = 32
BACKBONES = ("test_efficientnet", "test_resnet", "test_vit")  # timm's tiny ones


def classifier_of(name: str, head: str = "linear") -> MultiLabelClassifier:
    torch.manual_seed(0)
    size = None if "vit" in name else SIDE
    backbone = create_backbone(f"timm/{name}", pretrained=False, size=size)
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):  # statistics of their own, not 0 and 1
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    labels = LabelContext.placeholder(3)
    levels = 2 if head == "srn" else 1
    model = MultiLabelClassifier(backbone, create_head(head, backbone.channels(levels), labels))
    for parameter in model.head.parameters():
        nn.init.uniform_(parameter, -0.5, 0.5)  # a linear head starts at zero: no gradient passes
    model = model.to(memory_format=torch.channels_last).train()
    freeze_batch_norm(model)
    return model


def batch(model, images: int):
    side = model.backbone.image_settings.size
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randn(images, 3, side, side, generator=generator)
    return pixels, (torch.rand(images, 3, generator=generator) < 0.4).to(torch.int8)


def criterion(logits, targets):
    return nn.functional.binary_cross_entropy_with_logits(logits, targets.float(), reduction="sum")


def gradients(trained, model, images=11):
    model.zero_grad()
    torch.manual_seed(3)  # some heads draw
    loss = trained.loss(*batch(model, images), criterion)
    loss.backward()
    return loss.detach(), {name: p.grad for name, p in model.named_parameters()}


def assert_same(found, expected):
    """Compare gradients of one parameter by their norms: rounding is relative to the largest."""
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert gradient.norm() > 0, name
        assert (found[name] - gradient).norm() < 1e-4 * gradient.norm(), name


@pytest.fixture(params=[1, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", BACKBONES)
def test_loss_and_gradients_are_those_of_the_whole_batch(name, threads):
    model = classifier_of(name)
    loss, expected = gradients(model, model)
    with streamed(model) as trained:
        found_loss, found = gradients(trained, model)
    torch.testing.assert_close(found_loss, loss)
    assert_same(found, expected)


def test_a_head_on_several_maps_trains_the_backbone_through_each():
    model = classifier_of("test_resnet", "srn")
    _, expected = gradients(model, model)
    with streamed(model) as trained:
        _, found = gradients(trained, model)
    assert_same(found, expected)


def test_the_same_batch_gives_the_same_gradients_to_the_bit(threads):
    model = classifier_of("test_efficientnet")
    with streamed(model) as trained:
        _, one = gradients(trained, model)
        one = copy.deepcopy(one)
        _, two = gradients(trained, model)
    torch.testing.assert_close(one, two, rtol=0, atol=0)


def test_the_copies_follow_the_weights():
    model = classifier_of("test_efficientnet")
    with streamed(model) as trained:
        before, _ = gradients(trained, model)
        with torch.no_grad():
            for parameter in model.backbone.parameters():
                parameter.mul_(1.1)
        after, _ = gradients(trained, model)
    torch.testing.assert_close(after, gradients(model, model)[0])
    assert not torch.allclose(before, after)


def test_threads_are_given_back_after_the_block():
    before = torch.get_num_threads()
    with streamed(classifier_of("test_efficientnet")):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_chance_and_learnt_statistics_need_the_whole_batch():
    model = classifier_of("test_efficientnet")
    assert can_stream(model.backbone)
    model.train()
    assert not can_stream(model.backbone)
    freeze_batch_norm(model)
    model.backbone.model.drop = nn.Dropout(0.0)
    assert can_stream(model.backbone)
    model.backbone.model.drop = nn.Dropout(0.1)
    assert not can_stream(model.backbone)
