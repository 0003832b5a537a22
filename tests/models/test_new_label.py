"""The parts of a new label's score against slow solutions, and what is expected of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from imlgcn.models.kernel_regression import kernel_scale, squared_distances, unit_roots
from imlgcn.models.new_label.formula import Examples, Weights, fit_parts
from imlgcn.models.new_label.ground import NEW_RIDGE, Ground
from imlgcn.models.new_label.parts import PROBE_RIDGE, KernelPart, Near, probe
from imlgcn.models.new_label.practice import practise

N, D, L, Q = 60, 12, 4, 5


@pytest.fixture
def ground():
    generator = torch.Generator().manual_seed(3)
    units = unit_roots(torch.randn(N, D, generator=generator, dtype=torch.float64))
    rate = 2 / kernel_scale(squared_distances(units, units).fill_diagonal_(0))
    targets = (torch.rand(N, L, generator=generator) < 0.3).to(torch.int8)
    targets[0, 0] = -1
    return Ground(units, units, rate, targets, torch.arange(N) // 2)


@pytest.fixture
def new(ground):
    generator = torch.Generator().manual_seed(4)
    return unit_roots(torch.randn(Q, D, generator=generator, dtype=torch.float64))


def test_the_kernel_part_solves_its_system_and_leaves_each_image_out_exactly(ground, new):
    targets = torch.tensor([1, 1, 0, 1, 0.0], dtype=torch.float64)
    old_targets = torch.zeros(N, dtype=torch.float64)
    old_targets[7] = 1
    left_out = torch.zeros(N, dtype=torch.bool)
    left_out[[3, 20, 21]] = True
    part = KernelPart(ground, Near.of(ground, new), targets, old_targets, left_out)
    kept = torch.cat([(~left_out).nonzero()[:, 0], N + torch.arange(Q)])
    units = torch.cat([ground.units, new])
    t = torch.cat([old_targets, targets])
    K = ground.kernel_between(units, units)

    def solve(rows):
        matrix = K[rows][:, rows] + NEW_RIDGE * torch.eye(len(rows), dtype=K.dtype)
        return torch.linalg.solve(matrix, t[rows])

    weights = torch.zeros(N + Q, dtype=K.dtype)
    weights[kept] = solve(kept)
    torch.testing.assert_close(torch.cat([part.old, part.new]), weights)
    for row in (0, 7, 59):
        others = kept[kept != row]
        torch.testing.assert_close(part.held_out[row], K[row, others] @ solve(others))
    torch.testing.assert_close(part.held_out[left_out], K[:N][left_out] @ weights)


def test_the_probe_is_at_the_minimum_of_its_loss(ground, new):
    shown = torch.tensor([1, 1, 0, 1, 1])
    negatives = torch.ones(N, 1, dtype=torch.bool)
    negatives[5] = False
    x = ground.centred(new)
    found = probe(ground.x, negatives, x, torch.zeros(Q, dtype=torch.int64), shown)[:, 0]
    w = torch.zeros(D + 1, dtype=torch.float64, requires_grad=True)
    data = torch.cat([ground.x[negatives[:, 0]], x])
    truth = torch.cat([torch.zeros(N - 1), shown.double()])
    share = torch.where(truth == 1, 0.5 / 4, 0.5 / N)
    optimizer = torch.optim.LBFGS([w], max_iter=500, tolerance_grad=1e-10, tolerance_change=1e-14)

    def loss():
        optimizer.zero_grad()
        logits = data @ w[:-1] + w[-1]
        one = torch.nn.functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
        value = (share * one).sum() + PROBE_RIDGE / 2 * w[:-1].square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    wanted = w.detach()[:-1]
    assert float(torch.cosine_similarity(found, wanted, dim=0)) > 0.999


def examples(ground, new, **more):
    nobody = torch.full((N,), -1)
    return Examples(new, new, torch.ones(len(new)), nobody, **more)


def test_labels_are_fitted_side_by_side_as_alone(ground, new):
    two = [examples(ground, new[:2]), examples(ground, new[2:])]
    together = [parts.join(Weights()) for parts in fit_parts(ground, two)]
    for one, formula in zip(two, together, strict=True):
        alone = fit_parts(ground, [one])[0].join(Weights())
        torch.testing.assert_close(formula.old, alone.old)
        torch.testing.assert_close(formula.linear, alone.linear, rtol=0.02, atol=0.02)


def test_a_hidden_label_is_as_if_it_were_not_there(ground, new):
    labels = torch.randint(0, 2, (Q, L), generator=torch.Generator().manual_seed(1))
    hidden = fit_parts(ground, [examples(ground, new, labels=labels, hidden=2)])[0]
    left = [0, 1, 3]
    smaller = replace(ground, targets=ground.targets[:, left])
    without = fit_parts(smaller, [examples(smaller, new, labels=labels[:, left])])[0]
    torch.testing.assert_close(hidden.alpha[left], without.alpha)
    assert hidden.alpha[2] == 0


def test_an_answer_is_never_doubtful_and_counts(ground, new):
    asked = examples(ground, new)
    asked.answers[:10] = 0
    asked.answers[10] = 1
    parts = fit_parts(ground, [asked])[0]
    assert not parts.doubtful[:11].any()
    assert parts.doubtful.sum() == int(0.06 * N)
    assert asked.count == Q + 1


def test_practice_needs_labels_and_says_how_many_it_had(ground):
    found = practise(ground, 2, known=True)
    assert found.trials < 8
    assert found.AP is None


def test_practice_finds_what_can_be_learnt():
    """Labels that are directions: more images are better, and the probabilities are calibrated."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(12, 24)) ** 2 * 3
    targets = (rng.random((900, 12)) < 0.12).astype(np.int8)
    features = torch.from_numpy(targets @ centres + rng.random((900, 24)) * 2)
    units = unit_roots(features)
    rate = 2 / kernel_scale(squared_distances(units, units).fill_diagonal_(0))
    ground = Ground(units, units, rate, torch.from_numpy(targets), torch.arange(900))
    found = practise(ground, 3, known=False, more=12)
    assert found.trials == 12
    low, middle, high = found.AP
    assert 0.2 < low <= middle <= high <= 1
    images, labels, gain = found.more
    assert (images, labels) == (12, 12)
    assert gain > 0
    assert found.slope > 0
    assert 0 < found.threshold < 1
    again = practise(ground, 3, known=False, more=12)
    assert again == found
