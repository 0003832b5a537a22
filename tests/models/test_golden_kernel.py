"""Kernel regression against numbers written out slowly from the formulas, in float64."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from imlgcn.labels.context import LabelContext
from imlgcn.models.heads import create_head
from imlgcn.models.kernel_regression import (
    gaussian_,
    kernel_scale,
    solve,
    squared_distances,
    unit_roots,
)

with np.load(Path(__file__).parents[1] / "golden" / "closed_forms.npz", allow_pickle=False) as file:
    GOLDEN = {key: torch.from_numpy(file[key]) for key in file.files if file[key].ndim}
    GAMMA, RIDGE, MEDIAN = (float(file[key]) for key in ("gamma", "lam", "median"))


@pytest.fixture
def units():
    return unit_roots(GOLDEN["features"])


def close(found, expected, atol=1e-6):
    torch.testing.assert_close(found, expected, rtol=0, atol=atol, equal_nan=True)


def kernel(units, others):
    return gaussian_(squared_distances(units, others), GAMMA, MEDIAN)


def test_golden_median(units):
    distances = squared_distances(units, units).fill_diagonal_(0)
    assert kernel_scale(distances) == pytest.approx(MEDIAN, abs=1e-12)


def test_golden_scores(units):
    found = solve(kernel(units, units), GOLDEN["targets"], RIDGE)
    scores = kernel(unit_roots(GOLDEN["queries"]), units) @ found.weights + found.mean
    close(scores, GOLDEN["scores"])


def test_golden_leave_one_out(units):
    rows = torch.arange(len(units))
    found = solve(kernel(units, units), GOLDEN["targets"], RIDGE, rows)
    close(found.held_out[0], GOLDEN["leave_one_out"])


def test_golden_leave_group_out(units):
    found = solve(kernel(units, units), GOLDEN["targets"], RIDGE, GOLDEN["group"])
    close(found.held_out[0], GOLDEN["leave_group_out"])


def test_golden_head():
    """The head keeps its support images in half precision."""
    L = GOLDEN["targets"].shape[1]
    D = GOLDEN["features"].shape[1]
    head = create_head("kernel", D, LabelContext.placeholder(L), gamma=GAMMA, ridge=RIDGE)
    head.fit(GOLDEN["features"].float()[:, :, None, None], GOLDEN["targets"])
    scores = head(GOLDEN["queries"].float()[:, :, None, None])
    close(scores.double(), GOLDEN["scores"], atol=1e-3)
