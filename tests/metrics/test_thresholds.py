"""Thresholds: the best by brute force, shrunk toward the shared one where positives are few."""

import numpy as np
import pytest

from imlgcn.errors import InputError
from imlgcn.metrics import (
    OperatingPoint,
    fit_thresholds,
    parse_operating_point,
    precision_recall_f1,
    predict_labels,
)
from imlgcn.metrics.thresholds import RULES, Rule, ThresholdFit


def case(seed=0, images=400, rates=(0.4, 0.1, 0.03)):
    generator = np.random.default_rng(seed)
    targets = (generator.random((images, len(rates))) < rates).astype(int)
    noise = generator.normal(size=targets.shape)
    return 1 / (1 + np.exp(-(1.5 * targets + noise - 1))), targets


def measure(probabilities, targets, thresholds):
    return precision_recall_f1(predict_labels(probabilities, thresholds), targets)


def test_a_label_alone_gets_the_best_f1_there_is():
    probabilities, targets = case()
    chosen = measure(probabilities, targets, fit_thresholds(probabilities, targets, strength=0)).f1
    everywhere = np.unique(probabilities)
    best = np.max([measure(probabilities, targets, t).f1 for t in everywhere], axis=0)
    np.testing.assert_allclose(chosen, best)


def test_full_shrinking_gives_every_label_the_best_micro_f1():
    probabilities, targets = case()
    thresholds = fit_thresholds(probabilities, targets, strength=1e9)
    assert np.ptp(thresholds) == 0
    best = max(measure(probabilities, targets, t).OF1 for t in np.unique(probabilities))
    assert pytest.approx(best) == measure(probabilities, targets, thresholds).OF1


def test_joined_counts_worked_by_hand():
    # label 0 alone: .9 -> F1 2/3, .6 -> 1. Label 1 alone: .3 -> 1 (one positive).
    # all together, P = 3: .9 -> 2/4, .6 -> 4/6 (said 3), .3 -> 6/7 (said 4)
    probabilities = np.array([[0.9, 0.3], [0.6, 0.1], [0.4, 0.2]])
    targets = np.array([[1, 1], [1, 0], [0, 0]])
    assert fit_thresholds(probabilities, targets, strength=0).tolist() == [0.6, 0.3]
    # k=3, label 0: .6 -> 2(2+2)/(2+2+5) = 8/9; .3 -> 2(2+3)/(3+4+5) = 10/12
    assert fit_thresholds(probabilities, targets, strength=3).tolist() == [0.6, 0.3]
    # k=30: .6 -> 2(2+20)/(2+20+32) = 44/54 = .815; .3 -> 2(2+30)/(3+40+32) = 64/75 = .853
    assert fit_thresholds(probabilities, targets, strength=30).tolist() == [0.3, 0.3]


def test_joined_counts_equal_slow_loops_over_every_threshold():
    probabilities, targets = case(5, images=150, rates=(0.6, 0.3, 0.1, 0.05, 0.03))
    targets[20:50, 1] = -1
    candidates = sorted(probabilities[targets == 1])
    for strength in (2, 15, 60):
        thresholds = fit_thresholds(probabilities, targets, strength=strength)
        for p, t, chosen in zip(probabilities.T, targets.T, thresholds, strict=True):
            values = []
            for limit in candidates:
                said = (probabilities >= limit) & (targets >= 0)
                total = (targets == 1).sum()
                hits = ((p >= limit) & (t == 1)).sum()
                joined = hits + strength * (said & (targets == 1)).sum() / total
                all_said = ((p >= limit) & (t >= 0)).sum() + strength * said.sum() / total
                values.append(2 * joined / (all_said + (t == 1).sum() + strength))
            assert chosen == candidates[int(np.argmax(values))]


def test_the_more_positives_the_closer_to_the_labels_own_threshold():
    probabilities, targets = case(3, rates=(0.3, 0.3, 0.02))
    own, mixed, shared = (fit_thresholds(probabilities, targets, strength=s) for s in (0, 20, 1e9))
    share = np.abs(mixed - shared).sum() / np.abs(own - shared).sum()
    assert 0 < share < 1
    assert abs(mixed[2] - shared[2]) < abs(own[2] - shared[2])


@pytest.mark.parametrize("goal", ["f1", "precision=0.8", "recall=0.8"])
@pytest.mark.parametrize("strength", [0, 10])
def test_a_label_without_positives_takes_the_shared_threshold(goal, strength):
    probabilities, targets = case(rates=(0.4, 0.0, 0.1))
    probabilities[:200, 1] = 0.9  # its own false alarms do not move it
    thresholds = fit_thresholds(probabilities, targets, goal, strength=strength)
    assert thresholds[1] == fit_thresholds(probabilities, targets, goal, strength=1e9)[1]


def test_a_wanted_precision_is_reached_with_the_highest_recall():
    probabilities, targets = case()
    thresholds = fit_thresholds(probabilities, targets, "precision=0.7", strength=0)
    assert (measure(probabilities, targets, thresholds).precision >= 0.7).all()
    for label, threshold in enumerate(thresholds):
        positives = probabilities[targets[:, label] == 1, label]
        for lower in positives[positives < threshold]:
            assert measure(probabilities, targets, lower).precision[label] < 0.7


def test_a_wanted_recall_is_reached_with_the_highest_threshold():
    probabilities, targets = case()
    thresholds = fit_thresholds(probabilities, targets, "recall=0.9", strength=0)
    assert (measure(probabilities, targets, thresholds).recall >= 0.9).all()
    for label, threshold in enumerate(thresholds):
        positives = probabilities[targets[:, label] == 1, label]
        for higher in positives[positives > threshold]:
            assert measure(probabilities, targets, higher).recall[label] < 0.9


def test_a_precision_out_of_reach_gives_the_most_precise_threshold():
    probabilities, targets = np.array([[0.9], [0.8], [0.7], [0.2]]), [[0], [1], [1], [0]]
    assert fit_thresholds(probabilities, targets, "precision=0.99").tolist() == [0.7]


def test_unknown_entries_do_not_move_a_threshold():
    probabilities, targets = case()
    targets[100:180], probabilities[100:180] = -1, 0.9
    kept = np.delete(np.arange(len(targets)), range(100, 180))
    np.testing.assert_array_equal(
        fit_thresholds(probabilities, targets),
        fit_thresholds(probabilities[kept], targets[kept]),
    )


def test_more_positives_than_candidates_still_come_close_to_the_best_f1():
    probabilities, targets = case(images=8000, rates=(0.5,))
    found = measure(probabilities, targets, fit_thresholds(probabilities, targets)).OF1
    best = max(measure(probabilities, targets, t).OF1 for t in np.linspace(0.1, 0.6, 300))
    assert found > best - 1e-3


def test_a_number_is_taken_as_it_is_and_no_positive_at_all_means_a_half():
    probabilities, targets = case()
    assert fit_thresholds(probabilities, targets, 0.35).tolist() == [0.35] * 3
    assert fit_thresholds(probabilities, targets, "0.35").tolist() == [0.35] * 3
    point = OperatingPoint("fixed", 0.35)
    assert ThresholdFit(probabilities, targets).thresholds(point).tolist() == [0.35] * 3
    assert ThresholdFit(probabilities, 0 * targets).thresholds(point).tolist() == [0.35] * 3
    assert fit_thresholds(probabilities, 0 * targets).tolist() == [0.5] * 3


@pytest.mark.parametrize(
    ("text", "goal"),
    [
        ("f1", OperatingPoint("f1", 0)),
        (" F1 ", OperatingPoint("f1", 0)),
        ("f1-macro", OperatingPoint("f1-macro", 0)),
        ("f1-micro", OperatingPoint("f1-micro", 0)),
        ("recall=0", OperatingPoint("recall", 0)),
        ("recall=0.9", OperatingPoint("recall", 0.9)),
        ("precision=1", OperatingPoint("precision", 1)),
        ("0.5", OperatingPoint("fixed", 0.5)),
        (0.25, OperatingPoint("fixed", 0.25)),
    ],
)
def test_goals_are_read(text, goal):
    assert parse_operating_point(text) == goal


@pytest.mark.parametrize("text", ["f2", "f1=0.5", "recall", "recall=2", "=0.5", "1.5", "nan", ""])
def test_other_goals_are_refused_with_the_choices(text):
    with pytest.raises(
        InputError, match=r"use f1, f1-macro, f1-micro, precision=0.9, recall=0.9 or a number"
    ):
        parse_operating_point(text)


def posteriors(seed, images, rates=(0.4, 0.2, *[0.03] * 10)):
    """Calibrated probabilities of labels that are hard to easy."""
    generator = np.random.default_rng(seed)
    rates, ease = np.array(rates), np.linspace(0.5, 3, len(rates))
    targets = (generator.random((images, len(rates))) < rates).astype(int)
    x = ease * targets + generator.normal(size=targets.shape)
    logits = ease * x - ease**2 / 2 + np.log(rates / (1 - rates))
    return 1 / (1 + np.exp(-logits)), targets


def test_each_f1_is_the_best_at_what_it_is_for():
    values = {"f1-micro": [], "f1-macro": [], "f1": []}
    for seed in range(6):
        fit = ThresholdFit(*posteriors(seed, 600))
        fresh = posteriors(seed + 100, 6000)
        for kind, found in values.items():
            scores = measure(*fresh, fit.thresholds(OperatingPoint(kind)))
            found.append((scores.OF1, scores.CF1_per_label))
    micro, macro, both = (np.mean(found, axis=0) for found in values.values())
    assert micro[0] > both[0] > macro[0] - 0.01
    assert macro[1] > both[1] - 0.01 > micro[1] - 0.02
    assert macro[1] > micro[1]


def best_rule_by_loops(probabilities, targets, folds, kind):
    """Cross-validate every rule with loops over folds, candidates and rules."""
    strengths = (1e9, 160.0, 80.0, 40.0, 20.0, 10.0)
    rules = [(how, k) for k in strengths for how in ("together", "mean label")]
    hits, total = np.zeros((2, len(rules), targets.shape[1]))
    for fold in set(folds.tolist()):
        p, t = probabilities[folds != fold], targets[folds != fold]
        P = (t == 1).sum(0)
        if not P.any():
            continue
        limits = sorted(set(p[t == 1]))
        h = np.array([((p >= limit) & (t == 1)).sum(0) for limit in limits])
        s = np.array([((p >= limit) & (t >= 0)).sum(0) for limit in limits])
        s[:, P == 0] = 0  # false alarms of a label that is not there move nothing
        for index, (how, k) in enumerate(rules):
            if how == "together":
                H, S = h.sum(1) / P.sum(), s.sum(1) / P.sum()
            else:
                H, S = ((each[:, P > 0] / P[P > 0]).mean(1) for each in (h, s))
            joined = 2 * (h + k * H[:, None]) / (s + k * S[:, None] + P + k)
            said = probabilities[folds == fold] >= np.array(limits)[joined.argmax(0)]
            truth = targets[folds == fold]
            hits[index] += (said & (truth == 1)).sum(0)
            total[index] += (said & (truth >= 0)).sum(0) + (truth == 1).sum(0)
    shown = (targets == 1).any(0)
    micro = 2 * hits[:, shown].sum(1) / total[:, shown].sum(1)
    macro = np.mean(2 * hits[:, shown] / np.maximum(total[:, shown], 1), 1)
    value = {"f1": micro * macro, "f1-micro": micro, "f1-macro": macro}[kind]
    return Rule(*rules[int(value.argmax())])


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", ["f1", "f1-micro", "f1-macro"])
def test_the_rule_is_the_one_that_is_best_on_held_out_folds(kind, seed):
    probabilities, targets = posteriors(seed, 120, rates=(0.5, 0.2, 0.1, 0.05, 0.03, 0.2))
    targets[:, 5] = 0  # scores as if it were there
    targets[20:50, 1] = -1
    targets[::7] = -1  # an image of which nothing is known is in no fold
    targets[3::7, 2] = -1
    folds = np.cumsum((targets >= 0).any(1)) % 5
    expected = best_rule_by_loops(probabilities, targets, folds, kind)
    assert ThresholdFit(probabilities, targets).rule(kind) == expected
    thirds = np.arange(len(targets)) * 3 // len(targets)
    expected = best_rule_by_loops(probabilities, targets, thirds, kind)
    assert ThresholdFit(probabilities, targets, folds=thirds).rule(kind) == expected


def test_a_fold_that_has_all_positives_is_not_scored():
    probabilities, targets = case(1, images=60)
    order = np.argsort(targets.max(1) == 0, kind="stable")
    probabilities, targets = probabilities[order], targets[order]
    folds = (targets.max(1) == 0) * (1 + np.arange(60) % 3)
    expected = best_rule_by_loops(probabilities, targets, folds, "f1")
    assert ThresholdFit(probabilities, targets, folds=folds).rule("f1") == expected


@pytest.mark.parametrize("kind", ["precision", "recall"])
def test_for_a_wanted_precision_or_recall_the_strength_is_forty(kind):
    assert ThresholdFit(*case()).rule(kind) == Rule("together", 40.0)


def test_images_of_one_fold_are_held_out_together():
    probabilities, targets = case()
    twice = np.repeat(probabilities, 2, 0), np.repeat(targets, 2, 0)
    folds = np.arange(len(targets)) % 5
    alone = fit_thresholds(probabilities, targets, folds=folds)
    rule = ThresholdFit(probabilities, targets, folds=folds).rule("f1")
    doubled = ThresholdFit(*twice, folds=np.repeat(folds, 2)).rule("f1")
    assert alone.shape == (3,)
    assert {rule, doubled} <= set(RULES)
    with pytest.raises(InputError, match="one fold per image"):
        fit_thresholds(probabilities, targets, folds=[0, 1])
