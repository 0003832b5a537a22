"""Golden numbers computed with the published code of six methods; see tests/golden/README.md.

A case is named by its array. All sizes come from the file.
"""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from imlgcn.metrics import (
    average_precision,
    mean_average_precision,
    precision_recall_f1,
    predict_labels,
)

FILE = Path(__file__).parents[1] / "golden" / "metrics.npz"
GOLDEN = dict(np.load(FILE, allow_pickle=False))
FRACTION, PERCENT = 1e-6, 1e-4
SETS = ("noties", "ties")

# array -> scores, targets (see targets_of), our protocol, factor of the stored number
AVERAGE_PRECISION = {
    "mlgcn_ap_01_difficult0": ("logits", "01", "rank", 1),
    "mlgcn_ap_01_difficult1": ("logits", "01_positives_only", "rank", 1),
    "mlgcn_ap_voc_difficult0": ("logits", "voc_nodrop", "rank", 1),
    "mlgcn_ap_voc_difficult1": ("logits", "voc", "rank", 1),
    "csra_ap_01": ("probs", "01", "rank", 1),
    "csra_ap_voc": ("probs", "voc", "rank", 1),
    "asl_ap_01": ("probs", "01", "rank", 100),
    "ssgrl_ap_01": ("logits", "01", "voc12", 1),
    "q2l_ap_01": ("probs", "01", "voc12", 100),
    "sklearn_ap_01": ("probs", "01", "sklearn", 1),
    "voc11_ap_01": ("probs", "01", "voc07", 1),
    "voc11_ap_voc": ("probs", "voc", "voc07", 1),
}
MEAN_AVERAGE_PRECISION = {
    "asl_map_01": ("probs", "01", "rank", 100),
    "asl_map_voc": ("probs", "voc_nodrop", "rank", 100),
    "ssgrl_map_01": ("logits", "01", "voc12", 1),
    "q2l_map_01": ("probs", "01", "voc12", 100),
    "ctran_map_01": ("probs", "01", "sklearn", 1),
}
TIES_DECIDED_BY_SORT = ("mlgcn", "csra", "asl", "ssgrl", "q2l")


def targets_of(kind):
    """Our coding: 1 present, 0 absent, -1 left out. In the VOC coding -1 is absent, 0 difficult."""
    zero_one, voc = GOLDEN["targets01"], GOLDEN["targets_voc"]
    return {
        "01": zero_one,
        "01_positives_only": np.where(zero_one == 1, 1, -1),
        "voc": np.where(voc == 0, -1, voc == 1),
        "voc_nodrop": (voc == 1).astype(int),
    }[kind]


def labels_of(name):
    every = np.arange(GOLDEN["targets01"].shape[1])
    return GOLDEN["nonempty_labels"] if name.endswith("nonempty") else every


def bounds_of(kind, protocol):
    """Return the lowest and the highest average precision that any order inside ties can give."""
    start = "envelope_ap" if protocol == "voc12" else "ap"
    return GOLDEN[f"ties/{start}_lowest_{kind}"], GOLDEN[f"ties/{start}_highest_{kind}"]


@pytest.mark.parametrize("name", AVERAGE_PRECISION)
def test_golden_average_precision_without_ties(name):
    scores, kind, protocol, factor = AVERAGE_PRECISION[name]
    ours = average_precision(GOLDEN[f"noties/{scores}"], targets_of(kind), protocol)
    if name == "asl_ap_01":
        ours = np.nan_to_num(ours)  # 1e-8 in its divisor makes the empty label 0
    tolerance = FRACTION if factor == 1 else PERCENT
    np.testing.assert_allclose(factor * ours, GOLDEN[f"noties/{name}"], rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", ["sklearn_ap_01", "voc11_ap_01", "voc11_ap_voc"])
def test_golden_average_precision_with_ties_that_enter_together(name):
    scores, kind, protocol, _ = AVERAGE_PRECISION[name]
    ours = average_precision(GOLDEN[f"ties/{scores}"], targets_of(kind), protocol)
    np.testing.assert_allclose(ours, GOLDEN[f"ties/{name}"], rtol=0, atol=FRACTION)


@pytest.mark.parametrize("scores", ["logits", "probs"])
@pytest.mark.parametrize(
    ("protocol", "kind"),
    [("voc12", "01"), *itertools.product(("default", "rank"), ("01", "voc", "voc_nodrop"))],
)
def test_golden_average_precision_lies_within_what_ties_allow(scores, protocol, kind):
    ours = average_precision(GOLDEN[f"ties/{scores}"], targets_of(kind), protocol)
    low, high = bounds_of(kind, protocol)
    defined = np.isfinite(low)
    np.testing.assert_array_equal(np.isfinite(ours), targets_of(kind).max(axis=0) == 1)
    assert (ours[defined] >= low[defined] - FRACTION).all()
    assert (ours[defined] <= high[defined] + FRACTION).all()


def test_golden_default_equals_scikit_learn_but_for_the_empty_label():
    for tied in SETS:
        ours = average_precision(GOLDEN[f"{tied}/probs"], GOLDEN["targets01"])
        keep = GOLDEN["nonempty_labels"]
        expected = GOLDEN[f"{tied}/sklearn_ap_01"][keep]
        np.testing.assert_allclose(ours[keep], expected, rtol=0, atol=FRACTION)
        assert np.isnan(ours[GOLDEN["empty_label"]])


@pytest.mark.parametrize(
    "key", sorted(key for key in GOLDEN if re.search("_(all|nonempty)$", key) and "_map_" in key)
)
def test_golden_mean_average_precision(key):
    tied, name = key.split("/")
    name = name.rpartition("_")[0]
    scores, kind, protocol, factor = MEAN_AVERAGE_PRECISION[name]
    chosen = labels_of(key)
    ours = average_precision(
        GOLDEN[f"{tied}/{scores}"][:, chosen], targets_of(kind)[:, chosen], protocol
    )
    if name.startswith("asl"):
        ours = np.nan_to_num(ours)
    stored, tolerance = GOLDEN[key] / factor, FRACTION if factor == 1 else PERCENT / factor
    if tied == "ties" and name.startswith(TIES_DECIDED_BY_SORT) and np.isfinite(stored):
        low, high = (np.nan_to_num(b[chosen]).mean() for b in bounds_of(kind, protocol))
        assert low - tolerance <= ours.mean() <= high + tolerance
    else:  # NaN where the published mean includes an empty label
        np.testing.assert_allclose(ours.mean(), stored, rtol=0, atol=tolerance)


@pytest.mark.parametrize("tied", SETS)
def test_golden_mean_over_the_unknown_entries_only(tied):
    targets = np.where(GOLDEN["known_mask"] == -1, GOLDEN["targets01"], -1)
    ours, _ = mean_average_precision(GOLDEN[f"{tied}/probs"], targets)
    assert ours == pytest.approx(float(GOLDEN[f"{tied}/ctran_map_01_unknown_only"]), abs=FRACTION)


PRECISION_RECALL = sorted(key for key in GOLDEN if re.search("_overall_|_prf_", key))
UNDEFINED = {"empty": "nan", "unpredicted_as_one": True}  # ML-GCN and CSRA


def rules_of(method):
    """Return the scores, how labels are predicted, and how they are counted."""
    return {
        "mlgcn": ("logits", {"threshold": 0.0}, UNDEFINED),
        "csra": ("probs", {"threshold": 0.5}, UNDEFINED),
        "ctran": ("probs", {"threshold": 0.5}, {"empty": "zero"}),
        "asl": ("probs", {"strict": True}, {"empty": "zero"}),
    }[method]


@pytest.mark.parametrize("key", PRECISION_RECALL)
def test_golden_precision_recall_f1(key):
    tied, name = key.split("/")
    method = name.split("_")[0]
    scores, predict, count = rules_of(method)
    if found := re.search(r"thr(\d+)", name):
        predict = {**predict, "threshold": int(found.group(1)) / 100}
    if "top3" in name:
        predict = {**predict, "top_k": 3}
    kind = "01" if "_01_" in name else "voc_nodrop" if method == "mlgcn" else "voc"
    chosen = labels_of(name)
    predicted = predict_labels(GOLDEN[f"{tied}/{scores}"][:, chosen], **predict)
    ours = precision_recall_f1(predicted, targets_of(kind)[:, chosen], **count)
    cf1 = ours.CF1_per_label if method == "asl" else ours.CF1
    six = np.array([ours.OP, ours.OR, ours.OF1, ours.CP, ours.CR, cf1])
    factor, tolerance = (100, PERCENT) if method == "asl" else (1, FRACTION)
    np.testing.assert_allclose(factor * six, GOLDEN[key], rtol=0, atol=tolerance)
