"""The whole evaluation as plain numbers, and the paired bootstrap."""

import json
from collections import Counter
from contextlib import contextmanager

import numpy as np
import pytest

from imlgcn.errors import InputError
from imlgcn.metrics import (
    evaluate_scores,
    evaluate_uncalibrated,
    expected_calibration_error,
    log_loss_per_image,
    mean_average_precision,
    paired_bootstrap,
    ranking,
)
from imlgcn.metrics.ranking import average_precision
from imlgcn.progress import Progress


class Seen(Progress):
    """Counts what a bar is told."""

    def __init__(self, counts):
        self.counts = counts

    @contextmanager
    def bar(self, stage, total, unit="images"):
        assert (stage, unit) == ("bootstrap", "samples")
        self.counts["total"] = total
        yield self.advance

    def advance(self, count):
        self.counts["done"] += count
        self.counts["most"] = max(self.counts["most"], count)


NAMES = ["cat", "dog", "eel", "fox", "owl"]


def case(seed=0, images=80):
    generator = np.random.default_rng(seed)
    targets = (generator.random((images, 5)) < [0.5, 0.3, 0.4, 0.6, 0.2]).astype(int)
    scores = np.clip(0.3 * targets + 0.7 * generator.random(targets.shape), 0, 1)
    targets[:, 2] = 0  # no eel
    targets[5, 0] = -1
    return scores, targets


def test_the_table_is_json_in_percent_with_the_protocol_and_the_labels_left_out():
    scores, targets = case()
    table = evaluate_scores(scores, targets, NAMES, thresholds=0.5, protocol="voc12")
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    mean, _ = mean_average_precision(scores, targets, "voc12")
    assert table["mAP"] == pytest.approx(100 * mean)
    assert (table["protocol"], table["num_images"]) == ("voc12", 80)
    assert table["left_out"] == ["eel"]
    assert table["ECE"] == pytest.approx(100 * expected_calibration_error(scores, targets))
    assert table["log_loss"] == pytest.approx(log_loss_per_image(scores, targets))
    assert set(table["top3"]) == {"CP", "CR", "CF1", "OP", "OR", "OF1", "CF1_per_label"}
    assert {"micro_AP", "classwise_ECE", *table["top3"]} < set(table)


def test_each_label_comes_with_what_its_numbers_rest_on():
    scores, targets = case()
    thresholds = np.array([0.5, 0.6, 0.9, 0.4, 2.0])
    table = evaluate_scores(scores, targets, NAMES, thresholds=thresholds)["per_label"]
    assert list(table) == NAMES
    dog, said = table["dog"], scores[:, 1] >= 0.6
    assert dog["AP"] == pytest.approx(100 * average_precision(scores, targets)[1])
    assert dog["positives"] == (targets[:, 1] == 1).sum()
    assert dog["threshold"] == 0.6
    assert dog["precision"] == pytest.approx(100 * targets[said, 1].mean())
    assert dog["recall"] == pytest.approx(100 * said[targets[:, 1] == 1].mean())
    assert (table["eel"]["AP"], table["eel"]["recall"]) == (None, None)
    assert (table["owl"]["precision"], table["owl"]["F1"]) == (None, 0)


def test_top3_asks_for_the_three_highest_and_the_threshold():
    scores = np.array([[0.9, 0.8, 0.7, 0.6, 0.1], [0.9, 0.1, 0.2, 0.3, 0.4]])
    targets = np.array([[1, 1, 0, 1, 0], [1, 0, 0, 0, 1]])
    table = evaluate_scores(scores, targets, NAMES, thresholds=0.5)
    assert (table["OP"], table["OR"]) == pytest.approx((80, 80))
    assert (table["top3"]["OP"], table["top3"]["OR"]) == pytest.approx((75, 60))


def test_permuting_the_labels_permutes_the_table():
    scores, targets = case()
    order, limits = [3, 0, 4, 2, 1], np.array([0.5, 0.6, 0.9, 0.4, 0.3])
    table = evaluate_scores(scores, targets, NAMES, thresholds=limits)
    moved = evaluate_scores(
        scores[:, order], targets[:, order], [NAMES[i] for i in order], thresholds=limits[order]
    )
    assert moved["per_label"] == table["per_label"]
    assert moved["mAP"] == pytest.approx(table["mAP"])
    assert moved["top3"] == pytest.approx(table["top3"])


def test_one_label_or_no_positive_or_no_image_still_gives_a_table():
    for images, targets in [(3, [[1], [0], [1]]), (2, [[0], [0]]), (0, np.zeros((0, 1)))]:
        table = evaluate_scores(np.full((images, 1), 0.5), targets, ["cat"])
        json.dumps(table, allow_nan=False)
    assert table["mAP"] is None


def test_names_that_do_not_fit_the_columns_are_refused():
    with pytest.raises(InputError, match="got 2 names for 5 columns"):
        evaluate_scores(*case(), ["cat", "dog"])


def test_bootstrap_of_equal_scores_is_zero_and_of_worse_ones_excludes_it():
    scores, targets = case()
    assert paired_bootstrap(scores, scores, targets, samples=20) == (0, 0, 0)
    noisy = scores + np.random.default_rng(1).normal(size=scores.shape)
    difference, low, high = paired_bootstrap(scores, noisy, targets, samples=100)
    full = [mean_average_precision(s, targets)[0] for s in (scores, noisy)]
    assert difference == pytest.approx(100 * (full[0] - full[1]))
    assert 0 < low < difference < high


def test_bootstrap_equals_a_slow_loop_that_resamples_both_together():
    (a, targets), (b, _) = case(), case(1)
    generator, slow = np.random.default_rng(7), []
    for _ in range(30):
        rows = generator.integers(0, len(targets), len(targets))
        pair = [mean_average_precision(s[rows], targets[rows], "rank")[0] for s in (a, b)]
        slow.append(100 * (pair[0] - pair[1]))
    _, low, high = paired_bootstrap(a, b, targets, protocol="rank", samples=30, seed=7)
    assert (low, high) == pytest.approx(np.quantile(slow, [0.025, 0.975]))


@pytest.mark.parametrize("protocol", ["default", "rank"])
def test_bootstrap_of_several_seeds_is_of_their_means(protocol):
    (a, targets), (b, _), (c, _) = case(), case(1), case(2)
    generator, slow = np.random.default_rng(0), []
    drawn = [generator.integers(0, len(targets), len(targets)) for _ in range(60)]
    for rows in (slice(None), *drawn):
        means = [mean_average_precision(s[rows], targets[rows], protocol)[0] for s in (a, b, c)]
        slow.append(100 * (np.mean(means[:2]) - means[2]))
    two, one = np.stack([a, b]), np.stack([c])
    found = paired_bootstrap(two, one, targets, protocol=protocol, samples=60)
    assert found == pytest.approx((slow[0], *np.quantile(slow[1:], [0.025, 0.975])))


def test_bootstrap_draws_a_thousand_samples_and_says_how_far_it_is():
    (a, targets), (b, _) = case(images=9), case(1, images=9)
    seen = Counter()
    found = paired_bootstrap(a, b, targets, progress=Seen(seen))
    assert found == paired_bootstrap(a, b, targets, samples=1000, seed=0)
    assert (seen["total"], seen["done"], seen["most"]) == (1000, 1000, 50)


def test_bootstrap_turns_its_sign_with_its_arguments_and_repeats_with_its_seed():
    (a, targets), (b, _) = case(), case(1)
    forward = paired_bootstrap(a, b, targets, samples=50, seed=3)
    backward = paired_bootstrap(b, a, targets, samples=50, seed=3)
    assert forward == pytest.approx((-backward[0], -backward[2], -backward[1]))
    assert forward == paired_bootstrap(a, b, targets, samples=50, seed=3)
    assert forward[1:] != paired_bootstrap(a, b, targets, samples=50, seed=4)[1:]


def test_each_ranking_is_scored_once(monkeypatch):
    scored, score = [], ranking._label_precision
    monkeypatch.setattr(ranking, "_label_precision", lambda *a: scored.append(1) or score(*a))
    evaluate_scores(*case(), NAMES)
    assert len(scored) == len(NAMES) + 1, "each label, and all of them together"


def test_metrics_before_calibration_are_those_of_the_whole_table():
    table, raw = evaluate_scores(*case(), NAMES), evaluate_uncalibrated(*case())
    assert list(raw) == ["ECE", "classwise_ECE", "log_loss", "OF1", "CF1", "CF1_per_label"]
    assert raw == {key: table[key] for key in raw}
