"""The sizes of SRN and CNN-RNN: every layer by hand, and the published one."""

from __future__ import annotations

import pytest

from imlgcn.models.counting import count_system

RESNET_101 = 42_500_160


@pytest.mark.parametrize(("L", "expected"), [(80, 47_595_824), (500, 50_177_564)])
def test_srn_counts_on_resnet101(L, expected):
    attention = 1024 * 512 + 2 * 512 + 9 * 512 * 512 + 2 * 512 + 512 * L
    confidence = 1024 * 1024 + 2 * 1024 + 1024 * L + L
    mixing = L * 512 + 2 * 512 + 512 * 512 + 2 * 512
    whole = 2048 * 14 * 14 + 2048
    endings = 2 * (2048 * L + L)
    head = attention + confidence + mixing + whole + endings
    counts = count_system("srn", "resnet101", L)
    assert counts == {"backbone": RESNET_101, "head": head, "total": expected}


def test_srn_is_within_one_percent_of_the_published_size():
    assert count_system("srn", "resnet101", 80)["total"] == pytest.approx(48.0e6, rel=0.01)


@pytest.mark.parametrize(("L", "expected"), [(80, 135_744_592), (500, 135_771_892)])
def test_cnn_rnn_counts_on_vgg16(L, expected):
    lstm = 4 * 512 * (64 + 512 + 2)
    joint = 512 * 64 + 64 + 4096 * 64
    head = lstm + joint + (L + 2) * 64 + L  # labels, start and end; biases
    counts = count_system("cnn_rnn", "vgg16", L)
    assert counts == {"backbone": 134_260_544, "head": head, "total": expected}
