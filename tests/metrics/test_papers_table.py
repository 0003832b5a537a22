"""The table of a paper's scoring: what is undefined, empty or not judged; and the page about it."""

import doctest
import json
from pathlib import Path

import numpy as np
import pytest

from imlgcn.metrics import PUBLISHED, evaluate_scores, score_published

SIX = ("OP", "OR", "OF1", "CP", "CR", "CF1")
NAMES = ["ant", "bee", "cat", "dog", "eel"]
PAGE = Path(__file__).parents[2] / "docs" / "protocols.md"
every_protocol = pytest.mark.parametrize("protocol", PUBLISHED)


def case(seed):
    """Return probabilities and targets of five labels; the fourth column has unknown targets."""
    generator = np.random.default_rng(seed)
    targets = (generator.random((60, 5)) < 0.4).astype(np.int8)
    probabilities = np.clip(0.4 * targets + 0.6 * generator.random(targets.shape), 0, 1)
    targets[::7, 3] = -1
    return probabilities, targets


# undefined numbers


@pytest.mark.parametrize("said", [False, True])
def test_without_a_hit_the_f1_is_undefined_but_for_srn(said):
    probabilities = np.array([[0.1, 0.9], [0.9, 0.1]]) if said else np.full((2, 2), 0.1)
    for protocol in PUBLISHED:
        six = score_published(probabilities, [[1, 0], [0, 1]], protocol).six
        assert np.isnan(six["OF1"]) == (protocol != "srn"), protocol
        assert np.isnan(six["CF1"]) == (protocol not in ("srn", "asl")), protocol
        assert np.isnan(six["OP"]) == (protocol == "asl" and not said), protocol
        assert six["OR"] == pytest.approx(0)
        table = evaluate_scores(probabilities, [[1, 0], [0, 1]], ["cat", "dog"], protocol=protocol)
        assert ("no label is predicted" in "".join(table["undefined"])) == (protocol != "srn")


@every_protocol
def test_the_table_says_whose_rules_it_follows(protocol):
    table = evaluate_scores(
        [[0.9, 0.1], [0.2, 0.8]], [[1, 0], [0, 1]], NAMES[:2], protocol=protocol
    )
    rules = PUBLISHED[protocol]
    assert (table["paper"], table["source"]) == (rules.paper, rules.source)
    assert table["f1_in_code"] == (protocol not in ("ssgrl", "query2label"))
    reached = {"asl": "> 0.8", "srn": "> 0.5"}.get(protocol, ">= 0.5")
    assert table["threshold"] == f"raw probability {reached}"


def test_a_sentence_says_which_numbers_are_undefined_and_why():
    start = ": divided by zero in the paper's definition, "
    empty = evaluate_scores([[0.9, 0.1, 0.2]], [[1, 0, 0]], NAMES[:3], protocol="ml_gcn")
    numbers = "mAP, CR, CF1, top-3 CR, top-3 CF1"
    assert empty["undefined"] == [f"{numbers}{start}no positive image for bee, cat"]
    silent = evaluate_scores([[0.1, 0.1]] * 2, [[1, 0], [0, 1]], NAMES[:2], protocol="ml_gcn")
    numbers = "OF1, CF1, top-3 OF1, top-3 CF1"
    assert silent["undefined"] == [f"{numbers}{start}no label is predicted anywhere"]
    defined = evaluate_scores([[0.9, 0.1, 0.2]], [[1, 0, 0]], NAMES[:3], protocol="asl")
    assert defined["undefined"] == []


@every_protocol
def test_data_without_any_positive_gives_a_table_and_no_crash(protocol):
    table = evaluate_scores([[0.9, 0.1]], [[0, -1]], ["cat", "dog"], protocol=protocol)
    json.dumps(table, allow_nan=False)
    assert (table["empty_labels"], table["without_empty_labels"]) == (["cat"], None)
    recall = {"c_tran": 0, "srn": 100}.get(protocol)
    assert table["OR"] == recall


@every_protocol
def test_an_empty_label_is_named_and_the_numbers_of_the_others_stand_beside(protocol):
    probabilities, targets = case(4)
    targets[:, 4] = np.minimum(targets[:, 4], 0)
    table = evaluate_scores(probabilities, targets, NAMES, protocol=protocol)
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    assert table["empty_labels"] == ["eel"]
    fails = protocol not in ("asl", "c_tran")
    assert (table["mAP"] is None) == fails
    assert bool(table["undefined"]) == fails
    if fails:
        assert table["undefined"][0].startswith("mAP")
        assert table["undefined"][0].endswith("no positive image for eel")
    assert ("top-3 CR" in "".join(table["undefined"])) == (
        fails and PUBLISHED[protocol].top3_ties is not None
    )
    others = score_published(probabilities[:, :4], targets[:, :4], protocol)
    assert table["without_empty_labels"]["mAP"] == pytest.approx(
        100 * others.mean_average_precision
    )
    assert table["without_empty_labels"]["CF1"] == pytest.approx(100 * others.six["CF1"])


@every_protocol
def test_a_label_the_data_does_not_judge_is_left_out_not_made_absent(protocol):
    probabilities, targets = case(5)
    alone = evaluate_scores(probabilities[:, :4], targets[:, :4], NAMES[:4], protocol=protocol)
    targets[:, 4] = -1
    table = evaluate_scores(probabilities, targets, NAMES, protocol=protocol)
    assert (table["not_judged"], alone["not_judged"]) == (["eel"], [])
    assert {**table, "not_judged": []} == alone


def test_the_table_is_in_percent_and_names_paper_threshold_and_source():
    probabilities, targets = case(6)
    table = evaluate_scores(probabilities, targets, NAMES, protocol="asl")
    scores = score_published(probabilities, targets, "asl")
    assert [table[key] for key in SIX] == pytest.approx([100 * scores.six[key] for key in SIX])
    assert table["per_label"]["bee"]["AP"] == pytest.approx(100 * scores.average_precision[1])
    assert table["per_label"]["bee"]["threshold"] == 0.8
    assert (table["protocol"], table["threshold"]) == ("asl", "raw probability > 0.8")
    assert table["source"].startswith("Alibaba-MIIL/ASL@8c9e0bd")
    assert (table["top3"], table["num_images"]) == (None, 60)
    c_tran = evaluate_scores(probabilities, targets, NAMES, protocol="c_tran")
    assert {"ACC", "HA", "ebF1"} <= c_tran.keys()
    assert not {"ACC", "HA", "ebF1"} & table.keys()


# the page about protocols


@pytest.fixture(scope="module")
def page():
    if not PAGE.is_file():  # a source distribution has no docs
        pytest.skip("docs/protocols.md is not here")
    return PAGE.read_text(encoding="utf-8")


def test_the_example_on_the_page_is_what_the_code_computes(page):
    result = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert (result.failed, result.attempted) == (0, 8)


def test_the_table_on_the_page_says_what_the_protocols_do(page):
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    table = {row[0]: dict(zip(PUBLISHED, row[1:], strict=True)) for row in cells}
    assert [name.strip("`") for name in table[""].values()] == list(PUBLISHED)
    undefined = {"nan": "undefined", "zero": "0", "one": "1"}
    silent = {True: "adds 1 to OP's divisor", False: "precision 0"}
    for name, rules in PUBLISHED.items():
        limit = f"{'>' if rules.strict else '>='} {rules.threshold:g}"
        class_f1 = {"of_means": "of the means", "mean_of_labels": "mean of labels"}
        top3 = {"kept": "all", "first": "3 exactly", None: "-"}
        code, _, commit = rules.source.partition("@")
        expected = {
            "": f"`{name}`",
            "code": code,
            "commit": commit[:7],
            "ranks": rules.scores,
            "average precision": f"`{rules.average_precision}`",
            "tied scores there": "together" if name == "c_tran" else "any order",
            "empty label: AP": undefined[rules.empty_ap],
            "empty label: recall": undefined[rules.empty_f1],
            "predicted when": limit,
            "CF1": class_f1[rules.class_f1],
            "label never predicted": (
                "precision 1" if rules.empty_f1 == "one" else silent[rules.unpredicted_as_one]
            ),
            "top 3, tied with the third": top3[rules.top3_ties],
            "unknown target: mAP": rules.unknown_ap.replace("_", " "),
            "unknown target: F1": rules.unknown_f1.replace("_", " "),
            "F1 computed by its code": "yes" if rules.f1_in_code else "no",
        }
        assert {row: table[row][name] for row in table} == expected
