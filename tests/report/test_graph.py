"""What the report says of the label graph, and of the use that a head makes of it."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from imlgcn.labels.context import LabelContext
from imlgcn.labels.graph import conditional_probability
from imlgcn.models.heads import HEADS, create_head, head_options
from imlgcn.tagger import Part


def test_rules_read_from_the_first_label_to_the_second(page):
    words = page.words
    assert "dessert → food1.00 · " in words
    assert "food → dessert1.00" not in words


def test_a_graph_head_that_ignores_the_graph_is_named(make_tagger, read):
    head = Part(name="ml_gcn", options={"graph": "identity", "threshold": 0.3})
    words = read(make_tagger(head=head)).words
    assert "graph=identity, so it does not use these edges" in words
    assert "P(j|i) ≥ 0.30" in words


def with_graph(tagger, adjacency):
    """Give the tagger's weights the label graph of its head."""
    weights = load_file(tagger.path / "model.safetensors")
    save_file(weights | {"head.adjacency": adjacency}, tagger.path / "model.safetensors")
    return tagger


@pytest.mark.parametrize("threshold", [0.0, 0.9])
def test_a_head_with_a_graph_and_no_option_for_it_is_not_said_to_use_none(
    threshold, make_tagger, read
):
    tagger = make_tagger(head=Part(name="new_head", options={}))
    context = tagger.folder.context
    graph = conditional_probability(
        context.pair_counts, context.occurrences, zero_diagonal=threshold > 0
    )
    words = read(with_graph(make_tagger(head=tagger.info.head), graph * (graph > threshold))).words
    edges = "edges of its own" if threshold else "all P(j|i), however small"
    assert f"The head new_head was built from {edges}, not only these arrows" in words
    assert "uses no graph" not in words
    assert "a lower threshold" not in words  # it has none


def test_a_damaged_graph_costs_no_report(make_tagger, read):
    tagger = make_tagger(head=Part(name="ssgrl", options={}))
    assert "was built from edges of its own" in read(with_graph(tagger, np.ones(3))).words


@pytest.mark.parametrize("name", HEADS)
def test_the_heads_with_a_graph_are_those_that_store_one(name):
    """The report finds the graph by this name, and its use by this option."""
    labels = LabelContext.placeholder(3, words=3, image=3, image_pca=3)
    stored = "adjacency" in create_head(name, 8, labels).state_dict()
    assert stored == (HEADS[name].neighbour_effect is not None)
    assert stored or "graph" not in head_options(name)
