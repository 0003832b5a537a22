"""Precision, recall and F1 against counts worked by hand, slow loops and scikit-learn."""

import numpy as np
import pytest

from imlgcn.errors import InputError
from imlgcn.metrics import precision_recall_f1, predict_labels

# label 0: 2 of 3 right, 4 present; label 1: 1 of 1, 2 present; label 2 never said, 1 present
PREDICTED = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]], dtype=bool)
TARGETS = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 0], [1, 0, 0], [1, 0, 1]])


def test_six_numbers_and_both_cf1_worked_by_hand():
    scores = precision_recall_f1(PREDICTED, TARGETS)
    assert pytest.approx((3 / 4, 3 / 7, 6 / 11)) == (scores.OP, scores.OR, scores.OF1)
    cp, cr = (2 / 3 + 1 + 0) / 3, (2 / 4 + 1 / 2 + 0) / 3
    assert pytest.approx((cp, cr)) == (scores.CP, scores.CR)
    assert pytest.approx(2 * cp * cr / (cp + cr)) == scores.CF1
    assert pytest.approx((4 / 7 + 2 / 3 + 0) / 3) == scores.CF1_per_label
    np.testing.assert_array_equal(scores.true_positives, [2, 1, 0])
    np.testing.assert_array_equal(scores.predicted, [3, 1, 0])
    np.testing.assert_array_equal(scores.positives, [4, 2, 1])
    np.testing.assert_allclose(scores.precision, [2 / 3, 1, np.nan])


@pytest.mark.parametrize("seed", range(3))
def test_averages_equal_scikit_learn_when_empty_labels_count_as_zero(seed):
    from sklearn.metrics import precision_recall_fscore_support

    generator = np.random.default_rng(seed)
    predicted, targets = generator.random((40, 7)) < 0.3, (generator.random((40, 7)) < 0.4) * 1
    targets[:, 1], predicted[:, 3] = 0, False
    ours = precision_recall_f1(predicted, targets, empty="zero")
    macro = precision_recall_fscore_support(targets, predicted, average="macro", zero_division=0)
    micro = precision_recall_fscore_support(targets, predicted, average="micro", zero_division=0)
    assert (ours.CP, ours.CR, ours.CF1_per_label) == pytest.approx(macro[:3])
    assert pytest.approx(micro[:3]) == (ours.OP, ours.OR, ours.OF1)


def test_unknown_entries_equal_a_slow_count_over_the_known_ones():
    generator = np.random.default_rng(2)
    predicted = generator.random((30, 4)) < 0.5
    targets = generator.integers(-1, 2, (30, 4))
    scores = precision_recall_f1(predicted, targets)
    for label in range(4):
        column = zip(predicted[:, label], targets[:, label], strict=True)
        pairs = [(p, t) for p, t in column if t != -1]
        hits = sum(p and t == 1 for p, t in pairs)
        assert scores.precision[label] == pytest.approx(hits / sum(p for p, _ in pairs))
        assert scores.recall[label] == pytest.approx(hits / sum(t == 1 for _, t in pairs))


def test_a_label_without_positives_is_left_out_zero_or_undefined_by_name():
    predicted, targets = [[1, 1], [0, 1], [0, 0]], [[1, 0], [1, 0], [0, 0]]
    left_out = precision_recall_f1(predicted, targets)
    assert (left_out.CP, left_out.CR, left_out.CF1_per_label) == pytest.approx((1, 1 / 2, 2 / 3))
    assert pytest.approx(1 / 3) == left_out.OP  # what is said wrongly still counts over all
    zero = precision_recall_f1(predicted, targets, empty="zero")
    assert (zero.CP, zero.CR, zero.CF1_per_label) == pytest.approx((1 / 2, 1 / 4, 1 / 3))
    undefined = precision_recall_f1(predicted, targets, empty="nan")
    assert pytest.approx(1 / 2) == undefined.CP
    assert np.isnan([undefined.CR, undefined.CF1]).all()


def test_counting_one_prediction_for_a_silent_label_lowers_op_only():
    plain = precision_recall_f1(PREDICTED, TARGETS)
    counted = precision_recall_f1(PREDICTED, TARGETS, unpredicted_as_one=True)
    assert pytest.approx(3 / 5) == counted.OP
    assert (counted.OR, counted.CP, counted.CF1) == (plain.OR, plain.CP, plain.CF1)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("empty", "value"), [("zero", 0), ("one", 1)])
def test_where_nothing_is_predicted_or_present_every_number_is_what_the_name_says(empty, value):
    scores = precision_recall_f1(np.zeros((3, 2)), np.zeros((3, 2)), empty=empty)
    numbers = (scores.OP, scores.OR, scores.OF1, scores.CP, scores.CR, scores.CF1_per_label)
    assert numbers == (value,) * 6


@pytest.mark.filterwarnings("error")
def test_nothing_predicted_is_zero_and_nothing_present_is_undefined():
    silent = precision_recall_f1(np.zeros((2, 2)), [[1, 0], [0, 1]])
    assert (silent.OP, silent.OF1, silent.CF1) == (0, 0, 0)
    absent = precision_recall_f1(np.ones((2, 2)), np.zeros((2, 2)))
    assert np.isnan([absent.OR, absent.CP, absent.CF1_per_label]).all()


def test_one_threshold_or_one_per_label_includes_equality_unless_strict():
    scores = np.array([[0.5, 0.2], [0.4, 0.3]])
    assert predict_labels(scores, 0.5).tolist() == [[True, False], [False, False]]
    assert predict_labels(scores, [0.4, 0.3]).tolist() == [[True, False], [True, True]]
    assert not predict_labels(scores, 0.5, strict=True).any()


def test_the_threshold_is_a_half_also_of_whole_numbers():
    assert predict_labels([[0.5, 0.49]]).tolist() == [[True, False]]
    assert predict_labels([[0, 1]], 0.5).tolist() == [[False, True]]


def test_a_float32_score_equal_to_its_threshold_is_at_it():
    for value in (0.1, 0.3, 0.7, 0.9):
        assert predict_labels(np.float32([[value]]), np.array([value])).all()


def test_top_k_keeps_the_highest_of_each_image_and_still_asks_for_the_threshold():
    scores = np.array([[0.9, 0.8, 0.7, 0.6], [0.1, 0.9, 0.2, 0.3]])
    expected = [[True, True, False, False], [False, True, False, False]]
    assert predict_labels(scores, 0.5, top_k=2).tolist() == expected
    assert predict_labels(scores, 0.5, top_k=9).tolist() == (scores >= 0.5).tolist()
    assert predict_labels(scores, 0.1, top_k=1).argmax(axis=1).tolist() == [0, 1]
    assert predict_labels(scores, 0.1, top_k=1).sum() == 2


def test_of_many_tied_scores_the_first_are_taken_where_exactly_k_are():
    tied = predict_labels(np.full((2, 100), 0.7), 0.5, top_k=3, ties="first")
    assert tied[:, :3].all()
    assert not tied[:, 3:].any()


def test_all_scores_tied_with_the_kth_are_kept_so_label_order_does_not_matter():
    scores = np.array([[0.6, 0.9, 0.6, 0.6, 0.1]])
    assert predict_labels(scores, 0.5, top_k=2).tolist() == [[True, True, True, True, False]]


@pytest.mark.parametrize(
    ("threshold", "top_k", "message"), [([0.5, 0.5], None, "one per label"), (0.5, 0, "at least 1")]
)
def test_bad_thresholds_are_refused(threshold, top_k, message):
    with pytest.raises(InputError, match=message):
        predict_labels(np.zeros((2, 3)), threshold, top_k)
