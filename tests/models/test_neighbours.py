"""What the labels of a graph head bring to each other's scores, and what is left without them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from imlgcn.errors import InputError
from imlgcn.labels.context import LabelContext
from imlgcn.models.heads import HEADS, create_head

IN_CHANNELS = 12
PARTS = [
    ("ml_gcn", {}),
    ("ml_gcn", {"preset": "paper"}),
    ("ml_gcn", {"graph": "adaptive", "residual": True}),
    ("iml_gcn", {}),
    ("iml_gcn", {"preset": "paper"}),
    ("iml_gcn", {"graph": "identity"}),
]
EDGES = [("ssgrl", {}), ("ssgrl", {"preset": "paper"}), ("kggr", {}), ("kggr", {"time_step": 1})]


def build(name, options, labels):
    head = create_head(name, IN_CHANNELS, labels, **options).eval()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_(std=0.3)
    return head


over_parts = pytest.mark.parametrize(("name", "options"), PARTS)
over_edges = pytest.mark.parametrize(("name", "options"), EDGES)


def test_the_graph_heads_are_those_that_name_their_neighbours():
    effects = {name: head.neighbour_effect for name, head in HEADS.items()}
    assert {name for name, effect in effects.items() if effect == "parts"} == {"ml_gcn", "iml_gcn"}
    assert {name for name, effect in effects.items() if effect == "edges"} == {"ssgrl", "kggr"}


@over_parts
@torch.no_grad()
def test_the_parts_add_up_to_the_logit_without_its_bias(name, options, labels):
    head = build(name, options, labels)
    features = torch.randn(1, IN_CHANNELS, 3, 5)
    logits = head(features)[0]
    for label in range(labels.num_labels):
        bias = 0.0 if head.bias is None else head.bias[label]
        torch.testing.assert_close(head.neighbours(features, label).sum() + bias, logits[label])


@torch.no_grad()
def test_a_part_is_what_the_last_layer_brings_over_one_edge(labels):
    """By taking that one edge out of the last layer alone."""
    head = build("iml_gcn", {}, labels)
    features = torch.randn(1, IN_CHANNELS, 3, 5)
    graph = head.graph()
    label, other = next((i, j) for i, j in graph.nonzero().tolist() if i != j)
    cut = graph.clone()
    cut[label, other] = 0
    weight = head.scale * head.gc2(head.hidden(graph), cut)
    without = (head.vector(features) @ weight.T + head.bias)[0, label]
    part = head.neighbours(features, label)[other]
    assert part.abs() > 1e-3
    torch.testing.assert_close(part, head(features)[0, label] - without)


@over_parts
@torch.no_grad()
def test_without_the_graph_a_gcn_scores_as_with_the_identity(name, options, labels):
    head = build(name, options, labels)
    alone = create_head(name, IN_CHANNELS, labels, **{**options, "graph": "identity"}).eval()
    state = {key: value for key, value in head.state_dict().items() if key != "learned"}
    alone.load_state_dict({**state, "adjacency": alone.adjacency})
    features = torch.randn(2, IN_CHANNELS, 3, 5)
    torch.testing.assert_close(head.without_graph(features), alone(features))
    if options.get("graph") != "identity":
        assert not torch.allclose(head.without_graph(features), head(features))


@over_edges
@torch.no_grad()
def test_an_edge_brings_what_is_missing_when_it_is_cut(name, options, labels):
    head = build(name, options, labels)
    features = torch.randn(1, IN_CHANNELS, 3, 5)
    label = 1
    found, whole = head.neighbours(features, label), head(features)[0, label]
    adjacency = head.adjacency.clone()
    for other in range(labels.num_labels):
        head.adjacency = adjacency.clone()
        head.adjacency[label, other] = head.adjacency[other, label] = 0
        torch.testing.assert_close(found[other], whole - head(features)[0, label])
    assert found[label] == 0, "no label has an edge to itself"
    assert found.abs().max() > 1e-3


@over_edges
@torch.no_grad()
def test_without_the_graph_no_edge_is_left(name, options, labels):
    head = build(name, options, labels)
    features = torch.randn(2, IN_CHANNELS, 3, 5)
    found = head.without_graph(features)
    head.adjacency = torch.zeros_like(head.adjacency)
    torch.testing.assert_close(found, head(features))


@torch.no_grad()
def test_edges_are_cut_alike_however_many_are_scored_at_once(labels, monkeypatch):
    head = build("ssgrl", {}, labels)
    features = torch.randn(1, IN_CHANNELS, 3, 5)
    expected = head.neighbours(features, 2)
    monkeypatch.setattr("imlgcn.models.heads.ssgrl.CUT_AT_ONCE", 2)
    torch.testing.assert_close(head.neighbours(features, 2), expected)


@pytest.mark.parametrize("name", [n for n, h in HEADS.items() if h.neighbour_effect is None])
def test_a_head_without_a_graph_says_so(name, labels):
    head = create_head(name, IN_CHANNELS, labels)
    for call in (lambda: head.neighbours(None, 0), lambda: head.without_graph(None)):
        with pytest.raises(InputError, match=f"{type(head).__name__} has no label graph"):
            call()


def test_few_edges_of_the_graph_are_said_with_what_gives_more_where_something_does(labels):
    """a always comes with b, b in one of three images with a; nothing else occurs together."""
    rows = np.eye(5, dtype=np.int8)[[0, 1, 1, 2, 3]]
    rows[0, 1] = 1
    few = LabelContext.from_targets(labels.names, rows, labels.embeddings)
    (said,) = create_head("iml_gcn", IN_CHANNELS, few).notes()
    assert said.startswith("the label graph has 1 edge for 5 labels, little for a graph head to")
    assert "(head_options.threshold" in said
    assert create_head("iml_gcn", IN_CHANNELS, few, graph="identity").notes() == ()
    for diagonal in (True, False):  # an edge to itself is none
        (said,) = create_head("ssgrl", IN_CHANNELS, few, zero_diagonal=diagonal).notes()
        assert "has 2 edges for 5 labels" in said
        assert "threshold" not in said  # it has none


def test_a_head_with_a_loss_of_its_own_says_so(labels):
    said = {name: create_head(name, IN_CHANNELS, labels).notes() for name in HEADS}
    assert [name for name, notes in said.items() if any("is trained with" in n for n in notes)] == [
        "cnn_rnn"
    ]


@pytest.mark.parametrize("name", [name for name, h in HEADS.items() if h.feature_levels == 1])
def test_a_head_of_one_map_refuses_several(name, labels):
    head, maps = build(name, {}, labels), torch.randn(1, IN_CHANNELS, 2, 2)
    with pytest.raises(InputError, match="takes one feature map; got 2"):
        head((maps, maps))
