"""Which images the gallery shows, by hand and as properties."""

import numpy as np
import pytest

from imlgcn.report.examples import PER_LABEL, SHOWN, choose_examples
from imlgcn.tagger.scores import ScoredSplit

HALF = np.array([0.5, 0.5, 0.5])


def scored(probabilities, targets):
    p = np.asarray(probabilities, np.float64)
    images = tuple(f"{i}.jpg" for i in range(len(p)))
    return ScoredSplit("test", images, p.astype(np.float32), p, np.asarray(targets, np.int8))


def test_by_hand():
    found = choose_examples(
        scored(
            [
                [0.90, 0.10, 0.10],  # right, one tag
                [0.80, 0.70, 0.10],  # right, two tags: shown first
                [0.60, 0.10, 0.10],  # right, the same tag as the first with a higher loss
                [0.01, 0.99, 0.99],  # everything wrong: the worst
                [0.95, 0.20, 0.10],  # 0 tagged and absent
                [0.20, 0.98, 0.30],  # 1 tagged and absent; 2 missed
                [0.60, 0.99, 0.45],  # 1 is unknown: no error; 2 missed
            ],
            [[1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 1], [1, -1, 1]],
        ),
        HALF,
    )
    assert found.best == [(1, 1), (0, 0)]
    assert found.worst[0] == (3, 0)
    assert {row for row, _ in found.worst} == {3, 4, 5, 6}  # not 2: the third about label 0
    assert not found.false_positives  # all are shown already


def test_surprises_come_by_probability_and_an_unknown_target_is_none():
    generator = np.random.default_rng(0)
    targets = generator.integers(-1, 2, (300, 3)).astype(np.int8)
    p = generator.random((300, 3))
    found = choose_examples(scored(p, targets), HALF)
    for examples, value, sign in ((found.false_positives, 0, 1), (found.false_negatives, 1, -1)):
        assert len(examples) == SHOWN
        assert all(targets[row, label] == value for row, label in examples)
        surprise = [sign * p[row, label] for row, label in examples]
        assert surprise == sorted(surprise, reverse=True)
        assert all((p[row, label] >= 0.5) == (value == 0) for row, label in examples)
        labels = [label for _, label in examples]
        assert max(map(labels.count, labels)) <= PER_LABEL


def test_no_picture_is_shown_twice():
    generator = np.random.default_rng(1)
    p = np.repeat(generator.random((20, 3)), 5, axis=0)  # five copies of each image
    targets = np.repeat(generator.integers(0, 2, (20, 3)), 5, axis=0)
    rows = [row // 5 for kind in choose_examples(scored(p, targets), HALF) for row, _ in kind]
    assert len(rows) == len(set(rows))


@pytest.mark.parametrize("count", [0, 1])
def test_with_no_error_or_no_image_there_is_nothing_to_show(count):
    found = choose_examples(scored(np.full((count, 3), 0.9), np.ones((count, 3))), HALF)
    assert len(found.best) == count
    assert not found.false_positives
    assert not found.false_negatives
