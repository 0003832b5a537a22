"""The one object heads receive."""

import numpy as np
import pytest
from safetensors.numpy import load, save

from imlgcn.errors import InputError
from imlgcn.labels import LabelContext

NAMES = ("cat", "dog", "sofa")
TARGETS = np.array([[1, 0, 1], [1, 1, -1], [0, 1, 0], [1, 0, 1]], np.int8)


@pytest.fixture
def context():
    image = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    return LabelContext.from_targets(NAMES, TARGETS, {"image": image})


def test_targets_are_counted(context):
    assert context.pair_counts.tolist() == [[3, 1, 2], [1, 2, 0], [2, 0, 2]]
    assert context.occurrences.tolist() == [3, 2, 2]
    assert (context.num_images, context.num_labels) == (4, 3)


def test_labels_are_matched_by_name(context):
    order = ("sofa", "cat", "dog")
    reordered = context.reordered(order)
    expected = LabelContext.from_targets(order, TARGETS[:, [2, 0, 1]])
    np.testing.assert_array_equal(reordered.pair_counts, expected.pair_counts)
    np.testing.assert_array_equal(reordered.occurrences, expected.occurrences)
    assert reordered.embedding("image").tolist() == [[5, 6], [1, 2], [3, 4]]
    assert (reordered.names, reordered.num_images) == (order, 4)


def test_reordering_may_drop_labels(context):
    assert context.reordered(["sofa"]).pair_counts.tolist() == [[2]]


def test_stored_arrays_come_back_the_same(context):
    stored = save(context.with_embeddings(words=np.ones((3, 4), np.float32)).to_arrays())
    back = LabelContext.from_arrays(NAMES, load(stored))
    np.testing.assert_array_equal(back.pair_counts, context.pair_counts)
    np.testing.assert_array_equal(back.occurrences, context.occurrences)
    np.testing.assert_array_equal(back.embedding("image"), context.embedding("image"))
    assert back.embedding("words").shape == (3, 4)
    assert (back.names, back.num_images) == (NAMES, 4)
    assert back.pair_counts.dtype == np.int64


def test_a_reordered_context_is_stored_as_it_is_seen(context):
    """Safetensors writes the memory of an array: a transposed view would come back scrambled."""
    turned = context.with_embeddings(image=np.arange(6, dtype=np.float32).reshape(2, 3).T)
    back = LabelContext.from_arrays(NAMES, load(save(turned.to_arrays())))
    assert back.embedding("image").tolist() == [[0, 3], [1, 4], [2, 5]]


def test_other_arrays_in_the_file_are_ignored(context):
    arrays = {**context.to_arrays(), "head.weight": np.zeros(7, np.float32)}
    assert set(LabelContext.from_arrays(NAMES, arrays).embeddings) == {"image"}


def test_new_embeddings_leave_the_old_context_alone(context):
    richer = context.with_embeddings(words=np.zeros((3, 4), np.float32))
    assert set(context.embeddings) == {"image"}
    assert set(richer.embeddings) == {"image", "words"}


def test_one_hot_and_random_need_no_storing(context):
    assert context.embedding("onehot").tolist() == np.eye(3).tolist()
    drawn = context.embedding("random", dimension=5, seed=3)
    assert drawn.shape == (3, 5)
    assert context.embedding("random").shape == (3, 3)
    assert not np.array_equal(drawn, context.embedding("random", dimension=5, seed=4))


def test_a_stored_random_embedding_wins_over_a_new_draw(context):
    stored = np.full((3, 2), 7, np.float32)
    assert context.with_embeddings(random=stored).embedding("random") is stored


def test_a_placeholder_is_enough_to_count_parameters():
    context = LabelContext.placeholder(80, words=300, image=2048)
    assert (context.names[0], context.names[79]) == ("label 1", "label 80")
    assert context.pair_counts.shape == (80, 80)
    assert context.embedding("words").shape == (80, 300)
    assert context.embedding("image").shape == (80, 2048)


def test_one_label_is_a_context_too():
    context = LabelContext.from_targets(["cat"], np.ones((2, 1), np.int8))
    assert context.occurrences.tolist() == [2]
    assert context.embedding("random").shape == (1, 1)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("image_pca", r"embedding=image_pca.* linear stage"),
        ("words", r"imlgcn\[words\].* GloVe"),
        ("one_hot", "did you mean 'onehot'"),
    ],
)
def test_a_missing_embedding_says_what_provides_it(context, kind, message):
    with pytest.raises(InputError, match=message):
        context.embedding(kind)


def test_all_missing_labels_are_named(context):
    with pytest.raises(InputError, match=r"no label 'cow', 'bed'; it has cat, dog, sofa"):
        context.reordered(["cow", "cat", "bed"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LabelContext.from_targets(["a", "b", "a"], TARGETS), "must be unique.*: a$"),
        (lambda: LabelContext.from_targets(["a", "b"], TARGETS), "pair_counts of 2 labels"),
        (lambda: LabelContext.from_targets([*NAMES, "d"], TARGETS), "pair_counts of 4 labels"),
        (
            lambda: LabelContext.from_targets([], TARGETS[:, :0]),
            "has no label; give at least one name",
        ),
        (
            lambda: LabelContext.from_targets(NAMES, TARGETS, {"image": np.ones((2, 5))}),
            r"'image' of 3 labels must have shape \(3, 5\); got \(2, 5\)",
        ),
        (lambda: LabelContext.placeholder(0), "at least 1; got 0"),
        (lambda: LabelContext.from_arrays(NAMES, {}), "lacks pair_counts, occurrences, num_images"),
    ],
)
def test_input_that_makes_no_sense_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
