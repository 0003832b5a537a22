"""Rules from the pairs that occur are those of the whole matrix; one row is one of the matrix."""

from __future__ import annotations

import numpy as np
import pytest

from imlgcn.errors import InputError
from imlgcn.labels import LabelContext
from imlgcn.labels.graph import conditional_probability, isolated_labels, strongest_rules
from imlgcn.labels.on_demand import stored
from imlgcn.labels.pairs import column_of, dense, diagonal_of, row_of
from imlgcn.labels.rules import find_rules, linked, partners, rules_around
from imlgcn.labels.sparse import MANY_LABELS, SparseMatrix
from imlgcn.labels.sparse_pairs import count_sparse_known_pairs
from imlgcn.labels.targets import Targets

NAMES = tuple("abcdefgh")


@pytest.fixture(scope="module")
def targets():
    generator = np.random.default_rng(0)
    drawn = (generator.random((60, 8)) < np.linspace(0.7, 0.05, 8)).astype(np.int8)
    drawn[:, 7] = 0  # a label that never occurs
    return drawn


def test_rules_of_pairs_are_those_of_the_matrix(targets):
    context = LabelContext.from_targets(NAMES, targets)
    counts = (context.pair_counts, context.occurrences)
    for threshold in (0.1, 0.4, 1.0):
        rules = find_rules(context, threshold)
        assert rules.edges(NAMES) == strongest_rules(NAMES, *counts, threshold=threshold)
        alone = [NAMES[i] for i in np.flatnonzero(~linked(rules, 8))]
        assert alone == isolated_labels(NAMES, *counts, threshold=threshold)
    with pytest.raises(InputError, match="the graph threshold must be above 0"):
        find_rules(context, 0.0)


def test_the_partners_of_a_label_are_its_row_of_the_matrix_in_order(targets):
    context = LabelContext.from_targets(NAMES, targets)
    conditional = conditional_probability(context.pair_counts, context.occurrences)
    best = partners(context, 2)
    for label in range(7):
        own = best.sources == label
        order = np.argsort(-conditional[label], kind="stable")[:2]
        assert best.targets[own].tolist() == order.tolist()
        np.testing.assert_allclose(best.probabilities[own], conditional[label, order])
    assert 7 not in best.sources


def test_rules_around_a_label_are_among_it_and_those_with_it_on_most_images(targets):
    context = LabelContext.from_targets(NAMES, targets)
    found = rules_around(context, 3, 2, threshold=0.9, own_threshold=0.05)
    shared = context.pair_counts[3].copy()
    shared[3] = 0
    chosen = {3, *np.argsort(-shared, kind="stable")[:2].tolist()}
    assert {*found.sources.tolist(), *found.targets.tolist()} == chosen
    for i, j, p, _ in zip(*found, strict=True):
        assert p >= (0.05 if 3 in (i, j) else 0.9)


@pytest.mark.parametrize("unknown", [False, True], ids=["complete", "unknown"])
def test_a_row_a_column_and_the_diagonal_are_those_of_the_matrix(targets, unknown):
    if unknown:
        hidden = np.random.default_rng(1).random(targets.shape) < 0.3
        kinds = count_sparse_known_pairs(Targets.from_dense(np.where(hidden, -1, targets)))
    else:
        kinds = (SparseMatrix.from_dense(LabelContext.from_targets(NAMES, targets).pair_counts),)
    for counts in kinds:
        whole = counts.dense()
        for label in range(8):
            assert row_of(counts, label).tolist() == row_of(whole, label).tolist()
            assert column_of(counts, label).tolist() == column_of(whole, label).tolist()
        assert diagonal_of(counts).tolist() == whole.diagonal().tolist()
        assert dense(counts).tolist() == whole.tolist()


def test_of_many_labels_no_matrix_is_kept():
    targets = np.zeros((5, MANY_LABELS + 1), np.int8)
    targets[:, [0, 7]] = 1
    context = LabelContext.from_targets([str(i) for i in range(MANY_LABELS + 1)], targets)
    assert isinstance(stored(context, "pair_counts"), SparseMatrix)
    assert sum(array.nbytes for array in context.to_arrays().values()) < 50_000
    assert find_rules(context, 0.5).counts.tolist() == [5, 5]
