from __future__ import annotations

import math

import pytest
import torch

from imlgcn.errors import InputError
from imlgcn.models.heads import create_head
from imlgcn.models.layers import FoldedHead, GraphConvolution, ImageVector, pool, scale_to_norm

from .conftest import IN_CHANNELS


def test_pooling_takes_the_mean_or_maximum_of_each_channel():
    features = torch.tensor([[[[1.0, 5.0, 0.0]], [[-4.0, -1.0, -1.0]]]])  # (1, 2, 1, 3)
    torch.testing.assert_close(pool(features, "avg"), torch.tensor([[2.0, -2.0]]))
    torch.testing.assert_close(pool(features, "max"), torch.tensor([[5.0, -1.0]]))


def test_an_unknown_pooling_is_refused():
    with pytest.raises(InputError, match="unknown pooling 'mean'"):
        pool(torch.zeros(1, 1, 1, 1), "mean")


def test_scaled_vectors_have_norm_root_c_and_their_direction():
    vectors = torch.randn(4, 9) * torch.tensor([[1e-3], [1.0], [50.0], [1e4]])
    scaled = scale_to_norm(vectors)
    torch.testing.assert_close(scaled.norm(dim=1), torch.full((4,), 3.0))
    cosine = torch.nn.functional.cosine_similarity(vectors, scaled)
    torch.testing.assert_close(cosine, torch.ones(4))


def test_an_all_zero_image_vector_stays_zero():
    assert torch.equal(scale_to_norm(torch.zeros(1, 4)), torch.zeros(1, 4))


def test_a_graph_convolution_equals_its_formula_in_loops():
    layer = GraphConvolution(2, 3)
    nodes, adjacency = torch.randn(4, 2), torch.randn(4, 4)  # not symmetric
    expected = torch.zeros(4, 3)
    for i in range(4):
        for j in range(4):
            for d in range(2):
                expected[i] += adjacency[i, j] * nodes[j, d] * layer.weight[d]
    torch.testing.assert_close(layer(nodes, adjacency), expected)
    assert [name for name, _ in layer.named_parameters()] == ["weight"]


def test_a_graph_convolution_starts_within_one_over_the_root_of_its_output_width():
    weight = GraphConvolution(100, 25).weight
    assert 0.19 < weight.abs().max() <= 0.2
    assert weight.std().item() == pytest.approx(0.2 / math.sqrt(3), rel=0.05)


def test_a_folded_head_holds_copies():
    weight, bias = torch.randn(3, 2), torch.randn(3)
    folded = FoldedHead(ImageVector("max", normalize=True, dropout=0.5), weight, bias)
    features = torch.randn(2, 2, 3, 3)
    before = folded(features).detach()
    vector = features.amax((2, 3))
    vector = vector / vector.norm(dim=1, keepdim=True) * math.sqrt(2)
    torch.testing.assert_close(before, vector @ weight.T + bias)
    weight.zero_()
    torch.testing.assert_close(folded(features), before)


@pytest.mark.parametrize("name", ["linear", "ml_gcn", "iml_gcn"])
@pytest.mark.parametrize("bias_start", [None, -2.0])
def test_a_folded_head_keeps_one_classifier_per_label_and_a_bias_if_there_was_one(
    name, bias_start, labels
):
    folded = create_head(name, IN_CHANNELS, labels, bias_start=bias_start).fold()
    L = labels.num_labels
    expected = L * IN_CHANNELS + (0 if bias_start is None else L)
    assert sum(p.numel() for p in folded.parameters()) == expected
    assert not list(folded.buffers())
