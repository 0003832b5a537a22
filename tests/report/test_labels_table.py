"""The table per label: curves by hand, order, and what is left empty."""

import json
import xml.etree.ElementTree as ElementTree

import numpy as np

from imlgcn.report.labels_table import HEIGHT, WIDTH, label_rows, sparkline
from imlgcn.report.run import read_run_folder
from imlgcn.views.curves import PrecisionRecall


def test_a_small_curve_has_recall_to_the_right_and_precision_up():
    curve = PrecisionRecall(np.array([0.5, 1.0]), np.array([1.0, 0.25]))
    root = ElementTree.fromstring(sparkline(curve, (0.5, 0.75), 'of "<b>"'))
    points = root.find("path").get("d").removeprefix("M").split("L")
    places = [tuple(map(float, point.split())) for point in points]
    assert places == [(0, 0), (WIDTH / 2, 0), (WIDTH, 0.75 * HEIGHT)]
    dot = root.find("circle")
    assert (float(dot.get("cx")), float(dot.get("cy"))) == (WIDTH / 2, HEIGHT / 4)
    assert root.get("aria-label") == 'of "<b>"'


def test_an_empty_curve_is_not_drawn():
    assert sparkline(PrecisionRecall(np.zeros(0), np.zeros(0)), None, "nothing") == ""


def test_a_curve_says_its_area_and_its_dot_in_words(tagger):
    """A description that another label's curve could have too would say nothing."""
    dog = {"AP": 61.25, "threshold": 0.414, "precision": 70.0, "recall": 55.5}
    curve = ElementTree.fromstring(rows_with(tagger, dog=dog)["dog"].curve)
    assert curve.get("aria-label") == (
        "dog: average precision 61.3 %; at the threshold 0.41 precision 70.0 % and recall 55.5 %"
    )


def rows_with(tagger, **per_label):
    (tagger.path / "metrics.json").write_text(json.dumps({"split": "test", "per_label": per_label}))
    return {row.name: row for row in label_rows(read_run_folder(tagger))}


def test_rows_come_by_average_precision_and_undefined_ones_last(tagger):
    rows = rows_with(tagger, food={"AP": 0.0}, dessert={"AP": None}, dog={"AP": 12.3})
    assert list(rows) == ["dog", "food", "dessert", "never tested"]
    assert rows["dog"].average_precision == ("12.3", 12.3)
    assert rows["dessert"].average_precision == ("–", None)


def test_a_label_that_is_never_predicted_has_a_curve_without_a_dot(tagger):
    never, said = {"recall": 0.0, "precision": None}, {"recall": 50.0, "precision": 40.0}
    rows = rows_with(tagger, food=never, dessert=said)
    assert "<path" in rows["food"].curve
    assert "<circle" not in rows["food"].curve
    assert "<circle" in rows["dessert"].curve
    assert rows["food"].precision == ("–", None)
    assert rows["food"].recall == ("0.0", 0.0)
