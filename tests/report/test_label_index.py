"""Thousands of labels: the page holds them as numbers for its script, and a few rows without it."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from imlgcn.labels.graph import conditional_probability
from imlgcn.report import label_index, labels_table, write_report

from .conftest import write_tagger

NAMES = (*(f"label {i}" for i in range(58)), "</script><b>", "пёс & cat")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return a tagger of labels that count as very many, its report, and what the script gets."""
    tagger = write_tagger(tmp_path_factory.mktemp("many") / "run", NAMES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(label_index, "MANY", 50)
        patch.setattr(label_index, "SHOWN", 5)
        patch.setattr(labels_table, "MOST_CURVES", 50)
        text = write_report(tagger).read_text(encoding="utf-8")
    (data,) = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.S)
    return tagger, text, json.loads(data)


def test_the_script_gets_every_label_with_its_numbers(written):
    tagger, _, content = written
    metrics = json.loads((tagger.path / "metrics.json").read_text())["per_label"]
    assert content["names"] == list(NAMES)
    keys = ("AP", "positives", "threshold", "precision", "recall", "F1")
    for key, digits, column in zip(keys, content["digits"], content["columns"], strict=False):
        for name, value in zip(NAMES, column, strict=True):
            expected = metrics[name].get(key)
            assert value == (None if expected is None else pytest.approx(round(expected, digits)))
    assert content["columns"][-1] == list(tagger.info.calibration.positives)
    assert len(content["columns"]) == len(content["digits"]) == 8


def test_each_label_has_those_that_are_most_often_with_it(written):
    tagger, _, content = written
    context = tagger.folder.context
    conditional = conditional_probability(context.pair_counts, context.occurrences)
    for row, near in zip(conditional, content["partners"], strict=True):
        order = np.argsort(-row, kind="stable")[:3]
        assert near[::2] == order.tolist()
        assert near[1::2] == (100 * row[order]).round().astype(int).tolist()


def test_without_the_script_the_page_shows_the_most_frequent_labels(written, read_page):
    tagger, text, _ = written
    page = read_page(tagger.path / "report.html")
    table = [row for row in page.rows if len(row) == 10]
    assert len(table) == 1 + 5
    positives = [int(row[2]) for row in table[1:]]
    assert positives == sorted(positives, reverse=True)
    assert "The 5 most frequent of 60 labels" in page.words
    assert "<b>" not in text.split("<tbody>")[1].split("</tbody>")[0]


def test_the_page_of_few_labels_has_no_such_table(reported):
    text = (reported.path / "report.html").read_text(encoding="utf-8")
    assert 'id="all-labels"' not in text
    assert 'class="sortable labels"' in text
