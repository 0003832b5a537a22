"""Golden numbers computed with the published code of six methods; see tests/golden/README.md.

A case is named by its array. All sizes come from the file.
"""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from imlgcn.metrics import (
    PUBLISHED,
    mean_average_precision,
    raw_probabilities,
    score_published,
)
from imlgcn.metrics.ranking import average_precision

FILE = Path(__file__).parents[1] / "golden" / "metrics.npz"
GOLDEN = dict(np.load(FILE, allow_pickle=False))
FRACTION, PERCENT = 1e-6, 1e-4
SETS = ("noties", "ties")

# the first word of an array -> the published protocol and the factor of the stored number
PAPERS = {
    "mlgcn": ("ml_gcn", 1),
    "csra": ("csra", 1),
    "asl": ("asl", 100),
    "ssgrl": ("ssgrl", 1),
    "q2l": ("query2label", 100),
    "sklearn": ("c_tran", 1),
    "ctran": ("c_tran", 1),
}
# arrays that are no paper's way to score -> scores, targets (see targets_of), our way
OTHERS = {
    "mlgcn_ap_01_difficult1": ("logits", "01_positives_only", "rank"),
    "mlgcn_ap_voc_difficult0": ("logits", "voc_nodrop", "rank"),
    "voc11_ap_01": ("probs", "01", "voc07"),
    "voc11_ap_voc": ("probs", "voc", "voc07"),
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


# on ties, difficult0 depends on the sort: its bounds are tested below
@pytest.mark.parametrize(
    ("tied", "name"),
    sorted({*itertools.product(SETS, OTHERS)} - {("ties", "mlgcn_ap_voc_difficult0")}),
)
def test_golden_average_precision_that_is_no_papers(tied, name):
    scores, kind, protocol = OTHERS[name]
    ours = average_precision(GOLDEN[f"{tied}/{scores}"], targets_of(kind), protocol)
    np.testing.assert_allclose(ours, GOLDEN[f"{tied}/{name}"], rtol=0, atol=FRACTION)


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


# the papers' scoring by name


def keys_of(pattern):
    return sorted(key for key in GOLDEN if re.search(pattern, key))


def score(key, **options):
    """Score what the array ``key`` was made from by its paper's protocol."""
    tied, name = key.split("/")
    protocol, factor = PAPERS[name.split("_")[0]]
    # the codes that rank probabilities were given those of the file; the others the logits
    if PUBLISHED[protocol].scores == "probabilities":
        given = GOLDEN[f"{tied}/probs"]
    else:
        given = raw_probabilities(GOLDEN[f"{tied}/logits"], protocol)
    chosen = labels_of(name)
    targets = targets_of("voc" if "_voc" in name else "01")
    return score_published(given[:, chosen], targets[:, chosen], protocol, **options), factor


def is_decided_by_sort(key):
    return key.startswith("ties/") and key.split("/")[1].startswith(TIES_DECIDED_BY_SORT)


def bounds_by_protocol(name):
    """Return the bounds of an AP array, with the empty label as the protocol has it."""
    protocol, _ = PAPERS[name.split("_")[0]]
    kind = "01"
    if "_voc" in name:  # unknown targets are difficult ones here
        kind = "voc" if PUBLISHED[protocol].unknown_ap == "left_out" else "voc_nodrop"
    low, high = (b[labels_of(name)] for b in bounds_of(kind, PUBLISHED[protocol].average_precision))
    zero = PUBLISHED[protocol].empty_ap == "zero"
    return (np.nan_to_num(low), np.nan_to_num(high)) if zero else (low, high)


def assert_equal_or_within(ours, key, factor):
    """Compare a fraction with a stored number, or with what any order inside ties can give."""
    tolerance = FRACTION if factor == 1 else PERCENT / factor
    if not is_decided_by_sort(key):
        np.testing.assert_allclose(ours, GOLDEN[key] / factor, rtol=0, atol=tolerance)
        return
    low, high = bounds_by_protocol(key.split("/")[1])
    if GOLDEN[key].ndim == 0:
        low, high = low.mean(), high.mean()
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(GOLDEN[key]))
    assert (np.isnan(ours) | ((ours >= low - tolerance) & (ours <= high + tolerance))).all()


PAPER_AP = [key for key in keys_of("/(?!ap|env).*_ap_") if key.split("/")[1] not in OTHERS]


@pytest.mark.parametrize("key", PAPER_AP)
def test_golden_average_precision_of_a_paper_by_name(key):
    ours, factor = score(key)
    assert_equal_or_within(ours.average_precision, key, factor)


PAPER_MAP = keys_of("_map_.*_(all|nonempty)$")


@pytest.mark.parametrize("key", PAPER_MAP)
def test_golden_mean_average_precision_of_a_paper_by_name(key):
    ours, factor = score(key)
    assert_equal_or_within(np.array(ours.mean_average_precision), key, factor)


UNSHOWN = keys_of("_unknown_only$")


@pytest.mark.parametrize("key", UNSHOWN)
def test_golden_mean_over_the_labels_not_shown(key):
    given = GOLDEN[f"{key.split('/')[0]}/probs"]
    not_shown = np.where(GOLDEN["known_mask"] == -1, GOLDEN["targets01"], -1)
    ours, _ = mean_average_precision(given, not_shown)
    assert ours == pytest.approx(float(GOLDEN[key]), abs=FRACTION)


SIX_NUMBERS = keys_of("_overall_|_prf_")


@pytest.mark.parametrize("key", SIX_NUMBERS)
def test_golden_precision_recall_f1_of_a_paper_by_name(key):
    found = re.search(r"_all_thr(\d+)$", key)
    ours, factor = score(key, **({"threshold": int(found.group(1)) / 100} if found else {}))
    six = ours.top3 if "_top3_" in key else ours.six
    np.testing.assert_allclose(
        [factor * six[name] for name in ("OP", "OR", "OF1", "CP", "CR", "CF1")],
        GOLDEN[key],
        rtol=0,
        atol=FRACTION if factor == 1 else PERCENT,
    )


@pytest.mark.parametrize("key", keys_of("asl_prf_01_all_thr80$"))
def test_golden_threshold_of_asl_is_the_one_it_has_by_default(key):
    ours, factor = score(key)
    np.testing.assert_allclose(factor * ours.six["CF1"], GOLDEN[key][5], rtol=0, atol=PERCENT)


PER_IMAGE = keys_of("_acc_ha_ebf1_")


@pytest.mark.parametrize("key", PER_IMAGE)
def test_golden_numbers_per_image_of_c_tran(key):
    ours, _ = score(key)
    per_image = [ours.per_image[name] for name in ("ACC", "HA", "ebF1")]
    np.testing.assert_allclose(per_image, GOLDEN[key], rtol=0, atol=FRACTION)


@pytest.mark.parametrize("tied", SETS)
def test_golden_probabilities_are_those_of_the_logits(tied):
    for protocol in PUBLISHED:
        ours = raw_probabilities(GOLDEN[f"{tied}/logits"], protocol)
        np.testing.assert_allclose(ours, GOLDEN[f"{tied}/probs"], rtol=0, atol=2e-7)


def test_golden_file_holds_nothing_that_no_test_compares():
    inputs = {"targets01", "targets_voc", "known_mask", "nonempty_labels"}
    inputs |= {"empty_label", "full_label", "quiet_label"}
    inputs |= set(keys_of("/(logits|probs)$"))
    bounds = set(keys_of("^ties/(envelope_)?ap_(lowest|highest)_"))
    others = {f"{tied}/{name}" for tied in SETS for name in OTHERS}
    compared = {*PAPER_AP, *PAPER_MAP, *UNSHOWN, *SIX_NUMBERS, *PER_IMAGE}
    assert GOLDEN.keys() - inputs - bounds - others - compared == set()
