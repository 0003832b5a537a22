"""The order of the heat map: blocks are found again, and nothing but the order changes."""

import numpy as np

from imlgcn.labels.context import LabelContext
from imlgcn.views.cooccurrence import MOST_LABELS, block_order, ordered_cooccurrence


def test_blocks_that_were_shuffled_stand_together_again():
    generator = np.random.default_rng(0)
    block = np.repeat(np.arange(5), [2, 3, 4, 5, 6])  # (20,)
    shuffled = generator.permutation(20)
    similarity = np.where(block[:, None] == block, 0.9, 0.05)[np.ix_(shuffled, shuffled)]
    found = block[shuffled][block_order(similarity)]
    assert (np.diff(found) != 0).sum() == 4  # each block once


def test_a_chain_is_laid_out_from_end_to_end():
    n = 9
    places = np.random.default_rng(1).permutation(n)
    steps = np.abs(places[:, None] - places)
    order = block_order(np.where(steps == 1, 1.0, 0.0))
    assert (np.abs(np.diff(places[order])) == 1).sum() >= n - 3


def test_labels_without_company_are_kept():
    assert sorted(block_order(np.zeros((4, 4))).tolist()) == [0, 1, 2, 3]
    assert block_order(np.zeros((1, 1))).tolist() == [0]


def test_rows_and_columns_are_the_conditional_probabilities_of_their_names():
    targets = np.array([[1, 0, 1]] * 2 + [[0, 1, 1]] + [[0, 1, 0]] * 3, np.int8)
    matrix = ordered_cooccurrence(LabelContext.from_targets(["pie", "cat", "food"], targets))
    place = {name: index for index, name in enumerate(matrix.names)}
    assert matrix.conditional[place["pie"], place["food"]] == 1
    assert matrix.conditional[place["food"], place["pie"]] == 2 / 3
    assert matrix.conditional[place["cat"], place["food"]] == 1 / 4
    assert abs(place["pie"] - place["food"]) == 1


def test_of_too_many_labels_the_most_frequent_are_drawn():
    L = MOST_LABELS + 30
    targets = np.tril(np.ones((L, L), np.int8))  # label 0 is the most frequent
    matrix = ordered_cooccurrence(LabelContext.from_targets([str(i) for i in range(L)], targets))
    assert set(matrix.names) == {str(i) for i in range(MOST_LABELS)}
