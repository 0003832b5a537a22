"""One rule says which of two taggers is better; every sentence follows it."""

from __future__ import annotations

import numpy as np
import pytest

from imlgcn.cli import show
from imlgcn.metrics.f1 import precision_recall_f1
from imlgcn.metrics.intervals import f1_differences, f1_intervals, number_of_samples
from imlgcn.metrics.verdict import IMAGES, POSITIVES, Verdict, conclude, verdict_of
from imlgcn.wording import verdict as in_the_report

LARGE = {"images": 1000, "positives": 3000}
ENDS = ((-3.0, -1.0), (-1.0, 1.0), (1.0, 3.0))
MIRRORED = {
    Verdict.BETTER: Verdict.WORSE,
    Verdict.HIGHER_F1: Verdict.LOWER_F1,
    Verdict.WORSE: Verdict.BETTER,
    Verdict.LOWER_F1: Verdict.HIGHER_F1,
}


def every_three():
    return [(ranking, (a, b)) for ranking in ENDS for a in ENDS for b in ENDS]


@pytest.mark.parametrize("interval", ENDS)
@pytest.mark.parametrize(
    ("images", "positives"), [(6, 600), (IMAGES - 1, 5000), (5000, POSITIVES - 1), (0, 0)]
)
def test_few_images_or_few_positives_never_suffice(interval, images, positives):
    assert conclude(interval, images=images, positives=positives) is Verdict.FEW
    assert conclude(interval, images=IMAGES, positives=POSITIVES) is not Verdict.FEW


@pytest.mark.parametrize(("ranking", "f1"), every_three())
def test_better_is_said_only_if_map_is_higher_and_no_f1_is_lower(ranking, f1):
    found = conclude(ranking, f1, **LARGE)
    higher, lower = (any(e[0] > 0 for e in (ranking, *f1)), any(e[1] < 0 for e in (ranking, *f1)))
    assert (found is Verdict.BETTER) == (ranking[0] > 0 and not lower)
    assert (found is Verdict.MIXED) == (higher and lower)
    assert (found is Verdict.EQUAL) == (not higher and not lower)


@pytest.mark.parametrize(("ranking", "f1"), every_three())
def test_the_other_way_round_the_verdict_is_the_opposite(ranking, f1):
    def turned(ends):
        return -ends[1], -ends[0]

    found = conclude(ranking, f1, **LARGE)
    opposite = conclude(turned(ranking), [turned(ends) for ends in f1], **LARGE)
    assert opposite is MIRRORED.get(found, found)


def metrics(low, high, f1=(-1.0, 1.0), images=438, positives=900):
    numbers = {"mAP": (low + high) / 2, "low": low, "high": high, "OF1": [sum(f1) / 2, *f1]}
    head = {"protocol": "default", "mAP": 62.0, "OF1": 61.0, "CF1_per_label": 60.0, "ECE": 1.0}
    return {
        **head,
        "split": "test",
        "num_images": images,
        "per_label": {"a": {"positives": positives}, "b": {"positives": 0}},
        "head": "mlp",
        "control": {"head": "linear", **head},
        "difference_to_control": numbers,
    }


CASES = [
    (metrics(0.6, 3.4), Verdict.BETTER, "scores higher than its control"),
    (metrics(-3.4, -0.6), Verdict.WORSE, "scores lower than its control"),
    (metrics(-0.6, 3.4), Verdict.EQUAL, "do not show that either of the two is better"),
    (metrics(0.6, 3.4, f1=(-4.0, -1.0)), Verdict.MIXED, "neither of the two is better"),
    (metrics(-0.6, 3.4, f1=(1.0, 4.0)), Verdict.HIGHER_F1, "Its F1 is higher"),
    (metrics(0.6, 30.4, images=6), Verdict.FEW, "too few images to say which"),
    (metrics(0.6, 30.4, positives=9), Verdict.FEW, "too few images to say which"),
]


@pytest.mark.parametrize(("found", "verdict", "words"), CASES)
def test_terminal_and_report_say_the_same(found, verdict, words, capsys):
    assert verdict_of(found) is verdict
    show.metrics(found)
    printed = " ".join(capsys.readouterr().out.split())
    assert f": {verdict}" in printed
    assert ("a verdict takes 50 images with 30" in printed) == (verdict is Verdict.FEW)
    sentence = in_the_report(found)
    assert words in sentence
    for _, other, others in CASES:
        assert (others in sentence) == (other is verdict)


@pytest.mark.parametrize("f1", [(), [(0.0, 3.0)], [(-3.0, 0.0)], [(0.0, 0.0)]])
def test_an_interval_that_only_touches_zero_shows_nothing(f1):
    for touching in ((0.0, 3.0), (-3.0, 0.0), (0.0, 0.0)):
        assert conclude(touching, f1, **LARGE) is Verdict.EQUAL


@pytest.mark.parametrize("key", ["OF1", "CF1_per_label"])
def test_each_f1_counts(key):
    found = metrics(0.6, 3.4)
    for low, verdict in ((-4.0, Verdict.MIXED), (-1.0, Verdict.BETTER)):
        found["difference_to_control"][key] = [low + 1.0, low, low + 2.0]
        assert verdict_of(found) is verdict


@pytest.mark.parametrize("low", [None, float("nan")])
def test_without_an_interval_there_is_no_verdict(low):
    found = metrics(0.6, 3.4)
    found["difference_to_control"]["low"] = low
    assert verdict_of(found) is None
    assert verdict_of({"num_images": 500}) is None


def test_differences_of_f1_are_those_of_the_same_weights():
    generator = np.random.default_rng(0)
    targets = (generator.random((60, 4)) < 0.3).astype(np.int8)
    targets[:5, 1] = -1
    a = (targets == 1) ^ (generator.random(targets.shape) < 0.1)
    b = (targets == 1) ^ (generator.random(targets.shape) < 0.2)
    found = f1_differences(a, b, targets)
    scores = [precision_recall_f1(predicted, targets) for predicted in (a, b)]
    assert found["OF1"][0] == pytest.approx(100 * (scores[0].OF1 - scores[1].OF1), abs=1e-3)
    shape = (number_of_samples(targets), 60)
    by_hand = []
    for weights in np.random.default_rng(0).standard_exponential(shape):
        w = weights[:, None]
        one, two = (
            (2 * w * (each & (targets == 1))).sum()
            / ((w * (each & (targets >= 0))).sum() + (w * (targets == 1)).sum())
            for each in (a, b)
        )
        by_hand.append(100 * (one - two))
    np.testing.assert_allclose(found["OF1"][1:], np.quantile(by_hand, [0.025, 0.975]), atol=1e-3)
    low, high = f1_differences(b, a, targets)["OF1"][1:]
    np.testing.assert_allclose((-high, -low), found["OF1"][1:])
    seeds = f1_differences(np.stack([a, a]), np.stack([b, b]), targets)
    np.testing.assert_allclose(seeds["OF1"], found["OF1"])
    assert f1_intervals(a, targets).keys() == found.keys()
    assert f1_differences(a, b, np.zeros_like(targets)) == {}
