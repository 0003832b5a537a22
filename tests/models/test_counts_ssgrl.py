"""Parameter counts of SSGRL and KGGR on ResNet-101, with word vectors of width 300."""

from __future__ import annotations

import pytest

from imlgcn.models.counting import count_system


@pytest.mark.parametrize(
    ("num_labels", "expected"), [(20, 92_147_797), (80, 92_270_737), (500, 93_131_317)]
)
def test_ssgrl_counts_its_unused_matrix_as_the_published_code_does(num_labels, expected):
    assert count_system("ssgrl", "resnet101", num_labels)["total"] == expected


def test_the_reconstruction_of_kggr_has_the_published_size_within_one_percent():
    total = count_system("kggr", "resnet101", 80)["total"]
    assert total == pytest.approx(45.0e6, rel=0.01)
    assert total == 45_028_881


def test_a_folded_kggr_loses_the_network_of_its_classifiers_and_its_word_side():
    counts = [count_system("kggr", "resnet101", 80, folded=folded) for folded in (False, True)]
    O = 288  # noqa: E741
    L, E, K = 80, 300, 288
    word_side = E * K + K * K + K + K + 1  # V, P, b, p, c
    folded_side = L * K + K
    lost = 9 * O * O + 6 * O + word_side - folded_side
    assert counts[0]["total"] - counts[1]["total"] == lost
