"""The size of ML-Decoder on TResNet-M, counted on a network that holds no numbers."""

from __future__ import annotations

import pytest
import torch

from imlgcn.models.counting import count_system

TRUNK = 29_340_032


@pytest.mark.parametrize(
    ("num_labels", "total"), [(80, 36_490_704), (500, TRUNK + 7_473_652)], ids=["coco", "vg500"]
)
def test_ml_decoder_on_tresnet_m_has_the_published_number_of_trained_parameters(num_labels, total):
    with torch.device("meta"):
        counts = count_system("ml_decoder", "tresnet_m", num_labels)
    assert counts == {"backbone": TRUNK, "head": total - TRUNK, "total": total}
