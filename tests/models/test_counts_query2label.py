"""The size of Query2Label on ResNet-101, counted on a network that holds no numbers."""

from __future__ import annotations

import pytest
import torch

from imlgcn.labels.context import LabelContext
from imlgcn.models.classifier import count_parameters
from imlgcn.models.counting import count_system
from imlgcn.models.heads import create_head

TRUNK, CHANNELS = 42_500_160, 2048
PER_LABEL = 2 * CHANNELS + 1  # a query, a classifier, a bias


@pytest.mark.parametrize("num_labels", [80, 500])
def test_query2label_on_resnet101_has_the_published_number_of_parameters(num_labels):
    expected = 193_906_832 + (num_labels - 80) * PER_LABEL
    with torch.device("meta"):
        counts = count_system("query2label", "resnet101", num_labels)
    assert counts == {"backbone": TRUNK, "head": expected - TRUNK, "total": expected}


@pytest.mark.parametrize("num_labels", [80, 500])
def test_the_input_projection_adds_its_own_number(num_labels):
    labels = LabelContext.placeholder(num_labels)
    with torch.device("meta"):
        head = create_head("query2label", CHANNELS, labels, preset="paper", hidden_dim=CHANNELS)
    expected = 198_103_184 + (num_labels - 80) * PER_LABEL
    assert TRUNK + count_parameters(head) == expected
