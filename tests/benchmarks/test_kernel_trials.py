"""The gradient that learns the kernel's metric, against slow loops."""

from __future__ import annotations

import torch
from benchmarks.kernel_trials import held_out_gradient


def test_the_gradient_of_held_out_errors_is_that_of_solutions_without_each_group() -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(7, 3, generator=generator, dtype=torch.float64)
    T = torch.randn(7, 2, generator=generator, dtype=torch.float64)
    groups, ridge = torch.tensor([0, 0, 1, 2, 3, 3, 3]), 0.1
    K = (-torch.cdist(points, points).square() / 5).exp().requires_grad_()

    errors = []
    for group in range(4):
        held, others = groups == group, groups != group
        inside = K[others][:, others] + ridge * torch.eye(int(others.sum()), dtype=K.dtype)
        errors.append(T[held] - K[held][:, others] @ torch.linalg.solve(inside, T[others]))
    torch.autograd.backward(torch.cat(errors).square().mean())
    same = (groups[:, None] == groups).double()

    # K enters the loops once on either side of the diagonal: only the symmetric part is defined
    assert K.grad is not None
    found = held_out_gradient(K.detach(), T, same, ridge)
    torch.testing.assert_close((found + found.mT) / 2, (K.grad + K.grad.mT) / 2)
