"""The words claim nothing that the numbers do not show."""

import ast
import re
from pathlib import Path

import pytest

import imlgcn
from imlgcn.wording import caution, verdict

GERMAN = re.compile(r"(?<!here )\b(?:is|are|was|were) no (?!longer\b)")


def compared(mean, low, high):
    difference = {"mAP": mean, "low": low, "high": high}
    return {
        "num_images": 438,
        "per_label": {"a label": {"positives": 500}},
        "control": {"mAP": 60.0},
        "difference_to_control": difference,
    }


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        ((-1.06, -3.25, 0.92), "1.1 points below the control;"),
        ((1.4, -0.2, 3.1), "1.4 points above the control;"),
        ((0.01, -1.0, 1.0), "Level with the control;"),
        ((2.0, 0.0, 4.0), "2.0 points above the control;"),
    ],
)
def test_an_interval_with_zero_in_it_shows_no_winner(difference, said):
    sentence = verdict(compared(*difference))
    assert sentence.startswith(said)
    assert "includes zero: these 438 images do not show that either" in sentence
    assert "higher" not in sentence
    assert "lower" not in sentence


def test_an_interval_beside_zero_says_which_way():
    higher, lower = verdict(compared(2.0, 0.6, 3.4)), verdict(compared(-2.0, -3.4, -0.6))
    assert "scores higher than its control" in higher
    assert "+0.6 to +3.4" in higher
    assert "scores lower than its control" in lower
    assert "−3.4 to −0.6" in lower
    assert "includes zero" not in higher + lower


def test_a_bound_close_to_zero_is_not_printed_as_zero():
    assert "+0.03 to +2.00" in verdict(compared(1.0, 0.03, 2.0))


@pytest.mark.parametrize("low", [None, float("nan")])
def test_without_an_interval_no_claim_is_made(low):
    assert "does not say which of the two is better" in verdict(compared(2.0, low, 3.0))


def test_without_a_control_the_reason_is_said():
    assert "baseline" in verdict({"head": "linear"})
    assert "there is no comparison" in verdict({"head": "iml_gcn"})


def test_only_numbers_of_the_validation_split_get_a_caution():
    assert "no test split" in caution({"split": "val"})
    assert caution({"split": "test"}) is None
    assert caution({}) is None


def test_a_test_of_few_images_says_so_and_names_the_number_that_rests_on_more():
    found = {"split": "test", "num_images": 7, "out_of_fold": {"mAP": 71.9, "num_images": 65}}
    assert caution(found) == (
        "Only 7 test images: these numbers are uncertain. Out of fold, over 65 images, mAP is "
        "71.9: the more reliable number."
    )
    assert caution({"split": "test", "num_images": 100}) is None
    assert caution({"split": "test", "num_images": 3}).endswith("are uncertain.")


def test_a_control_that_was_chosen_among_others_is_not_said_to_be_alone():
    assert "What was tried" in verdict({"head": "linear", "tried": [{}]})
    assert "No other head" in verdict({"head": "linear"})


def test_no_message_says_that_something_is_no_thing():
    """English says "is not a label"; "there is no label" and "is no longer" are fine."""
    said = {}
    for path in sorted(Path(imlgcn.__file__).parent.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docs = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        texts = (n for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in docs)
        found = [n.value for n in texts if isinstance(n.value, str) and GERMAN.search(n.value)]
        said |= {path.name: found} if found else {}
    assert said == {}
