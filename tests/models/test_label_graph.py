"""A graph as its edges: equal to the matrix, in scores, gradients and training."""

from __future__ import annotations

import pytest
import torch

from imlgcn.errors import InputError
from imlgcn.losses import create_loss
from imlgcn.models.graph_layers import few_edges
from imlgcn.models.heads import create_head, ml_gcn
from imlgcn.models.label_graph import KeptEdges, LabelGraph

from .conftest import IN_CHANNELS

HEADS = ("ml_gcn", "iml_gcn")


@pytest.fixture
def adjacency():
    """Six labels; one without any edge to it, one without any at all, not symmetric."""
    matrix = torch.zeros(6, 6)
    for row, column, weight in ((0, 1, 0.5), (0, 5, 2.0), (1, 0, -1.5), (3, 3, 0.25), (5, 0, 3.0)):
        matrix[row, column] = weight
    return matrix


def test_a_step_on_the_edges_is_the_product_with_the_matrix_and_so_is_its_gradient(adjacency):
    nodes = torch.randn(6, 4, requires_grad=True)
    direction = torch.randn(6, 4)
    found = []
    for graph in (adjacency, LabelGraph.from_dense(adjacency)):
        product = graph @ nodes
        (gradient,) = torch.autograd.grad((product * direction).sum(), nodes)
        found.append((product, gradient))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def test_rows_and_targets_of_the_edges_are_those_of_the_matrix(adjacency):
    graph = LabelGraph.from_dense(adjacency)
    for label in range(6):
        assert torch.equal(graph.row(label), adjacency[label])
    assert graph.targets.tolist() == adjacency.nonzero()[:, 0].tolist()
    assert torch.equal(LabelGraph.identity(3) @ torch.eye(3), torch.eye(3))
    assert few_edges(graph) == few_edges(adjacency) != ()


def test_edges_are_found_anew_after_their_matrix_has_changed(adjacency):
    kept, nodes = KeptEdges(), torch.eye(6)
    first = kept.of(adjacency)
    assert kept.of(adjacency) is first
    adjacency[2, 4] = 7.0
    assert torch.equal(kept.of(adjacency) @ nodes, adjacency)
    assert torch.equal(kept.of(2 * adjacency) @ nodes, 2 * adjacency)


def pair(name, labels, monkeypatch, **options):
    """Return a head on a matrix, and one as of many labels with the same parameters."""
    dense = create_head(name, IN_CHANNELS, labels, **options)
    monkeypatch.setattr(ml_gcn, "MANY_LABELS", 1)
    sparse = create_head(name, IN_CHANNELS, labels, **options)
    sparse.load_state_dict(dict(dense.named_parameters()), strict=False)
    return dense, sparse


@pytest.mark.parametrize("graph", ["cooccurrence", "identity"])
@pytest.mark.parametrize("name", HEADS)
def test_a_head_of_many_labels_keeps_edges_and_equals_one_with_the_matrix(
    name, graph, labels, monkeypatch
):
    dense, sparse = pair(name, labels, monkeypatch, graph=graph, residual=True)
    assert "adjacency" in dense.state_dict()
    assert {"edge_starts", "edge_sources", "edge_weights"} <= sparse.state_dict().keys()
    assert "adjacency" not in sparse.state_dict()
    features = torch.randn(3, IN_CHANNELS, 2, 2)
    for head in (dense, sparse):
        torch.nn.init.ones_(head.plain)
        head.eval()
    torch.testing.assert_close(sparse(features), dense(features), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(sparse.fold()(features), dense(features), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(sparse.without_graph(features), dense.without_graph(features))
    for label in range(len(labels.names)):
        ours, theirs = (head.neighbours(features[:1], label) for head in (sparse, dense))
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)
    assert sparse.notes() == dense.notes()
    again = create_head(name, IN_CHANNELS, labels, graph=graph, residual=True).eval()
    again.load_state_dict(sparse.state_dict())
    assert torch.equal(again(features), sparse(features))


def test_a_head_of_many_labels_takes_the_matrix_of_an_older_version_and_other_edges(
    labels, monkeypatch
):
    older, head = pair("iml_gcn", labels, monkeypatch, threshold=0.05)
    features = torch.randn(3, IN_CHANNELS, 2, 2)
    for state in (older.state_dict(), head.state_dict()):
        other = create_head("iml_gcn", IN_CHANNELS, labels, threshold=0.9)
        assert len(other.edge_sources) != len(head.edge_sources)
        other.load_state_dict(state)
        torch.testing.assert_close(other.eval()(features), older.eval()(features))
    assert "adjacency" in older.state_dict(), "what was given is unchanged"


def test_a_damaged_graph_is_refused(labels, monkeypatch):
    _, head = pair("iml_gcn", labels, monkeypatch)
    state = head.state_dict()
    for part, change in (
        ("sources", lambda it: it + 1),
        ("sources", lambda it: it - 1),
        ("sources", lambda it: it[1:]),
        ("starts", lambda it: it + 1),
        ("starts", lambda it: it.flip(0)),
        ("starts", lambda it: it * 9),
        ("starts", lambda it: it[1:]),
    ):
        damaged = {**state, f"edge_{part}": change(state[f"edge_{part}"])}
        with pytest.raises(InputError, match="not one of 5 labels"):
            head.load_state_dict(damaged)


def test_a_learned_graph_of_many_labels_stays_a_matrix(labels, monkeypatch):
    dense, sparse = pair("iml_gcn", labels, monkeypatch, graph="adaptive")
    assert dense.state_dict().keys() == sparse.state_dict().keys()


def trained(head, features, targets, steps):
    optimizer = torch.optim.SGD(head.parameters(), lr=1e-3)
    head.train()
    for _ in range(steps):
        optimizer.zero_grad()
        head.loss(features, targets, create_loss("asymmetric")).backward()
        optimizer.step()
    return {name: value.detach().clone() for name, value in head.named_parameters()}


@pytest.mark.parametrize("options", [{}, {"residual": True}, {"graph": "adaptive"}])
@pytest.mark.parametrize("name", HEADS)
def test_training_without_the_classifiers_equals_training_with_them(
    name, options, labels, monkeypatch
):
    features = torch.randn(4, IN_CHANNELS, 1, 1)
    targets = torch.tensor([[1, 0, 0, -1, 0], [0, 1, 1, 0, 0], [1, 1, 0, 1, 0], [0, 0, 0, 0, 1]])
    found, used = [], []
    for short in (True, False):
        torch.manual_seed(0)
        head = create_head(name, IN_CHANNELS, labels, hidden=3, dropout=0.0, **options)
        start = {key: value.detach().clone() for key, value in head.named_parameters()}
        monkeypatch.setattr(head, "_hidden_first", lambda batch, short=short: short)
        whole = head.classifiers
        monkeypatch.setattr(
            head, "classifiers", lambda *given, whole=whole: used.append(1) or whole(*given)
        )
        found.append(trained(head, features, targets, 5))
        assert bool(used) is not short
    for key, before in start.items():
        assert not torch.allclose(found[0][key], before), f"{key} has learnt something"
        torch.testing.assert_close(found[0][key], found[1][key], rtol=1e-5, atol=1e-6)


def test_the_classifiers_are_left_out_in_training_only_and_only_where_that_is_less_work(labels):
    head = create_head("iml_gcn", IN_CHANNELS, labels, hidden=4)
    # with classifiers 5 * 4 * 12 + B * 12 * 5 multiplications, without B * 4 * (12 + 5)
    assert [batch for batch in range(1, 60) if head._hidden_first(batch)] == list(range(1, 30))
