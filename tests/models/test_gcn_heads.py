"""The graph heads against slow loops, the plain network they must equal, and the golden numbers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import leaky_relu

from imlgcn.labels.context import LabelContext
from imlgcn.labels.graph import build_adjacency
from imlgcn.models.heads import create_head

GOLDEN = Path(__file__).parents[1] / "golden" / "head_ml_gcn.npz"
IN_CHANNELS = 12


def test_golden_head_ml_gcn():
    golden = {key: torch.from_numpy(array) for key, array in np.load(GOLDEN).items()}
    nums = golden["nums"].numpy()
    labels = LabelContext(
        tuple(f"label {i}" for i in range(len(nums))),
        golden["adj"].numpy(),
        nums,
        int(nums.sum()),
        {"words": golden["node_embeddings"].numpy()},
    )
    features = golden["features"]
    head = create_head(
        "ml_gcn",
        features.shape[1],
        labels,
        preset="paper",
        hidden=golden["W1"].shape[1],
        threshold=golden["tau"].item(),
        self_weight=1 - golden["p"].item(),
        leaky_slope=golden["leaky_slope"].item(),
    ).eval()
    weights = {"gc1.weight": golden["W1"], "gc2.weight": golden["W2"]}
    head.load_state_dict({**head.state_dict(), **weights})
    with torch.no_grad():
        expected = {
            "normalised": (head.adjacency, 1e-6),
            "pooled": (head.vector(features), 0),
            "classifiers": (head.classifiers(), 1e-5),
            "logits": (head(features), 5e-5),
        }
        for name, (ours, tolerance) in expected.items():
            torch.testing.assert_close(ours, golden[name], rtol=0, atol=tolerance)
        torch.testing.assert_close(head.fold()(features), golden["logits"], rtol=0, atol=5e-5)


def test_the_small_preset_equals_a_loop_over_images_and_labels(labels):
    head = create_head("iml_gcn", IN_CHANNELS, labels, hidden=3).eval()
    torch.nn.init.normal_(head.bias)
    features = torch.randn(2, IN_CHANNELS, 3, 2)
    nodes = labels.embedding("image_pca").astype(np.float64)
    nodes *= math.sqrt(labels.num_labels / np.mean([(row**2).sum() for row in nodes]))
    A = build_adjacency(labels.pair_counts, labels.occurrences).astype(np.float64)
    assert np.count_nonzero(A) > labels.num_labels  # a graph, not the identity
    W1, W2 = (p.detach().numpy().astype(np.float64) for p in (head.gc1.weight, head.gc2.weight))
    hidden = A @ nodes @ W1
    hidden = np.where(hidden > 0, hidden, 0.2 * hidden)
    classifiers = A @ hidden @ W2
    for image in range(2):
        vector = features[image].numpy().astype(np.float64).mean((1, 2))
        cosine_part = vector / math.sqrt(sum(value**2 for value in vector))
        for label in range(labels.num_labels):
            expected = 4.0 * cosine_part @ classifiers[label] + head.bias[label].item()
            assert head(features)[image, label].item() == pytest.approx(expected, abs=1e-5)


def test_with_the_identity_graph_the_classifiers_are_those_of_a_plain_network(labels):
    head = create_head("ml_gcn", IN_CHANNELS, labels, graph="identity", scale_nodes=False)
    nodes = torch.from_numpy(labels.embedding("words"))
    expected = leaky_relu(nodes @ head.gc1.weight, 0.2) @ head.gc2.weight
    torch.testing.assert_close(head.classifiers(), expected)


def test_the_graph_options_reach_the_adjacency(labels):
    base = create_head("ml_gcn", IN_CHANNELS, labels).adjacency
    for options in ({"threshold": 0.9}, {"self_weight": 0.6}, {"zero_diagonal": False}):
        changed = create_head("ml_gcn", IN_CHANNELS, labels, **options).adjacency
        assert not torch.equal(base, changed)
        ours = build_adjacency(labels.pair_counts, labels.occurrences, **options)
        torch.testing.assert_close(changed, torch.from_numpy(ours))


def test_without_a_scale_the_logits_are_the_bare_product(labels):
    options = {"logit_scale": None, "bias_start": None, "normalize": False}
    head = create_head("iml_gcn", IN_CHANNELS, labels, **options).eval()
    features = torch.randn(2, IN_CHANNELS, 3, 3)
    torch.testing.assert_close(head(features), features.mean((2, 3)) @ head.classifiers().T)


def test_graph_layers_start_within_one_over_the_root_of_their_width(labels):
    head = create_head("iml_gcn", IN_CHANNELS, labels, preset="paper")
    for layer, width in ((head.gc1, 1024), (head.gc2, IN_CHANNELS)):
        largest = layer.weight.abs().max().item()
        assert 0.98 / math.sqrt(width) < largest <= 1 / math.sqrt(width)


def test_random_nodes_follow_their_seed_and_image_nodes_are_the_given_ones(labels):
    first, again, other = (
        create_head("iml_gcn", IN_CHANNELS, labels, embedding="random", seed=seed).nodes
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    image = create_head("iml_gcn", IN_CHANNELS, labels, embedding="image", scale_nodes=False).nodes
    assert np.array_equal(image.numpy(), labels.embedding("image"))


def test_dropout_works_on_the_image_vector_in_training_only(labels):
    head = create_head("iml_gcn", IN_CHANNELS, labels, dropout=0.5)
    features = torch.randn(2, IN_CHANNELS, 1, 1)
    assert not torch.equal(head(features), head(features))
    head.eval()
    assert torch.equal(head(features), head(features))
    head.train()
    folded = head.fold().train()  # folding is for use: no dropout whatever the mode
    assert torch.equal(folded(features), folded(features))


@pytest.mark.parametrize("unit", [0.01, 30.0])
def test_scaled_nodes_do_not_depend_on_the_unit_of_the_embedding(labels, unit):
    other = labels.with_embeddings(image_pca=unit * labels.embedding("image_pca"))
    nodes, same = (create_head("iml_gcn", IN_CHANNELS, x).nodes for x in (labels, other))
    torch.testing.assert_close(nodes, same)
    assert nodes.square().sum().item() == pytest.approx(labels.num_labels**2, rel=1e-5)


@pytest.mark.parametrize("name", ["ml_gcn", "iml_gcn"])
def test_an_adaptive_graph_starts_as_the_counted_one_and_learns_a_matrix_beside_it(name, labels):
    counted = create_head(name, IN_CHANNELS, labels).eval()
    adaptive = create_head(name, IN_CHANNELS, labels, graph="adaptive").eval()
    left = adaptive.load_state_dict(counted.state_dict(), strict=False)
    assert (left.missing_keys, left.unexpected_keys) == (["learned"], [])
    assert adaptive.learned.numel() == labels.num_labels**2  # all that is added
    features = torch.randn(2, IN_CHANNELS, 3, 3)
    torch.testing.assert_close(adaptive(features), counted(features), rtol=0, atol=0)

    adaptive(features).square().sum().backward()
    assert (adaptive.learned.grad != 0).any()
    with torch.no_grad():
        adaptive.learned.normal_()
        counted.adjacency += adaptive.learned
    torch.testing.assert_close(adaptive(features), counted(features))
    folded = adaptive.fold()
    torch.testing.assert_close(folded(features), counted(features), rtol=1e-4, atol=1e-5)
    L = labels.num_labels
    assert sum(p.numel() for p in folded.parameters()) == L * IN_CHANNELS + L


@pytest.mark.parametrize("preset", ["small", "paper"])
def test_a_residual_head_starts_as_the_graph_head_and_adds_a_linear_layer(labels, preset):
    torch.manual_seed(3)
    head = create_head("iml_gcn", IN_CHANNELS, labels, preset=preset, residual=True).eval()
    torch.manual_seed(3)
    plain = create_head("iml_gcn", IN_CHANNELS, labels, preset=preset).eval()
    features = torch.randn(2, IN_CHANNELS, 3, 3)
    torch.testing.assert_close(head(features), plain(features))
    torch.nn.init.normal_(head.plain)
    expected = plain(features) + head.vector(features) @ head.plain.T
    torch.testing.assert_close(head(features), expected)
    torch.testing.assert_close(head.fold()(features), expected)
