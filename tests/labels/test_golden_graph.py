"""The label graph against numbers computed by ML-GCN's published code."""

from pathlib import Path

import numpy as np
import pytest

from imlgcn.labels.graph import (
    binarize,
    build_adjacency,
    conditional_probability,
    normalize_adjacency,
    reweight,
)

with np.load(Path(__file__).parents[1] / "golden" / "graph_ml_gcn.npz", allow_pickle=False) as file:
    GOLDEN = dict(file)
CASES = range(int(GOLDEN["num_cases"]))


@pytest.fixture(params=CASES, ids=lambda index: f"case{index}")
def case(request):
    prefix = f"case{request.param}/"
    return {key.removeprefix(prefix): GOLDEN[key] for key in GOLDEN if key.startswith(prefix)}


def test_golden_conditional(case):
    found = conditional_probability(case["adj"], case["nums"], zero_diagonal=False)
    np.testing.assert_allclose(found, case["conditional"], rtol=0, atol=1e-12)


def test_golden_zeroing_the_diagonal_changes_nothing_but_the_diagonal(case):
    expected = case["conditional"].copy()
    np.fill_diagonal(expected, 0)
    found = conditional_probability(case["adj"], case["nums"])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_golden_binary(case):
    conditional = conditional_probability(case["adj"], case["nums"], zero_diagonal=False)
    np.testing.assert_array_equal(binarize(conditional, float(case["tau"])), case["binary"])


def test_golden_reweighted(case):
    found = reweight(case["binary"].astype(np.float64), 1 - float(case["p"]))
    np.testing.assert_allclose(found, case["reweighted"], rtol=0, atol=1e-12)


def test_golden_normalised(case):
    found = normalize_adjacency(case["reweighted"])
    assert found.dtype == case["normalised"].dtype
    np.testing.assert_allclose(found, case["normalised"], rtol=0, atol=1e-6)


def test_golden_from_counts_to_normalised_in_one_call(case):
    found = build_adjacency(
        case["adj"],
        case["nums"],
        threshold=float(case["tau"]),
        self_weight=1 - float(case["p"]),
        zero_diagonal=not case["adj"].diagonal().any(),
    )
    np.testing.assert_allclose(found, case["normalised"], rtol=0, atol=1e-6)


def test_golden_patched_cases_are_those_with_another_p():
    """The official code has p = 0.2 built in; only cases patched for it carry another value."""
    p = np.array([float(GOLDEN[f"case{index}/p"]) for index in CASES])
    np.testing.assert_array_equal(GOLDEN["patched_neighbour_weight"] == 1, p != 0.2)
