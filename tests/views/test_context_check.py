"""The context check by hand: which label is the context, what is evaluated, what is concluded."""

import numpy as np
import pytest

from imlgcn.labels.context import LabelContext
from imlgcn.metrics.ranking import average_precision
from imlgcn.tagger.scores import ScoredSplit
from imlgcn.views.context_check import ContextCheck, Gain, check_context, context_verdict

NAMES = ("pie", "food", "logo")


def split(targets, logits, control=None):
    images = tuple(f"{i}.jpg" for i in range(len(targets)))
    logits = np.asarray(logits, np.float32)
    return ScoredSplit("test", images, logits, logits, np.asarray(targets, np.int8), control)


@pytest.fixture
def context():
    """Pie comes with food in 3 of 4 images, food with pie in 3 of 10, and a logo alone."""
    rows = [[1, 1, 0]] * 3 + [[1, 0, 0]] + [[0, 1, 0]] * 7 + [[0, 0, 1]] * 5
    return LabelContext.from_targets(NAMES, np.array(rows, np.int8))


@pytest.fixture
def scored():
    """12 images with food and 14 without; pie is on 5 and 6 of them."""
    rows = [[1, 1, 0]] * 5 + [[0, 1, 0]] * 7 + [[1, 0, 1]] * 6 + [[0, 0, 0]] * 8
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(26, 3)).astype(np.float32)
    return split(rows, logits, control=logits[::-1].copy())


def test_a_label_is_evaluated_with_and_without_its_most_frequent_context(context, scored):
    check = check_context(scored, context)
    pair = next(pair for pair in check.pairs if pair.label == "pie")
    assert (pair.context, pair.probability) == ("food", 0.75)
    assert (pair.together.images, pair.together.positives) == (12, 5)
    assert (pair.apart.images, pair.apart.positives) == (14, 6)
    for side, rows in ((pair.together, slice(0, 12)), (pair.apart, slice(12, 26))):
        wanted = scored.targets[rows, :1]
        assert side.tagger == pytest.approx(
            100 * average_precision(scored.logits[rows, :1], wanted)[0]
        )
        assert side.control == pytest.approx(
            100 * average_precision(scored.control[rows, :1], wanted)[0]
        )


def test_a_label_without_context_in_training_is_not_evaluated(context, scored):
    assert check_context(scored, context).alone == ["logo"]


@pytest.mark.parametrize(("present", "value"), [(True, 0), (False, 1), (True, -1), (False, -1)])
def test_a_side_with_too_few_images_of_either_kind_says_nothing(context, scored, present, value):
    """Of the images with food, 5 have pie and 7 do not: take so many that 4 are left."""
    rows = np.flatnonzero((scored.targets[:12, 0] == 1) == present)[4:]
    scored.targets[rows, 0] = value
    check = check_context(scored, context)
    assert "pie" in check.too_few
    assert all(pair.label != "pie" for pair in check.pairs)


def test_an_image_without_a_known_context_is_on_neither_side(context, scored):
    scored.targets[11, 1] = -1
    (pair,) = [pair for pair in check_context(scored, context).pairs if pair.label == "pie"]
    assert (pair.together.images, pair.apart.images) == (11, 14)


def test_a_head_that_only_repeats_context_is_detected():
    """Label 2i comes with 2i + 1. The tagger repeats its context; the control does not."""
    generator = np.random.default_rng(1)
    L = 24
    context_label = generator.random((400, L // 2)) < 0.3
    chance = np.where(context_label, 0.8, 0.08)
    label = generator.random(context_label.shape) < chance
    targets = np.stack([label, context_label], axis=2).reshape(400, L).astype(np.int8)
    seen = targets + generator.normal(0, 0.7, targets.shape)
    repeated = seen.copy()
    repeated[:, ::2] = 2 * targets[:, 1::2] + generator.normal(0, 0.1, (400, L // 2))
    names = tuple(f"label {i}" for i in range(L))
    context = LabelContext.from_targets(names, targets)
    check = check_context(split(targets, repeated, control=seen.astype(np.float32)), context)
    assert check.gain_apart.high < 0
    assert "it relies on context" in context_verdict(check)
    same = check_context(split(targets, seen, control=seen.astype(np.float32)), context)
    assert same.gain_apart == (0, 0, 0)
    assert "no sign of reliance on context" in context_verdict(same)


def verdict(scored, context, together, apart, copies=3):
    targets, logits, control = (
        np.tile(array, (copies, 1)) for array in (scored.targets, scored.logits, scored.control)
    )
    pairs = check_context(split(targets, logits, control), context).pairs
    return context_verdict(ContextCheck(pairs, [], [], Gain(*together), Gain(*apart)))


@pytest.mark.parametrize(
    ("together", "apart", "said"),
    [
        ((2, 1, 3), (0.1, -1, 1.2), "a gain only on images with the co-occurring label"),
        ((2, 1, 3), (1, 0.5, 1.5), "also holds without the co-occurring label"),
        ((0, -1, 1), (-2, -3, -1), "it relies on context"),
        ((0, -1, 1), (0, -1, 1), "no measurable gain with or without it"),
        ((2, None, None), (-2, None, None), "too few labels to conclude more"),
    ],
)
def test_the_verdict_claims_what_the_intervals_show(scored, context, together, apart, said):
    assert said in verdict(scored, context, together, apart)
    few = verdict(scored, context, together, apart, copies=1)
    assert "too few" in few, "26 images never suffice"
    assert said not in few or "too few labels" in said


def test_without_a_control_or_a_scored_label_nothing_is_claimed(scored, context):
    alone = split(scored.targets, scored.logits)
    sentence = context_verdict(check_context(alone, context))
    assert "no control to compare" in sentence
    assert "gain" not in sentence
    assert "nothing can be concluded" in context_verdict(ContextCheck([], ["pie"], [], None, None))
