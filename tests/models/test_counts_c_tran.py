"""Parameter counts of C-Tran on ResNet-101, whose own classifier is not counted."""

from __future__ import annotations

import pytest

from imlgcn.models.counting import count_system


@pytest.mark.parametrize(("num_labels", "expected"), [(80, 118_397_072), (500, 120_117_812)])
def test_c_tran_counts_two_vectors_and_a_bias_per_label(num_labels, expected):
    assert count_system("c_tran", "resnet101", num_labels)["total"] == expected
