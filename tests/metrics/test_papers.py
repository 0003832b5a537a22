"""Each paper's scoring by name: slow loops of every rule, invariances, and where codes divide by 0.

The slow loops repeat the rules by paper and share nothing with the table of protocols.
"""

import math

import numpy as np
import pytest

from imlgcn.errors import InputError
from imlgcn.metrics import (
    PUBLISHED,
    evaluate_scores,
    example_scores,
    predict_labels,
    raw_probabilities,
    score_published,
)

SIX = ("OP", "OR", "OF1", "CP", "CR", "CF1")
EPSILON = np.finfo(float).eps
every_protocol = pytest.mark.parametrize("protocol", PUBLISHED)


def case(seed, images=60, *, unknown=True, empty=False):
    """Return distinct probabilities and targets of five labels; the third is never predicted."""
    generator = np.random.default_rng(seed)
    targets = (generator.random((images, 5)) < [0.5, 0.3, 0.4, 0.6, 0.2]).astype(np.int8)
    targets[:5] = np.eye(5)  # no label is empty
    logits = 3 * targets - 1.5 + 1.5 * generator.normal(size=targets.shape)
    logits[:, 2] -= 9
    if unknown:
        targets[5:][generator.random((images - 5, 5)) < 0.1] = -1
    if empty:
        targets[:, 4] = np.minimum(targets[:, 4], 0)
    return 1 / (1 + np.exp(-logits)), targets


def divide(a, b, otherwise=float("nan")):
    return a / b if b else otherwise


def slow_average_precision(protocol, scores, targets):
    pairs = list(zip(scores, targets, strict=True))
    if protocol in ("ml_gcn", "csra", "csra_wider"):
        pairs = [(s, t) for s, t in pairs if t != -1]
    ranked = [t == 1 for _, t in sorted(pairs, reverse=True)]
    if not any(ranked):
        return 0.0 if protocol in ("asl", "c_tran") else float("nan")
    precisions = [sum(ranked[: i + 1]) / (i + 1) for i in range(len(ranked))]
    if protocol in ("ssgrl", "query2label", "srn"):
        precisions = [max(precisions[i:]) for i in range(len(precisions))]
    return sum(p for p, hit in zip(precisions, ranked, strict=True) if hit) / sum(ranked)


def slow_said(protocol, row, label, top3):
    p = row[label]
    said = p > 0.8 if protocol == "asl" else p > 0.5 if protocol == "srn" else p >= 0.5
    return bool(said and (not top3 or sum(other > p for other in row) < 3))


def slow_counts(protocol, probabilities, targets, top3):
    rows = [[0, 0, 0] for _ in range(targets.shape[1])]  # hits, said, positives
    for row, truth in zip(probabilities, targets, strict=True):
        for label, target in enumerate(truth):
            if target == -1 and protocol == "csra":
                continue
            said = slow_said(protocol, row, label, top3)
            rows[label][0] += said and target == 1
            rows[label][1] += said
            rows[label][2] += target == 1
    return rows


def slow_six(protocol, probabilities, targets, *, top3=False):
    rows = slow_counts(protocol, probabilities, targets, top3)
    if protocol in ("ml_gcn", "csra", "csra_wider"):
        rows = [[hits, max(said, 1), positives] for hits, said, positives in rows]
    totals = [sum(column) for column in zip(*rows, strict=True)]
    if protocol == "srn":
        rows = [[number + EPSILON for number in row] for row in rows]
        totals = [number + EPSILON for number in totals]
    zero = 0.0 if protocol in ("asl", "c_tran") else float("nan")
    op, overall = divide(totals[0], totals[1], 0.0), divide(totals[0], totals[2], zero)
    precision = [divide(hits, said, 0.0) for hits, said, _ in rows]
    recall = [divide(hits, positives, zero) for hits, _, positives in rows]
    cp, cr = np.mean(precision), np.mean(recall)
    cf1 = divide(2 * cp * cr, cp + cr)
    if protocol in ("asl", "srn"):
        pairs = zip(precision, recall, strict=True)
        cf1 = np.mean([divide(2 * p * r, p + r, 0.0) for p, r in pairs])
    return op, overall, divide(2 * op * overall, op + overall), cp, cr, cf1


@every_protocol
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("empty", [False, True])
def test_every_number_equals_a_slow_loop_of_the_papers_rule(protocol, seed, empty):
    probabilities, targets = case(seed, empty=empty)
    ours = score_published(probabilities, targets, protocol)
    expected = [
        slow_average_precision(protocol, s, t)
        for s, t in zip(probabilities.T, targets.T, strict=True)
    ]
    np.testing.assert_allclose(ours.average_precision, expected, rtol=1e-12)
    np.testing.assert_allclose(ours.mean_average_precision, np.mean(expected), rtol=1e-12)
    expected = slow_six(protocol, probabilities, targets)
    np.testing.assert_allclose([ours.six[key] for key in SIX], expected, rtol=1e-9, atol=1e-12)
    if ours.top3 is not None:
        expected = slow_six(protocol, probabilities, targets, top3=True)
        np.testing.assert_allclose([ours.top3[key] for key in SIX], expected, rtol=1e-9, atol=1e-12)


def test_the_protocols_give_different_numbers_on_the_same_scores():
    probabilities, targets = case(0, empty=True)
    scores = {name: score_published(probabilities, targets, name) for name in PUBLISHED}
    assert len({tuple(s.six.values()) for s in scores.values()}) == len(PUBLISHED)
    filled = {s.average_precision[:4].tobytes() for s in scores.values()}
    assert len(filled) == 3, "unknown left out, unknown absent, and the envelope"


def test_both_means_of_a_class_f1_worked_by_hand():
    probabilities = np.array([[0.9, 0.9], [0.9, 0.1], [0.9, 0.1], [0.1, 0.1]])
    targets = np.array([[1, 1], [0, 1], [0, 1], [1, 0]])
    # label 0: P 1/3, R 1/2, F1 2/5; label 1: P 1, R 1/3, F1 1/2
    of_means = 2 * (2 / 3) * (5 / 12) / (2 / 3 + 5 / 12)
    for protocol in ("ml_gcn", "csra", "ssgrl", "query2label", "c_tran"):
        found = score_published(probabilities, targets, protocol).six["CF1"]
        assert found == pytest.approx(of_means), protocol
    for protocol in ("asl", "srn"):
        found = score_published(probabilities, targets, protocol).six["CF1"]
        assert found == pytest.approx((2 / 5 + 1 / 2) / 2), protocol


@every_protocol
def test_a_perfect_ranking_scores_100_in_everything(protocol):
    _, targets = case(1, unknown=False)
    targets[:, 3:] *= targets[:, :3].sum(axis=1, keepdims=True) < 2  # three labels at most
    table = evaluate_scores(0.1 + 0.8 * targets, targets, list("abcde"), protocol=protocol)
    numbers = [table[key] for key in ("mAP", *SIX)] + list((table["top3"] or {}).values())
    numbers += [table[key] for key in ("ACC", "HA", "ebF1") if key in table]
    assert numbers == pytest.approx([100] * len(numbers))


@every_protocol
@pytest.mark.parametrize("axis", [0, 1])
def test_the_order_of_images_or_labels_changes_no_number(protocol, axis):
    probabilities, targets = case(2)
    order = np.random.default_rng(0).permutation(targets.shape[axis])
    ours = score_published(probabilities, targets, protocol)
    moved = score_published(probabilities.take(order, axis), targets.take(order, axis), protocol)
    assert moved.mean_average_precision == pytest.approx(ours.mean_average_precision, abs=1e-12)
    for name in ("six", "top3", "per_image"):
        assert getattr(moved, name) == pytest.approx(getattr(ours, name), abs=1e-12)


@every_protocol
def test_a_rising_curve_over_the_scores_changes_no_average_precision(protocol):
    probabilities, targets = case(3)
    ours = score_published(probabilities, targets, protocol).average_precision
    curved = score_published(probabilities**3, targets, protocol).average_precision
    np.testing.assert_array_equal(ours, curved)


def test_an_unknown_target_is_what_each_paper_makes_of_it():
    probabilities, targets = np.array([[0.9], [0.8], [0.7]]), np.array([[-1], [1], [0]])
    left_out, absent = (1, 1 / 2), (1 / 2, 1 / 3)  # average precision; precision over all
    expected = dict.fromkeys(PUBLISHED, absent)
    expected |= {"ml_gcn": (left_out[0], absent[1]), "csra": left_out, "asl": (1 / 2, 0)}
    expected["csra_wider"] = expected["ml_gcn"]
    for protocol, (precision, op) in expected.items():
        found = score_published(probabilities, targets, protocol)
        assert found.average_precision == pytest.approx(precision), protocol
        assert found.six["OP"] == pytest.approx(op), protocol


def test_the_threshold_is_reached_or_passed_as_each_paper_says():
    targets = [[1, 0], [0, 1]]

    def recall(probability, protocol, **options):
        found = score_published([[probability, 0.1]] * 2, targets, protocol, **options)
        return round(found.six["OR"], 6)  # SRN's is an epsilon off

    for protocol in PUBLISHED:
        assert recall(0.5, protocol) == (0 if protocol in ("asl", "srn") else 1 / 2), protocol
        assert recall(0.51, protocol) == (0 if protocol == "asl" else 1 / 2), protocol
    assert (recall(0.8, "asl"), recall(0.81, "asl")) == (0, 1 / 2)
    assert recall(0.7, "asl", threshold=0.6) == 1 / 2


def test_ties_with_the_third_highest_are_all_kept_or_the_first_taken():
    probabilities, targets = [[0.9, 0.8, 0.7, 0.7, 0.7]], [[1, 1, 1, 1, 1]]
    recalls = {"c_tran": 1, "ssgrl": 1, "query2label": 1, "ml_gcn": 3 / 5, "csra": 3 / 5}
    for protocol, recall in recalls.items():
        assert score_published(probabilities, targets, protocol).top3["OR"] == pytest.approx(recall)
    first = predict_labels(probabilities, 0.5, 3, ties="first")
    assert first.tolist() == [[True, True, True, False, False]]
    assert predict_labels([[0.6, 0.7]], 0.65, 3, ties="first").tolist() == [[False, True]]
    with pytest.raises(InputError, match="top_k must be at least 1"):
        predict_labels([[0.6, 0.7]], 0.65, 0, ties="first")


@pytest.mark.parametrize("seed", range(3))
def test_numbers_per_image_equal_a_slow_loop(seed):
    probabilities, targets = case(seed)
    probabilities[7], targets[7] = 0.1, 0  # nothing said and nothing present: no F1
    said, exact, right, known, f1 = probabilities >= 0.5, [], 0, 0, []
    for answers, truth in zip(said, targets, strict=True):
        pairs = [(a, t == 1) for a, t in zip(answers, truth, strict=True) if t != -1]
        exact.append(all(a == t for a, t in pairs))
        right, known = right + sum(a == t for a, t in pairs), known + len(pairs)
        if any(a or t for a, t in pairs):
            f1.append(2 * sum(a and t for a, t in pairs) / sum(int(a) + int(t) for a, t in pairs))
    assert len(f1) < len(said)
    found = example_scores(said, targets)
    assert found == pytest.approx((np.mean(exact), right / known, np.mean(f1)))


# the door


def test_float32_probabilities_tie_where_a_code_ranks_them_and_not_where_it_ranks_logits():
    logits = np.float32([[18.0, 18.25, 22.9, 22.900002, -22.9]])
    for protocol, rules in PUBLISHED.items():
        found = raw_probabilities(logits, protocol)
        assert len(np.unique(found)) == (2 if rules.scores == "probabilities" else 5)
        assert found.dtype == (np.float32 if rules.scores == "probabilities" else np.float64)
    assert {name for name, rules in PUBLISHED.items() if rules.scores == "logits"} == {
        "ml_gcn",
        "ssgrl",
        "srn",
    }


@pytest.mark.parametrize("given", [[[3.0, -1.0]], [[0.5, -0.1]], [[1.5, 0.5]]])
def test_logits_in_place_of_probabilities_are_refused(given):
    with pytest.raises(InputError, match="pass raw_probabilities"):
        score_published(given, [[1, 0]], "ml_gcn")


def test_wrong_names_and_fitted_thresholds_are_refused():
    with pytest.raises(InputError, match="did you mean 'ml_gcn'"):
        evaluate_scores([[0.5]], [[1]], ["cat"], protocol="mlgcn")
    with pytest.raises(InputError, match="did you mean 'query2label'"):
        score_published([[0.5]], [[1]], "query2labels")
    with pytest.raises(InputError, match="protocol 'asl' has its own threshold"):
        evaluate_scores([[0.5]], [[1]], ["cat"], protocol="asl", thresholds=[0.3])
    with pytest.raises(InputError, match="no label has a known target"):
        evaluate_scores([[0.5]], [[-1]], ["cat"], protocol="asl")


# logits, not their sigmoid, where the code ranks logits


RANK_LOGITS = [name for name, rules in PUBLISHED.items() if rules.scores == "logits"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1, 12, 300, 1e30])
def test_different_logits_have_different_probabilities_in_their_order(scale, dtype):
    generator = np.random.default_rng(0)
    logits = (scale * generator.normal(size=(200, 5))).astype(dtype)
    logits[:20] = np.round(logits[:20], -1)  # some tie
    logits[0, 0] = -0.0
    found = raw_probabilities(logits, "ml_gcn")
    assert ((found >= 0) & (found <= 1)).all()
    steps = np.sign(logits.ravel()[:, None] - logits.ravel())
    np.testing.assert_array_equal(np.sign(found.ravel()[:, None] - found.ravel()), steps)
    np.testing.assert_array_equal(found >= 0.5, logits >= 0)
    plain = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -700, 700)))
    np.testing.assert_allclose(found, plain, atol=1e-12)


def test_the_probabilities_of_low_logits_are_as_exact_as_a_float_can_be():
    logits = np.array([[-16.1, -20.5, -37.0, -300.25, -700.0]])
    exact = [1 / (1 + math.exp(-logit)) for logit in logits[0]]
    np.testing.assert_allclose(raw_probabilities(logits, "ml_gcn")[0], exact, rtol=1e-15)


def test_which_protocols_rank_logits():
    assert RANK_LOGITS == ["ml_gcn", "ssgrl", "srn"]


@every_protocol
@pytest.mark.parametrize("logits", [(40, 50), (-50, -40), (800, 900), (-900, -800)])
def test_high_logits_tie_only_where_the_code_ranks_probabilities(protocol, logits):
    """The image with the label has the higher logit."""
    scores = np.array(logits, np.float32)[:, None]
    for order in (slice(None), slice(None, None, -1)):
        probabilities = raw_probabilities(scores[order], protocol)
        targets = np.array([[0], [1]])[order]
        found = score_published(probabilities, targets, protocol).mean_average_precision
        assert found == 1 or (protocol not in RANK_LOGITS and found == 0.5)
        if protocol in RANK_LOGITS:
            assert found == 1


# WIDER Attribute


@pytest.mark.parametrize("seed", range(3))
def test_unspecified_attributes_of_wider_count_as_absent_in_f1_and_not_in_map(seed):
    probabilities, targets = case(seed)
    assert (targets == -1).any()
    wider, voc, absent = (
        score_published(probabilities, t, name)
        for t, name in (
            (targets, "csra_wider"),
            (targets, "csra"),
            (np.maximum(targets, 0), "csra"),
        )
    )
    np.testing.assert_array_equal(wider.average_precision, voc.average_precision)
    assert wider.six == absent.six != voc.six
