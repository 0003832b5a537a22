"""Bounds on tags order only the labels they need, and choose as if all were in order."""

from __future__ import annotations

import numpy as np
import pytest

from imlgcn.labels.label_rows import LabelRow
from imlgcn.labels.label_table import LabelTable
from imlgcn.tagger.choice import TagBounds, TagRule


def slow(scores, thresholds, shown, bounds):
    """Choose with every label in order, one at a time."""
    order = sorted((i for i in range(len(scores)) if shown[i]), key=lambda i: -scores[i])
    if bounds.top_k is not None:
        return set(order[: bounds.top_k])
    above = [i for i in order if scores[i] >= thresholds[i]]
    chosen = above[: bounds.at_most]
    rest = [i for i in order if i not in chosen]
    return set(chosen + rest[: max(0, (bounds.at_least or 0) - len(chosen))])


@pytest.mark.parametrize(
    "bounds",
    [
        {"top_k": 1},
        {"top_k": 7},
        {"top_k": 99},
        {"at_least": 5},
        {"at_most": 3},
        {"at_most": 1},
        {"at_least": 2, "at_most": 4},
        {"at_least": 40},
    ],
    ids=str,
)
@pytest.mark.parametrize("hidden", [0, 9])
def test_the_choice_is_that_of_all_labels_in_order(bounds, hidden):
    generator = np.random.default_rng(0)
    for trial in range(20):
        scores = generator.integers(0, 12, 40) / 12  # many are equal
        thresholds = generator.random(40) if trial % 2 else np.full(40, 0.9)
        rows = [LabelRow(str(i), show=i >= hidden) for i in range(40)]
        rule = TagRule(LabelTable(tuple(rows)), thresholds, TagBounds(**bounds))
        given = rule.decide(scores).given
        shown = np.arange(40) >= hidden
        assert set(np.flatnonzero(given)) == slow(scores, thresholds, shown, TagBounds(**bounds))
