"""Nodes are placed so that names can be read, always the same way; too many are left out."""

import numpy as np
import pytest

from imlgcn.labels.context import LabelContext
from imlgcn.views import label_graph as graph_module
from imlgcn.views.label_graph import summarise_graph
from imlgcn.views.layout import place_nodes


def random_links(n, seed, share=0.08):
    links = np.random.default_rng(seed).random((n, n)) < share
    np.fill_diagonal(links, False)
    return links


def overlaps(centres, boxes):
    gap = np.abs(centres[:, None] - centres[None]) - (boxes[:, None] + boxes[None]) / 2
    touching = (gap < -1e-6).all(axis=2)
    np.fill_diagonal(touching, False)
    return touching.sum()


@pytest.mark.parametrize(("n", "share"), [(1, 0.0), (2, 1.0), (12, 0.1), (60, 0.08), (60, 0.6)])
def test_no_two_boxes_overlap_and_all_are_inside(n, share):
    boxes = np.random.default_rng(1).uniform((20, 20), (110, 50), (n, 2))
    centres, size = place_nodes(random_links(n, 0, share), boxes, width=760)
    assert overlaps(centres, boxes) == 0
    assert (centres - boxes / 2 >= 0).all()
    assert (centres + boxes / 2 <= size).all()


def test_the_same_graph_is_always_drawn_the_same():
    links, boxes = random_links(25, 3), np.full((25, 2), (60.0, 30.0))
    first, second = (place_nodes(links, boxes, width=760)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_star_keeps_its_centre_in_the_middle():
    links = np.zeros((5, 5), bool)
    links[[0, 1, 3, 4], 2] = True
    centres, _ = place_nodes(links, np.full((5, 2), 20.0), width=300)
    np.testing.assert_allclose(centres[2], np.delete(centres, 2, axis=0).mean(axis=0), atol=1.0)
    lengths = np.hypot(*(np.delete(centres, 2, axis=0) - centres[2]).T)
    np.testing.assert_allclose(lengths, lengths.mean(), rtol=0.01)


def test_a_chain_is_as_long_as_its_hops_and_lies_flat():
    links = np.eye(4, k=1, dtype=bool)
    centres, _ = place_nodes(links, np.full((4, 2), 20.0), width=300)
    x, y = centres[np.argsort(centres[:, 0])].T
    np.testing.assert_allclose(np.diff(x), np.diff(x).mean(), rtol=0.05)
    assert np.ptp(y) < 0.1 * np.ptp(x)
    assert abs(np.diff(np.argsort(centres[:, 0]))).tolist() == [1, 1, 1]


def many_labels(num_labels, num_images=400):
    generator = np.random.default_rng(0)
    topic = generator.integers(0, 5, num_images)
    targets = (topic[:, None] == np.arange(num_labels) % 5) & (
        generator.random((num_images, num_labels)) < 0.7
    )
    return LabelContext.from_targets(
        [f"label {i}" for i in range(num_labels)], targets.astype(np.int8)
    )


def test_of_many_labels_those_of_frequent_pairs_are_drawn():
    context = many_labels(500)
    summary = summarise_graph(context, 0.4)
    drawn = summary.drawn
    assert len(drawn.names) <= graph_module.MOST_LABELS
    assert len(drawn.edges) == graph_module.MOST_EDGES < len(summary.rules)
    most = max(summary.rules, key=lambda rule: rule.count)
    assert {most.source, most.target} <= set(drawn.names)


def test_edges_point_the_way_of_their_rule_and_areas_follow_frequency():
    targets = np.array([[1, 1, 0]] * 3 + [[0, 1, 0]] * 9 + [[0, 0, 1]] * 2, np.int8)
    summary = summarise_graph(LabelContext.from_targets(["pie", "food", "logo"], targets), 0.4)
    assert summary.isolated == ["logo"]
    assert summary.drawn.names == ("pie", "food")
    ((source, target, probability, mutual),) = summary.drawn.edges
    assert (source, target, probability, mutual) == (0, 1, 1.0, False)
    inner = summary.drawn.radii - 3
    assert inner[1] ** 2 / inner[0] ** 2 == pytest.approx(12 / 3)


def test_a_graph_without_edges_has_no_drawing():
    summary = summarise_graph(LabelContext.from_targets(["a", "b"], np.eye(2, dtype=np.int8)), 0.4)
    assert summary.drawn is None
    assert summary.isolated == ["a", "b"]


def test_a_name_goes_to_the_side_where_no_link_leaves():
    links = np.zeros((3, 3), bool)
    links[0, 1] = links[2, 1] = True  # 0 hangs over 1, 2 under it to the right
    centres = np.array([[0.0, 100.0], [0.0, 50.0], [80.0, 40.0]])  # y points up
    assert graph_module._names_below(centres, links).tolist() == [False, True, True]
