"""Backbone and head joined, and the parameter counts of the papers."""

from __future__ import annotations

import pytest
import torch

from imlgcn.errors import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.models import (
    MultiLabelClassifier,
    count_parameters,
    create_backbone,
    create_head,
)

COUNTS = [  # backbone, head, options, labels, widths of the embeddings, parameters
    ("tresnet_m", "linear", {}, 80, {}, 29_503_952),
    ("tresnet_l", "linear", {}, 80, {}, 53_750_896),
    ("resnet101", "linear", {}, 80, {}, 42_664_080),
    ("tresnet_m", "iml_gcn", {"embedding": "image"}, 80, {"image": 2048}, 33_534_336),
    ("tresnet_m", "iml_gcn", {}, 80, {"image_pca": 80}, 31_519_104),
    ("resnet101", "ml_gcn", {}, 80, {"words": 300}, 44_904_512),
    ("tresnet_m", "linear", {}, 500, {}, 30_364_532),
    ("tresnet_m", "iml_gcn", {}, 500, {"image_pca": 500}, 31_949_184),
]


def on_meta(backbone: str, head: str, options: dict, labels: LabelContext) -> MultiLabelClassifier:
    with torch.device("meta"):
        trunk = create_backbone(backbone, pretrained=False)
        return MultiLabelClassifier(
            trunk, create_head(head, trunk.out_channels, labels, preset="paper", **options)
        )


@pytest.mark.parametrize(("backbone", "head", "options", "L", "widths", "expected"), COUNTS)
def test_parameter_counts_are_those_of_the_papers(backbone, head, options, L, widths, expected):
    model = on_meta(backbone, head, options, LabelContext.placeholder(L, **widths))
    assert count_parameters(model) == expected


def test_a_folded_graph_head_weighs_what_a_linear_layer_without_bias_does():
    model = on_meta("tresnet_m", "iml_gcn", {}, LabelContext.placeholder(80, image_pca=80))
    trunk = count_parameters(model.backbone)
    assert trunk == 29_340_032
    folded = create_head(
        "iml_gcn", 2048, LabelContext.placeholder(80, image_pca=80), preset="paper"
    ).fold()
    assert trunk + count_parameters(folded) == 29_503_872


def test_the_classifier_is_the_head_on_the_backbones_map(labels):
    backbone = create_backbone("test_resnet", pretrained=False).eval()
    head = create_head("iml_gcn", backbone.out_channels, labels).eval()
    model = MultiLabelClassifier(backbone, head).eval()
    images = torch.randn(2, 3, 64, 96)
    torch.testing.assert_close(model(images), head(backbone(images)))
    torch.testing.assert_close(
        MultiLabelClassifier(backbone, head.fold())(images), model(images), rtol=1e-5, atol=1e-5
    )


def test_a_head_of_several_maps_gets_them(labels):
    backbone = create_backbone("test_resnet", pretrained=False).eval()
    head = create_head("srn", backbone.channels(2), labels).eval()
    model = MultiLabelClassifier(backbone, head).eval()
    images, targets = torch.randn(2, 3, 64, 96), torch.ones(2, labels.num_labels)
    expected = head(backbone(images, levels=2))
    torch.testing.assert_close(model(images), expected)
    torch.testing.assert_close(MultiLabelClassifier(backbone, head.fold())(images), expected)
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    loss = model.loss(images, targets, bce)
    torch.testing.assert_close(loss, head.loss(backbone(images, levels=2), targets, bce))


def test_known_labels_reach_the_head(labels):
    backbone = create_backbone("test_resnet", pretrained=False)
    model = MultiLabelClassifier(backbone, create_head("linear", backbone.out_channels, labels))
    with pytest.raises(InputError, match="cannot use known labels"):
        model(torch.randn(1, 3, 64, 64), torch.zeros(1, labels.num_labels))


def test_the_whole_state_survives_a_round_trip(labels):
    backbone = create_backbone("test_resnet", pretrained=False)
    model = MultiLabelClassifier(backbone, create_head("iml_gcn", backbone.out_channels, labels))
    torch.manual_seed(9)
    other = create_backbone("test_resnet", pretrained=False)
    again = MultiLabelClassifier(other, create_head("iml_gcn", other.out_channels, labels))
    again.load_state_dict(model.state_dict())
    images = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(again.eval()(images), model.eval()(images), rtol=0, atol=0)
