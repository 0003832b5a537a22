"""Reference arrays of the parts of a new label: tests/golden/closed_forms.npz."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from imlgcn.models.kernel_regression import unit_roots
from imlgcn.models.new_label.ground import Ground
from imlgcn.models.new_label.parts import graph, lda


@pytest.fixture(scope="module")
def golden():
    return np.load(Path(__file__).parents[1] / "golden" / "closed_forms.npz")


@pytest.fixture(scope="module")
def ground(golden):
    """The known labels; the last label of the arrays is the new one."""
    units = unit_roots(torch.from_numpy(golden["features"]))
    targets = torch.from_numpy(golden["targets"])[:, :-1]
    rate = float(golden["gamma"] / golden["median"])
    return Ground(units, units, rate, targets, torch.from_numpy(golden["group"]))


def test_golden_scaled_vectors(golden, ground):
    np.testing.assert_allclose(ground.x, golden["scaled"], atol=1e-9)


def test_golden_embeddings_and_counts(golden, ground):
    np.testing.assert_allclose(ground.embeddings, golden["embeddings"], atol=1e-9)
    np.testing.assert_allclose(ground.conditional, golden["conditional"], atol=1e-9)


def test_golden_discriminant_analysis(golden, ground):
    mu = torch.from_numpy(golden["new_mean"])[:, None]
    np.testing.assert_allclose(lda(ground, mu)[:, 0], golden["lda"], rtol=1e-6)


@pytest.mark.parametrize("known", [True, False])
def test_golden_graph(golden, ground, known):
    mu = torch.from_numpy(golden["new_mean"])[:, None]
    shares = torch.from_numpy(golden["new_conditional"])[:, None] if known else None
    alpha = graph(ground, mu, int(golden["k"]), shares)[:, 0]
    wanted = golden["alpha_known" if known else "alpha_unknown"]
    np.testing.assert_allclose(alpha, wanted, rtol=1e-5, atol=1e-8)
