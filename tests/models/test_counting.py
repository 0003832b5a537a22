"""Parameter counts of the published systems, to the digit."""

from __future__ import annotations

import pytest
import torch

from imlgcn.errors import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.models import create_backbone, create_head
from imlgcn.models.counting import count_system


@pytest.mark.parametrize(
    ("head", "backbone", "labels", "embedding", "total"),
    [
        ("linear", "tresnet_m", 80, None, 29_503_952),
        ("iml_gcn", "tresnet_m", 80, "image", 33_534_336),
        ("iml_gcn", "tresnet_m", 80, None, 31_519_104),
        ("ml_gcn", "resnet101", 80, None, 44_904_512),
        ("linear", "tresnet_m", 500, None, 30_364_532),
        ("iml_gcn", "tresnet_m", 500, None, 31_949_184),
    ],
)
def test_the_papers_configurations_count_as_published(head, backbone, labels, embedding, total):
    found = count_system(head, backbone, labels, embedding=embedding)
    assert found["total"] == total
    assert found["backbone"] + found["head"] == total


@pytest.mark.parametrize("preset", ["small", "paper"])
@pytest.mark.parametrize("name", ["linear", "mlp", "iml_gcn"])
def test_a_count_is_that_of_the_head_as_it_is_built(name, preset):
    """F_PCA has D = L in `paper` and L - 1 in `small`, as training makes them."""
    backbone = create_backbone("test_efficientnet", pretrained=False)
    C, L = backbone.out_channels, 5
    context = LabelContext.placeholder(L, image=C, image_pca=L if preset == "paper" else L - 1)
    head = create_head(name, C, context, preset=preset)
    found = count_system(name, "test_efficientnet", L, preset=preset)
    assert found["head"] == sum(p.numel() for p in head.parameters())
    assert found["backbone"] == sum(p.numel() for p in backbone.parameters())


def test_folded_is_one_linear_layer_without_bias():
    found = count_system("iml_gcn", "tresnet_m", 80, folded=True)
    assert found["head"] == 80 * 2048
    assert found["total"] == 29_503_872
    linear = count_system("linear", "tresnet_m", 80, options={"bias_start": None})
    assert linear["total"] == found["total"]


def test_a_batch_norm_leaves_a_bias_in_its_convolution():
    """Of scale and shift, 2 C, one C remains, as the bias of the convolution."""
    found = count_system("iml_gcn", "tresnet_m", 80, folded=True)
    trunk = create_backbone("tresnet_m", pretrained=False)
    norms = [m for m in trunk.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert found["deployed"] == found["total"] - sum(m.num_features for m in norms) == 29_473_088


def test_a_closed_form_counts_what_it_stores_for_a_stated_number_of_images():
    with torch.device("meta"):
        channels = create_backbone("test_efficientnet", pretrained=False).channels(3, means=True)
    D, L, stages = sum(channels), 5, 2 * sum(channels[:-1])  # of each: mean and 1 / deviation
    found = count_system("kernel", "test_efficientnet", L)
    assert found["support"] == 1000
    assert found["head"] == 1000 * (D + L) + L + stages
    assert found["total"] == found["backbone"] + found["head"]
    more = count_system("kernel", "test_efficientnet", L, options={"support": 70}, folded=True)
    assert (more["support"], more["head"]) == (70, 70 * (D + L + 1) + L + stages)
    deepest = count_system("kernel", "test_efficientnet", L, options={"stages": 0})
    assert deepest["head"] == 1000 * (channels[-1] + L) + L
    assert "support" not in count_system("linear", "test_efficientnet", L)


def test_nodes_are_no_wider_than_the_images():
    found = count_system("iml_gcn", "test_efficientnet", 1000)  # 256 channels: F_PCA has no more
    assert found["head"] == 256 * 1024 + 1024 * 256


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("liner", "tresnet_m", 80), "unknown head 'liner'; did you mean 'linear'"),
        (("linear", "tresnet_x", 80), "unknown backbone 'tresnet_x'; did you mean"),
        (("linear", "tresnet_m", 0), "at least 1; got 0"),
    ],
)
def test_what_cannot_be_counted_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        count_system(*arguments)
    with pytest.raises(InputError, match="unknown option of head 'linear'"):
        count_system("linear", "tresnet_m", 80, embedding="image")
    with pytest.raises(InputError, match="unknown embedding"):
        count_system("iml_gcn", "tresnet_m", 80, embedding="imag")
