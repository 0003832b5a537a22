"""The decisions inside a layout's graph: those of the label table, for any table and threshold."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from imlgcn.errors import InputError
from imlgcn.exporting.layouts.photoprism import EVEN, NOTHING, Shares, model_name
from imlgcn.exporting.layouts.scores import GAP, ClientScores, kept_exclusive
from imlgcn.labels.label_rows import LabelRow
from imlgcn.labels.label_table import LabelTable
from imlgcn.tagger.choice import TagBounds, TagRule
from label_tables import random_table

NAMES = [f"l{number}" for number in range(8)]


def scores_of(module, probabilities) -> np.ndarray:
    with torch.inference_mode():
        return module(torch.from_numpy(np.asarray(probabilities, np.float32))).numpy()


@pytest.mark.parametrize("seed", range(20))
def test_a_score_is_above_the_clients_threshold_exactly_for_the_taggers_tags(seed):
    generator = np.random.default_rng(seed)
    table, _ = kept_exclusive(random_table(generator))
    L, at = len(table.rows), float(generator.choice([0.2, 0.35, 0.8]))
    thresholds, probabilities = generator.random(L), generator.random((30, L))
    found = scores_of(ClientScores(table, thresholds, at), probabilities)
    wanted = np.array([table.decide(row, thresholds).given for row in probabilities])
    shown = table.shown
    np.testing.assert_array_equal((found > at)[:, shown], wanted[:, shown])
    np.testing.assert_array_equal((found >= at)[:, shown], wanted[:, shown])
    assert (np.abs(found - at) > 0.9 * GAP).all()
    assert ((found >= 0) & (found <= 1)).all()


def test_a_probability_that_is_the_threshold_is_a_tag_and_one_below_is_none():
    thresholds = np.array([0.1234567, 0.5, 0.9999, 1.0, 0.0, 1e-5, 0.35, 0.8])
    scores = ClientScores(LabelTable.of(NAMES), thresholds, 0.35)
    assert (scores_of(scores, thresholds[None]) > 0.35).all()
    below = np.clip(thresholds - 1e-4 * thresholds.clip(1e-2), 0, 1)[None]
    assert (scores_of(scores, below)[0][[0, 1, 3, 6, 7]] < 0.35).all()


def test_scores_of_a_label_keep_their_order():
    scores = ClientScores(LabelTable.of(NAMES), np.linspace(0.05, 0.95, 8), 0.35)
    rising = np.repeat(np.linspace(0, 1, 200)[:, None], 8, 1)
    assert (np.diff(scores_of(scores, rising), axis=0) >= 0).all()


def test_without_a_threshold_of_the_client_the_probabilities_stay_but_for_parents():
    table = LabelTable.of(NAMES, [LabelRow("l1", parents=("l0",))])
    probabilities = np.random.default_rng(0).random((5, 8))
    found = scores_of(ClientScores(table, np.full(8, 0.5), None), probabilities)
    np.testing.assert_allclose(found, table.close(probabilities), atol=1e-6)


def test_a_set_with_a_parent_in_it_is_named_and_not_kept():
    rows = [
        LabelRow("l0", exclusive="kept"),
        LabelRow("l1", exclusive="kept"),
        LabelRow("l2", exclusive="lost"),
        LabelRow("l3", exclusive="lost"),
        LabelRow("l4", parents=("l3",)),
    ]
    table, lost = kept_exclusive(LabelTable.of(NAMES, rows))
    assert lost == ["lost"]
    assert [row.exclusive for row in table.rows[:4]] == ["kept", "kept", "", ""]
    assert kept_exclusive(table) == (table, [])


# the shares of PhotoPrism


@pytest.mark.parametrize("seed", range(20))
def test_shares_sum_to_one_and_show_the_five_most_probable_tags(seed):
    generator = np.random.default_rng(seed)
    table, _ = kept_exclusive(random_table(generator))
    L = len(table.rows)
    shown = list(np.flatnonzero(table.shown))
    if not shown:
        pytest.skip("every label is hidden")
    thresholds, probabilities = generator.random(L) * 0.8, generator.random((30, L))
    least = float(generator.choice([0.1, 0.2]))
    shares = scores_of(Shares(ClientScores(table, thresholds, EVEN), shown, least), probabilities)
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-5)
    assert ((shares >= 0) & (shares < 1 + 1e-6)).all()
    rule = TagRule(table, thresholds, TagBounds(at_most=5))
    wanted = np.array([rule.decide(row).given for row in probabilities])[:, shown]
    np.testing.assert_array_equal(np.round(100 * shares[:, :-1]) >= round(100 * least), wanted)
    assert (shares[:, -1] < 1).all(), f"{NOTHING} is ignored below 100 % only"


def test_without_a_tag_the_share_is_left_to_a_class_that_photoprism_ignores():
    shares = scores_of(
        Shares(ClientScores(LabelTable.of(NAMES), np.full(8, 0.3), EVEN), list(range(8)), 0.1),
        np.full((1, 8), 0.29),
    )[0]
    assert shares.sum() == pytest.approx(1, abs=1e-6)
    assert shares[-1] == pytest.approx(0.99)
    assert shares[:-1].max() < 0.01


def test_of_two_tags_the_more_probable_one_has_the_larger_share():
    scores = ClientScores(LabelTable.of(NAMES), np.full(8, 0.3), EVEN)
    probabilities = np.array([[0.9, 0.4, *[0.1] * 6]])
    shares = scores_of(Shares(scores, list(range(8)), 0.2), probabilities)[0]
    assert shares[0] > shares[1] >= 0.2
    assert not shares[2:].any()


@pytest.mark.parametrize("name", ["EfficientNet_B0", "auto", "...", ""])
def test_a_name_of_photoprisms_own_is_refused(name):
    with pytest.raises(InputError, match="give another name to the folder"):
        model_name(name)
