"""Everything of many labels equals the same thing of few: targets, counts, graph, embeddings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.numpy import load, save

from imlgcn.errors import InputError
from imlgcn.labels import graph, sparse_pairs
from imlgcn.labels import targets as targets_of
from imlgcn.labels.context import LabelContext
from imlgcn.labels.embeddings import image_embeddings
from imlgcn.labels.sparse import SparseMatrix
from imlgcn.labels.sparse_graph import build_sparse_adjacency
from imlgcn.labels.targets import Targets, occurrences_and_absences, present_entries

SHAPES = st.tuples(st.integers(0, 9), st.integers(1, 7))
VALUES = st.sampled_from([0, 0, 0, 1, 1, -1])
TARGETS = arrays(np.int8, SHAPES, elements=VALUES)
NEVER_ABSENT_TARGETS = arrays(np.int8, SHAPES, elements=st.sampled_from([1, 1, -1, -1, 0]))
ANY = st.one_of(TARGETS, NEVER_ABSENT_TARGETS)


@given(ANY, st.data())
def test_sparse_targets_are_the_dense_ones(dense, data):
    targets = Targets.from_dense(dense)
    assert (targets.shape, len(targets), targets.ndim) == (dense.shape, len(dense), 2)
    assert np.array_equal(targets.dense(), dense)
    assert targets[:].dtype == np.int8
    rows = np.array(data.draw(st.lists(st.integers(0, max(len(dense) - 1, 0)), max_size=5)), int)
    rows = rows[rows < len(dense)]
    assert np.array_equal(targets[rows], dense[rows])
    assert np.array_equal(targets.select(rows).dense(), dense[rows])
    assert np.array_equal(targets[1:4], dense[1:4])
    columns = data.draw(st.permutations(range(dense.shape[1])))[:3]
    assert np.array_equal(targets.select_labels(columns).dense(), dense[:, columns])
    for label in columns:
        assert np.array_equal(targets.column(label), dense[:, label])
    for row in rows:
        assert np.array_equal(targets[int(row)], dense[row])
    assert targets.all_known == (dense >= 0).all()
    assert np.array_equal(occurrences_and_absences(targets), occurrences_and_absences(dense))


@given(ANY)
def test_present_entries_and_counts_are_those_of_the_matrix(dense):
    wanted = [part.tolist() for part in np.nonzero(dense == 1)]
    counts = [(dense == value).sum(axis=0).tolist() for value in (1, 0)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(targets_of, "ENTRIES_PER_BLOCK", 5)
        patch.setattr(targets_of, "ROWS_OF_BYTES", 2)
        for targets in (dense, Targets.from_dense(dense)):
            assert [part.tolist() for part in present_entries(targets)] == wanted
            assert occurrences_and_absences(targets).tolist() == counts


def test_more_images_than_a_byte_counts_are_counted():
    assert occurrences_and_absences(np.ones((1_000, 2), np.int8)).tolist() == [[1_000] * 2, [0] * 2]


def test_an_image_takes_the_memory_of_its_labels_whatever_the_number_of_labels():
    few, many = (
        Targets.from_rows([(0, {3: 1, 1: 1}), (-1, {2: 0})], labels) for labels in (5, 10**6)
    )
    assert many.entries.columns.nbytes == few.entries.columns.nbytes == 12
    assert few.entries.columns.tolist() == [1, 3, 2], "ascending in each image"
    assert many[[1]].shape == (1, 10**6)
    assert few.dense().tolist() == [[0, 1, 0, 1, 0], [-1, -1, 0, -1, -1]]


def test_targets_too_large_for_a_matrix_say_how_large():
    rows = ((0, {row: 1}) for row in range(20_000))
    targets = Targets.from_rows(rows, 1_000_000)
    with pytest.raises(InputError, match="20,000 images x 1,000,000 labels take 20 GB"):
        targets.dense()


@pytest.mark.parametrize("strange", [np.array([[2]], np.int8), np.zeros(3, np.int8)])
def test_targets_of_other_values_or_shape_are_refused(strange):
    with pytest.raises(InputError, match="targets must"):
        Targets.from_dense(strange)


@given(ANY, st.sampled_from([1, 3, 2**23]))
def test_sparse_counts_equal_the_dense_ones(dense, per_block):
    targets = Targets.from_dense(dense)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparse_pairs, "PAIRS_PER_BLOCK", per_block)
        pairs = sparse_pairs.count_sparse_pairs(targets)
        shown, known = sparse_pairs.count_sparse_known_pairs(targets)
    assert np.array_equal(pairs.dense(), graph.count_pairs(dense)[0])
    assert np.array_equal(targets.occurrences, graph.count_pairs(dense)[1])
    assert (pairs.values > 0).all(), "only what occurs is kept"
    for found, expected in zip((shown, known), graph.count_known_pairs(dense), strict=True):
        assert np.array_equal(found.dense(), expected)


def test_labels_whose_pairs_do_not_fit_into_32_bits_are_counted():
    far = 99_999
    targets = Targets.from_rows([(0, {1: 1, far: 1}), (0, {far: 1, far - 1: 1})], far + 1)
    pairs = sparse_pairs.count_sparse_pairs(targets)
    found = dict(zip(zip(pairs.rows.tolist(), pairs.columns.tolist(), strict=True),
                     pairs.values.tolist(), strict=True))  # fmt: skip
    assert found == {
        (1, 1): 1, (1, far): 1, (far - 1, far - 1): 1, (far - 1, far): 1,
        (far, 1): 1, (far, far - 1): 1, (far, far): 2,
    }  # fmt: skip


@given(
    ANY,
    st.sampled_from([0.05, 0.4, 0.5, 1.0]),
    st.sampled_from([0.3, 0.8, 1.0]),
    st.booleans(),
)
def test_the_sparse_graph_equals_the_dense_one(dense, threshold, self_weight, zero_diagonal):
    counts, occurrences = graph.count_pairs(dense)
    options = {
        "threshold": threshold,
        "self_weight": self_weight,
        "zero_diagonal": zero_diagonal,
    }
    expected = graph.build_adjacency(counts, occurrences, **options)
    found = build_sparse_adjacency(SparseMatrix.from_dense(counts), occurrences, **options)
    np.testing.assert_allclose(found.dense(), expected, rtol=1e-6, atol=1e-9)
    assert found.values.dtype == np.float32


@given(ANY, st.sampled_from([0.05, 0.5, 1.0]))
def test_rules_and_isolated_labels_of_sparse_counts_are_those_of_dense_ones(dense, threshold):
    counts, occurrences = graph.count_pairs(dense)
    names = [f"label {i}" for i in range(len(occurrences))]
    for question in (graph.strongest_rules, graph.isolated_labels):
        ours, theirs = (
            question(names, given, occurrences, threshold=threshold)
            for given in (SparseMatrix.from_dense(counts), counts)
        )
        assert ours == theirs


@given(TARGETS, st.sampled_from(["all", "sole", "weighted"]), st.sampled_from([1, 3, 8192]))
def test_embeddings_of_sparse_targets_equal_those_of_dense_ones(dense, images, per_block):
    if not len(dense):
        return
    features = np.random.default_rng(0).standard_normal((len(dense), 4)).astype(np.float32)
    plain = {"images": images, "centred": False, "unit_rms": False}
    expected = image_embeddings(features, dense, **plain)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("imlgcn.labels.embeddings.IMAGES_PER_BLOCK", per_block)
        found = image_embeddings(features, Targets.from_dense(dense), **plain)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


DENSE = np.array([[1, 0, 1], [1, 1, -1], [0, 1, 0], [1, 0, 1], [-1, -1, 1]], np.int8)
NAMES = ("cat", "dog", "sofa")


@pytest.fixture
def many():
    """As of more than 1,000 labels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(targets_of, "MANY_LABELS", 1)
        patch.setattr(targets_of, "ENTRIES_PER_LABEL", 0)
        return LabelContext.from_targets(NAMES, DENSE, {"image": np.eye(3, dtype=np.float32)})


@pytest.fixture
def few():
    return LabelContext.from_targets(NAMES, DENSE, {"image": np.eye(3, dtype=np.float32)})


def counts_of(labels):
    parts = (labels.pair_counts, labels.shown_where_known, labels.known_pairs, labels.occurrences)
    return [part.tolist() for part in parts]


def test_a_context_of_many_labels_keeps_its_counts_sparse_and_gives_them_dense(many, few):
    assert counts_of(many) == counts_of(few)
    assert "pair_counts" not in many.to_arrays()
    assert "pair_counts" in few.to_arrays()
    assert many.sparse_pairs.dense().tolist() == few.sparse_pairs.dense().tolist()


@given(ANY)
def test_labels_that_fill_their_images_are_counted_as_a_matrix_however_they_are_kept(dense):
    names = [f"label {i}" for i in range(dense.shape[1])]
    targets = Targets.from_dense(dense)
    few = len(targets.entries.values) * 40 <= dense.size
    assert targets.are_few == few
    ours, theirs = (LabelContext.from_targets(names, given) for given in (targets, dense))
    assert ("pair_counts" in ours.to_arrays()) is not few
    for name in ("pair_counts", "occurrences", "shown_where_known", "known_pairs"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name))


def test_a_context_of_names_alone_holds_no_matrix():
    named = LabelContext.named([str(i) for i in range(100_000)])
    assert len(named.sparse_pairs.values) == 0
    assert LabelContext.named(NAMES).pair_counts.tolist() == [[0] * 3] * 3


def test_a_context_of_many_labels_comes_back_from_its_arrays(many, few):
    back = LabelContext.from_arrays(NAMES, load(save(many.to_arrays())))
    assert counts_of(back) == counts_of(few)
    assert "pair_counts.values" in back.to_arrays()
    assert back.embedding("image").tolist() == np.eye(3).tolist()


def test_labels_of_a_sparse_context_are_matched_by_name_and_may_be_dropped(many, few):
    for order in (("sofa", "cat", "dog"), ("dog", "cat")):
        assert counts_of(many.reordered(order)) == counts_of(few.reordered(order))


def test_other_embeddings_leave_the_counts_sparse(many):
    richer = many.with_embeddings(words=np.zeros((3, 2), np.float32))
    assert "pair_counts" not in richer.to_arrays()
    assert counts_of(richer) == counts_of(many)


def test_damaged_sparse_counts_are_refused(many):
    arrays = many.to_arrays()
    for part, damage in (
        ("columns", arrays["pair_counts.columns"] + 2),
        ("starts", arrays["pair_counts.starts"][:-1]),
        ("starts", arrays["pair_counts.starts"][::-1]),
        ("values", arrays["pair_counts.values"][1:]),
    ):
        with pytest.raises(InputError, match="damaged"):
            LabelContext.from_arrays(NAMES, {**arrays, f"pair_counts.{part}": damage})
    del arrays["pair_counts.values"]
    with pytest.raises(InputError, match="lacks pair_counts"):
        LabelContext.from_arrays(NAMES, arrays)
