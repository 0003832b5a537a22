import math

import numpy as np
import pytest

from imlgcn.data.formats.base import ReadOptions
from imlgcn.data.formats.values import judge_values
from imlgcn.errors import InputError

NAMES = ("sea", "sand", "sun")


def judged(values, schema=None, **options):
    cells = judge_values(values, ReadOptions(**options), lambda row: f"row {row}: ", schema=schema)
    return cells.names, [(list(present), list(unknown)) for present, unknown in cells.rows]


def test_lists_of_names_are_taken_whole_and_texts_are_taken_apart():
    assert judged([["open sea, calm", "sun"], [], None]) == (
        ["open sea, calm", "sun"],
        [(["open sea, calm", "sun"], []), ([], []), ([], [])],
    )
    assert judged(["sun; sea", math.nan])[1] == [(["sun", "sea"], []), ([], [])]


def test_a_question_mark_makes_a_name_unknown_as_in_a_table():
    assert judged([["sea", "?sun"]]) == (["sea", "sun"], [(["sea"], ["sun"])])


@pytest.mark.parametrize("values", [[[2, 0], [1]], [np.array([2, 0]), np.array([1])]])
def test_numbers_become_the_names_that_the_user_gave(values):
    assert judged(values, label_names=NAMES) == (
        list(NAMES),
        [(["sun", "sea"], []), (["sand"], [])],
    )


def test_single_numbers_and_digits_in_texts_become_names(tmp_path):
    (tmp_path / "names.txt").write_text("sea\nsand\nsun\n")
    assert judged([2, 0], label_names=tmp_path / "names.txt")[1] == [(["sun"], []), (["sea"], [])]
    assert judged(["2;1", "0"], label_names=NAMES)[1] == [(["sun", "sand"], []), (["sea"], [])]


def test_one_number_for_each_label_is_a_vector():
    assert judged([[1, 0, -1], [0.0, 1.0, 0.0]], label_names=NAMES)[1] == [
        (["sea"], ["sun"]),
        (["sand"], []),
    ]
    assert judged([(True, False, True)], label_names=NAMES)[1] == [(["sea", "sun"], [])]


def test_by_a_schema_lists_are_class_numbers_whatever_they_look_like():
    assert judged([[0, 1, 1]], NAMES)[1] == [(["sea", "sand"], [])]


def test_scores_need_a_level():
    with pytest.raises(
        InputError, match=r"row 0: 0\.3 for 'sea' is not 1, 0 or -1; .*present_above="
    ):
        judged([[0.3, 0.9, 0.5]], label_names=NAMES)
    assert judged([[0.3, 0.9, 0.5]], label_names=NAMES, present_above=0.5)[1] == [(["sand"], [])]


def test_minus_one_without_zero_is_asked_for():
    with pytest.raises(
        InputError, match=r"never 0, so that -1 may mean absent or unknown.*minus_one="
    ):
        judged([[1, -1, 1]], label_names=NAMES)
    for meaning, unknown in (("absent", []), ("unknown", ["sand"])):
        found = judged([[1, -1, 1]], label_names=NAMES, minus_one=meaning)[1]
        assert found == [(["sea", "sun"], unknown)]


def test_mappings_name_their_labels():
    assert judged([{"sea": 1, "sun": 0}, {"sun": 1, "sea": -1}]) == (
        ["sea", "sun"],
        [(["sea"], []), (["sun"], ["sea"])],
    )
    assert judged([{"sea": True}, {"sun": True}])[1] == [(["sea"], []), (["sun"], [])]


def test_objects_with_a_category_become_its_name():
    boxes = {"bbox": [[0, 0, 1, 1]] * 3, "category": [2, 0, 2]}
    assert judged([boxes], NAMES)[1] == [(["sun", "sea"], [])]
    assert judged([{"name": "sea", "box": [1, 2]}])[1] == [(["sea"], [])]
    assert judged([[{"label": "sea", "box": [1, 2]}, {"label": "sun"}]])[1] == [
        (["sea", "sun"], [])
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[0, 2]], r"row 0: labels are numbers without names; .*label_names="),
        ([["sea"], [1]], r"row 0: its labels are names, those of another row \(row 1\) numbers"),
        ([["sea", 1]], "row 0: labels are given as int, str"),
        ([{"sea": 1}, {"sun": 0}], "row 0: says nothing of 'sun'"),
        ([{"sea": "yes", "sun": [1]}], "row 0: expected 1, 0 or -1 for each label; got 'yes'"),
        ([["sea", "?sea"]], "'sea' is listed as both present and unknown"),
    ],
)
def test_what_cannot_be_told_is_refused(values, message):
    with pytest.raises(InputError, match=message):
        judged(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[0, 3]], r"row 0: expected class numbers from 0 to 2, .*got \[0, 3\]"),
        ([[0, 1, 0, 1]], "vectors of 4 numbers, for 3 label names"),
        ([["moon"]], "row 0: 'moon' is not in label_names"),
        ([1.5], r"got \[1\.5\]"),
    ],
)
def test_labels_that_fit_no_given_name_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        judged(values, label_names=NAMES)


def test_two_numbers_that_may_be_either_are_refused():
    with pytest.raises(InputError, match="may be two class numbers or one of two labels"):
        judged([[0, 1], [1, 0]], label_names=("sea", "sun"))
    assert judged([[0, 1], [1, 1]], label_names=("sea", "sun"))[1] == [
        (["sun"], []),
        (["sea", "sun"], []),
    ]
