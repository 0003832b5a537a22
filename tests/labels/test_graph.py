"""The label graph, step by step, on counts small enough to work by hand."""

import numpy as np
import pytest

from imlgcn.errors import InputError
from imlgcn.labels import graph
from imlgcn.labels.graph import (
    binarize,
    build_adjacency,
    conditional_probability,
    count_pairs,
    isolated_labels,
    normalize_adjacency,
    reweight,
    strongest_rules,
)

# Three labels; a and b are together on 6 images, b and c on 3.
NAMES = ["a", "b", "c"]
PAIRS = np.array([[10, 6, 0], [6, 8, 3], [0, 3, 4]])
OCCURRENCES = np.array([10, 8, 4])


def random_targets(images=200, labels=6, seed=0):
    generator = np.random.default_rng(seed)
    return generator.choice([1, 0, -1], size=(images, labels), p=[0.3, 0.6, 0.1]).astype(np.int8)


def counts_by_loops(targets):
    labels = targets.shape[1]
    pairs = np.zeros((labels, labels), int)
    for row in targets:
        for i in range(labels):
            for j in range(labels):
                pairs[i, j] += row[i] == 1 and row[j] == 1
    return pairs


def adjacency_by_loops(pairs, occurrences, threshold, self_weight):
    labels = len(occurrences)
    binary = np.zeros((labels, labels))
    for i in range(labels):
        for j in range(labels):
            binary[i, j] = (
                i != j and occurrences[i] > 0 and pairs[i, j] / occurrences[i] >= threshold
            )
    p = 1 - self_weight
    weighted = np.eye(labels)
    for j in range(labels):
        incoming = sum(binary[k, j] for k in range(labels))
        for i in range(labels):
            weighted[i, j] += binary[i, j] * p / (1 - p) / (incoming + 1e-6)
    rows = [sum(weighted[i]) for i in range(labels)]
    result = np.zeros((labels, labels))
    for i in range(labels):
        for j in range(labels):
            result[i, j] = weighted[j, i] / np.sqrt(rows[i] * rows[j])
    return result


def test_counts_equal_a_plain_loop():
    targets = random_targets()
    pairs, occurrences = count_pairs(targets)
    np.testing.assert_array_equal(pairs, counts_by_loops(targets))
    np.testing.assert_array_equal(occurrences, (targets == 1).sum(axis=0))
    assert pairs.dtype == occurrences.dtype == np.int64


def test_unknown_counts_as_little_as_absent():
    targets = random_targets()
    for found, expected in zip(
        count_pairs(targets), count_pairs(np.maximum(targets, 0)), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_counting_in_blocks_changes_nothing(monkeypatch):
    targets = random_targets()
    whole, _ = count_pairs(targets)
    monkeypatch.setattr(graph, "IMAGES_PER_BLOCK", 7)
    np.testing.assert_array_equal(count_pairs(targets)[0], whole)


def test_no_image_gives_zero_counts():
    pairs, occurrences = count_pairs(np.zeros((0, 3), np.int8))
    assert pairs.tolist() == np.zeros((3, 3)).tolist()
    assert occurrences.tolist() == [0, 0, 0]


def test_changing_occurrences_leaves_the_pair_counts_alone():
    pairs, occurrences = count_pairs(random_targets())
    before = pairs.copy()
    occurrences += 1
    np.testing.assert_array_equal(pairs, before)


def test_conditional_probability_reads_from_row_to_column():
    conditional = conditional_probability(PAIRS, OCCURRENCES)
    np.testing.assert_allclose(conditional, [[0, 0.6, 0], [0.75, 0, 0.375], [0, 0.75, 0]])


def test_the_diagonal_is_one_when_kept():
    kept = conditional_probability(PAIRS, OCCURRENCES, zero_diagonal=False)
    assert kept.diagonal().tolist() == [1, 1, 1]
    np.fill_diagonal(kept, 0)
    np.testing.assert_array_equal(kept, conditional_probability(PAIRS, OCCURRENCES))


@pytest.mark.filterwarnings("error")
def test_a_label_that_never_occurs_predicts_nothing():
    conditional = conditional_probability([[3, 0], [0, 0]], [3, 0], zero_diagonal=False)
    assert conditional.tolist() == [[1, 0], [0, 0]]


def test_the_counts_given_are_not_changed():
    pairs = PAIRS.astype(np.float64)
    conditional_probability(pairs, OCCURRENCES)
    np.testing.assert_array_equal(pairs, PAIRS)


@pytest.mark.parametrize(("threshold", "edges"), [(0.6, 3), (0.61, 2), (0.375, 4), (1.0, 0)])
def test_an_edge_exactly_at_the_threshold_is_kept(threshold, edges):
    binary = binarize(conditional_probability(PAIRS, OCCURRENCES), threshold)
    assert binary.sum() == edges
    assert set(np.unique(binary)) <= {0.0, 1.0}


def test_neighbours_share_what_the_label_leaves_over():
    binary = np.array([[0.0, 1, 0], [1, 0, 0], [0, 1, 0]])  # a <-> b, c -> b
    weighted = reweight(binary, self_weight=0.7)
    share = 0.3 / 0.7
    expected = [[1, share / 2, 0], [share, 1, 0], [0, share / 2, 1]]
    np.testing.assert_allclose(weighted, expected, atol=1e-6)
    assert weighted[1, 0] == pytest.approx(share / (1 + 1e-6), abs=1e-12)


def test_a_label_keeps_its_self_weight_of_all_that_reaches_it():
    weighted = reweight(binarize(conditional_probability(PAIRS, OCCURRENCES)), self_weight=0.65)
    own_share = weighted.diagonal() / weighted.sum(axis=0)
    np.testing.assert_allclose(own_share, [0.65, 0.65, 1], atol=1e-6)  # no edge reaches c


def test_self_weight_one_is_the_identity():
    np.testing.assert_array_equal(reweight(np.ones((3, 3)), self_weight=1.0), np.eye(3))


def test_an_edge_carries_from_source_to_target():
    """P(b|a) >= threshold lets b (its row) gather from a (the column), not the reverse."""
    adjacency = build_adjacency([[5, 5], [5, 90]], [5, 90])  # a -> b only
    assert adjacency[1, 0] > 0
    assert adjacency[0, 1] == 0


def test_normalisation_divides_by_the_roots_of_both_row_sums():
    adjacency = normalize_adjacency(np.array([[1.0, 3.0], [0.0, 9.0]]))
    np.testing.assert_allclose(adjacency, [[0.25, 0], [0.5, 1]])
    assert adjacency.dtype == np.float32


@pytest.mark.parametrize(("threshold", "self_weight"), [(0.4, 0.8), (0.25, 0.6), (0.75, 0.9)])
def test_the_whole_way_equals_plain_loops(threshold, self_weight):
    pairs, occurrences = count_pairs(random_targets(images=40, labels=9, seed=3))
    built = build_adjacency(pairs, occurrences, threshold=threshold, self_weight=self_weight)
    expected = adjacency_by_loops(pairs, occurrences, threshold, self_weight)
    np.testing.assert_allclose(built, expected, atol=1e-6)


def test_permuting_the_labels_permutes_the_adjacency():
    targets = random_targets(images=40, labels=9, seed=3)
    order = np.random.default_rng(1).permutation(9)
    straight = build_adjacency(*count_pairs(targets), threshold=0.3)
    permuted = build_adjacency(*count_pairs(targets[:, order]), threshold=0.3)
    np.testing.assert_allclose(permuted, straight[np.ix_(order, order)], atol=1e-7)


def test_one_label_alone_is_its_own_graph():
    assert build_adjacency([[4]], [4]).tolist() == [[1.0]]


def test_a_kept_diagonal_makes_a_label_its_own_neighbour():
    """a <-> b, each also pointing to itself: half of the neighbours' 0.25 comes back."""
    kept = reweight(binarize(np.array([[1.0, 0.5], [0.5, 1.0]])))
    np.testing.assert_allclose(kept, [[1.125, 0.125], [0.125, 1.125]], atol=1e-6)
    built = build_adjacency([[4, 2], [2, 4]], [4, 4], zero_diagonal=False)
    np.testing.assert_allclose(built, [[0.9, 0.1], [0.1, 0.9]], atol=1e-6)


def test_rules_come_by_probability_then_by_count():
    pairs = [[10, 6, 0, 6], [6, 8, 3, 0], [0, 3, 4, 0], [6, 0, 0, 6]]
    rules = strongest_rules([*NAMES, "d"], pairs, [10, 8, 4, 6], threshold=0.4)
    assert [str(rule) for rule in rules] == [
        "d -> a 1.00, 6 images",
        "b -> a 0.75, 6 images",
        "c -> b 0.75, 3 images",
        "a -> b 0.60, 6 images",
        "a -> d 0.60, 6 images",
    ]


def test_rules_are_the_edges_of_the_graph():
    pairs, occurrences = count_pairs(random_targets(seed=5))
    binary = binarize(conditional_probability(pairs, occurrences), 0.3)
    names = [str(label) for label in range(6)]
    rules = strongest_rules(names, pairs, occurrences, threshold=0.3)
    assert {(int(rule.source), int(rule.target)) for rule in rules} == set(
        zip(*map(np.ndarray.tolist, np.nonzero(binary)), strict=True)
    )


def test_one_image_is_not_called_images():
    (rule,) = strongest_rules(["a", "b"], [[1, 1], [1, 5]], [1, 5])
    assert str(rule) == "a -> b 1.00, 1 image"


def test_a_label_with_an_edge_in_or_out_is_not_isolated():
    pairs = [[10, 1, 0, 0], [1, 2, 0, 0], [0, 0, 7, 1], [0, 0, 1, 9]]
    assert isolated_labels([*NAMES, "d"], pairs, [10, 2, 7, 9]) == ["c", "d"]
    assert isolated_labels(NAMES[:2], [[5, 4], [4, 5]], [5, 5]) == []  # as many in as out


def test_rules_and_isolated_labels_are_those_of_the_default_graph():
    pairs, occurrences = [[10, 4], [4, 12]], [10, 12]  # P(b|a) is the threshold, P(a|b) below it
    assert [str(rule) for rule in strongest_rules(NAMES[:2], pairs, occurrences)] == [
        "a -> b 0.40, 4 images"
    ]
    assert isolated_labels(NAMES[:2], pairs, occurrences) == []
    assert isolated_labels(NAMES[:2], [[100, 39], [39, 100]], [100, 100]) == ["a", "b"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: count_pairs(np.array([1, 0])), r"shape \(images, labels\); got \(2,\)"),
        (lambda: count_pairs(np.array([[1, 2]])), "-1 .unknown.; got 2"),
        (
            lambda: conditional_probability(PAIRS, [1, 2]),
            r"2 labels must have shape \(2, 2\); got \(3, 3\)",
        ),
        (lambda: binarize(np.eye(2), 0.0), "above 0 and at most 1; got 0.0"),
        (lambda: binarize(np.eye(2), 1.01), "above 0 and at most 1; got 1.01"),
        (lambda: reweight(np.eye(2), 0.0), "above 0 and at most 1; got 0.0"),
        (lambda: reweight(np.eye(2), 1.01), "above 0 and at most 1; got 1.01"),
        (lambda: normalize_adjacency(np.zeros((2, 2))), "call reweight first"),
        (lambda: normalize_adjacency(np.array([[1.0, 1], [0, 0]])), "call reweight first"),
    ],
)
def test_input_that_makes_no_sense_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
