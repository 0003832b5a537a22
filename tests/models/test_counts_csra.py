"""The size of CSRA on ResNet-101, counted on a network that holds no numbers."""

from __future__ import annotations

import pytest
import torch

from imlgcn.labels.context import LabelContext
from imlgcn.models.classifier import count_parameters
from imlgcn.models.counting import count_system
from imlgcn.models.heads import create_head
from imlgcn.models.heads.csra import TEMPERATURES

TRUNK, CHANNELS = 42_500_160, 2048


@pytest.mark.parametrize(("num_labels", "total"), [(80, 43_155_520), (500, 46_596_160)])
@pytest.mark.parametrize("folded", [False, True])
def test_csra_on_resnet101_has_the_published_number_of_parameters(num_labels, total, folded):
    with torch.device("meta"):
        counts = count_system("csra", "resnet101", num_labels, folded=folded)
    assert counts.items() >= {"backbone": TRUNK, "head": total - TRUNK, "total": total}.items()
    assert ("deployed" in counts) == folded


def test_six_heads_have_the_published_number_too():
    options = {"preset": "paper", "temperatures": TEMPERATURES[6]}
    with torch.device("meta"):
        head = create_head("csra", CHANNELS, LabelContext.placeholder(80), **options)
    assert round((TRUNK + count_parameters(head)) / 1e6, 2) == 43.48
