"""Counts of changed labels: sparse ones equal a dense reference, and 10,000 labels stay small."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from imlgcn.growing import counts as growing_counts
from imlgcn.growing.counts import merged_counts, widened_counts
from imlgcn.labels import targets as targets_of
from imlgcn.labels.context import LabelContext
from imlgcn.labels.graph import count_known_pairs, count_pairs
from imlgcn.labels.known import PairCounts
from imlgcn.labels.on_demand import stored
from imlgcn.labels.pairs import dense
from imlgcn.labels.sparse import SparseMatrix
from imlgcn.labels.sparse_pairs import OffsetMatrix
from imlgcn.labels.targets import Targets

TABLES = ("pair_counts", "shown_where_known", "known_pairs")
NAMES = tuple("abcdefg")
MB = 2**20


@pytest.fixture(params=[False, True], ids=["dense", "sparse"])
def sparse(request, monkeypatch):
    """Whether seven labels count as many."""
    if request.param:
        for module in (growing_counts, targets_of):
            monkeypatch.setattr(module, "MANY_LABELS", 2)
        monkeypatch.setattr(targets_of, "ENTRIES_PER_LABEL", 0)
        monkeypatch.setattr(growing_counts, "LABELS_PER_BLOCK", 2)
        monkeypatch.setattr(growing_counts, "TARGETS_PER_BLOCK", 20)
    return request.param


def draw(values, images=40, labels=5):
    return np.random.default_rng(3).choice(values, (images, labels)).astype(np.int8)


@pytest.mark.parametrize("values", [[0, 0, 1], [0, 0, 1, -1], [-1, -1, -1, 0, 1]])
@pytest.mark.parametrize("fresh", [[5, 6], [1, 5, 6], [0, 1, 2, 3, 4, 5, 6]])
def test_counts_with_new_labels_are_the_old_ones_but_for_rows_and_columns(sparse, values, fresh):
    old = LabelContext.from_targets(NAMES[:5], draw(values))
    targets = draw([-1, -1, 0, 1], 30, 7)
    found = widened_counts(old, NAMES, np.array(fresh, np.int64), targets)
    both, present = count_pairs(targets)
    new = (both, *count_known_pairs(targets))
    for name, before, after in zip(TABLES, PairCounts.from_context(old), new, strict=True):
        wanted = np.pad(dense(before), (0, 2))
        wanted[fresh], wanted[:, fresh] = after[fresh], after[:, fresh]
        assert np.array_equal(getattr(found, name), wanted), name
        assert isinstance(stored(found, name), np.ndarray) != sparse
    occurrences = np.pad(old.occurrences, (0, 2))
    occurrences[fresh] = present[fresh]
    assert found.occurrences.tolist() == occurrences.tolist()
    assert (found.names, found.num_images) == (NAMES, 40)


@pytest.mark.parametrize("groups", [[[0], [1, 3, 1], [2, 4]], [[4], [0, 2]], [[0, 1, 2, 3, 4]]])
def test_counts_of_merged_labels_are_sums_and_at_most_what_the_label_has(sparse, groups):
    old = LabelContext.from_targets(NAMES[:5], draw([0, 0, 1]))
    assert isinstance(stored(old, "pair_counts"), SparseMatrix) == sparse
    names = NAMES[: len(groups)]
    found = merged_counts(old, names, groups)
    member = np.array([[label in group for label in range(5)] for group in groups], np.int64)
    counts = np.minimum(member @ old.occurrences, 40)
    pairs = np.minimum(member @ old.pair_counts @ member.T, np.minimum(counts[:, None], counts))
    np.fill_diagonal(pairs, counts)
    assert np.array_equal(found.pair_counts, pairs)
    assert found.occurrences.tolist() == counts.tolist()
    assert isinstance(stored(found, "pair_counts"), SparseMatrix) == sparse
    assert stored(found, "known_pairs") is None


@pytest.fixture(scope="module")
def many():
    """Targets of 10,000 labels, 5 on each of 300 images."""
    columns = np.random.default_rng(0).integers(0, 10_000, (300, 5))
    rows = [(0, dict.fromkeys(row.tolist(), 1)) for row in columns]
    return Targets.from_rows(rows, 10_000)


def peak(work):
    tracemalloc.start()
    try:
        return work(), tracemalloc.get_traced_memory()[1] / MB
    finally:
        tracemalloc.stop()


def test_a_label_beside_10_000_costs_a_row_and_a_column_and_no_matrix(many):
    names = [str(number) for number in range(10_001)]
    old = LabelContext.from_targets(names[:-1], many)
    targets = np.pad(many.dense(), ((0, 0), (0, 1)), constant_values=-1)
    targets[:9, -1] = 1
    found, megabytes = peak(lambda: widened_counts(old, names, np.array([10_000]), targets))
    assert megabytes < 60  # a matrix has 800
    shown = stored(found, "shown_where_known")
    assert isinstance(shown, OffsetMatrix)
    assert len(shown.entries.values) <= 2 * 10_001
    assert len(stored(found, "pair_counts").values) < 300 * 6 * 6


def test_10_000_labels_are_renamed_and_merged_without_a_matrix(many):
    names = [str(number) for number in range(10_000)]
    old = LabelContext.from_targets(names, many)
    groups = [[0, 1], *([label] for label in range(2, 10_000))]
    for work in (
        lambda: old.renamed([f"x{name}" for name in names]),
        lambda: merged_counts(old, names[1:], groups),
    ):
        found, megabytes = peak(work)
        assert megabytes < 20  # a matrix has 800
        assert isinstance(stored(found, "pair_counts"), SparseMatrix)
