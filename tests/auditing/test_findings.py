"""Findings: ranked, explained by similar images, and conflicts of near duplicates among them."""

import numpy as np
import pytest

from imlgcn.auditing.doubts import Doubts
from imlgcn.auditing.findings import LEAST, SAME, make_audit


def doubts_at(dataset, entries):
    error = np.zeros(dataset.targets.shape)
    for (row, label), value in entries.items():
        error[row, label] = value
    return Doubts(np.full(error.shape, 0.5), error)


def test_findings_are_ranked_and_named_after_what_the_data_say(clean):
    (have, *_), (lack, *_) = (np.flatnonzero(clean.targets[:, 1] == value) for value in (1, 0))
    doubts = doubts_at(clean, {(have, 1): 0.4, (lack, 1): 0.9, (lack, 0): LEAST / 2})
    found = make_audit(clean, doubts, [], np.arange(len(clean))).findings
    assert [(each.row, each.kind, each.sure) for each in found] == [
        (lack, "missing", 0.9),
        (have, "wrong", 0.4),
    ]
    assert found[0].label == "green"


def test_the_likelier_error_of_two_duplicates_that_disagree_is_the_finding(clean):
    one, other = (
        np.flatnonzero(clean.targets[:, 0] == 1)[0],
        np.flatnonzero(clean.targets[:, 0] == 0)[0],
    )
    doubts = doubts_at(clean, {(one, 0): 0.02, (other, 0): 0.06})
    pair = (int(one), int(other))
    found = make_audit(clean, doubts, [pair], np.arange(len(clean)))
    conflict = next(each for each in found.findings if each.label == "blue")
    assert (conflict.kind, conflict.row) == ("conflict", other)
    assert conflict.duplicate == clean.records[one].name
    assert conflict.sure == pytest.approx(SAME * 0.75)
    assert found.duplicates == 1


def test_duplicates_that_agree_or_are_unknown_are_no_conflict(clean):
    targets = clean.targets
    targets[1] = targets[0]
    targets[2] = -1
    found = make_audit(clean, doubts_at(clean, {}), [(0, 1), (0, 2)], np.arange(len(clean)))
    assert found.findings == ()


def test_similar_images_are_named_but_not_those_of_the_group(clean):
    vectors = np.eye(len(clean))
    vectors[0] = vectors[1] + vectors[2] + vectors[3]  # the first looks like the next three
    groups = np.arange(len(clean))
    groups[1] = 0
    label = int(np.flatnonzero(clean.targets[2] == 1)[0])
    found = make_audit(clean, doubts_at(clean, {(0, label): 0.5}), [], groups, vectors).findings[0]
    assert clean.records[2].name in found.with_label
    assert clean.records[1].name not in found.with_label + found.without_label
    has = {record.name for record in clean.records if found.label in record.labels}
    assert set(found.with_label) <= has
    assert not set(found.without_label) & has


def test_the_noise_of_a_label_is_the_sum_of_its_doubts(clean):
    rows = np.flatnonzero(clean.targets[:, 2] == 1)[:2]
    doubts = doubts_at(clean, {(rows[0], 2): 0.5, (rows[1], 2): 0.25})
    first = make_audit(clean, doubts, [], np.arange(len(clean))).labels[0]
    assert (first.label, first.wrong, first.missing) == ("red", 0.75, 0.0)
    assert first.images == (clean.targets[:, 2] == 1).sum()
