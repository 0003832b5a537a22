"""The optimizer: decay on matrices alone, and a schedule for any number of steps."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from imlgcn.training.optimization import Group, create_optimizer, freeze_batch_norm


@pytest.fixture
def module():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


def settings_of(optimizer) -> dict:
    return {
        id(parameter): (group["weight_decay"], group["max_lr"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }


def test_weight_decay_acts_on_matrices_and_kernels_only(module):
    optimizer, _ = create_optimizer([Group(module, 0.1, 3.0)], 10)
    found = settings_of(optimizer)
    for name, parameter in module.named_parameters():
        assert found[id(parameter)] == (3.0 if parameter.ndim > 1 else 0.0, 0.1), name


def test_with_no_gradient_matrices_shrink_and_vectors_stay(module):
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    optimizer, _ = create_optimizer([Group(module, 0.1, 3.0)], 10)
    rate = optimizer.param_groups[0]["lr"]
    for parameter in module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, parameter in module.named_parameters():
        kept = 1 - rate * 3.0 if parameter.ndim > 1 else 1.0
        torch.testing.assert_close(parameter.detach(), kept * before[name])


def test_each_group_has_its_own_rate_and_frozen_parameters_have_none(module):
    module[0].requires_grad_(False)
    groups = [Group(module[0], 0.5, 1.0), Group(module[3], 0.02, 4.0)]
    optimizer, _ = create_optimizer(groups, 10)
    found = settings_of(optimizer)
    assert set(found) == {id(module[3].weight), id(module[3].bias)}
    assert found[id(module[3].weight)] == (4.0, 0.02)


@pytest.mark.parametrize("steps", [*range(1, 13), 40, 1000])
def test_the_rate_reaches_its_maximum_early_and_ends_at_almost_nothing(module, steps):
    optimizer, scheduler = create_optimizer([Group(module, 0.1, 0.0)], steps)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert 0 < max(rates) <= 0.1 + 1e-12
    assert rates[-1] < 1e-3 or steps == 1
    if steps >= 10:
        assert max(rates) == pytest.approx(0.1, rel=0.05)
        assert rates.index(max(rates)) == pytest.approx(0.2 * steps - 1, abs=1)


def test_a_frozen_batch_norm_keeps_its_statistics_and_learns_its_scale(module):
    norm = module[1]
    module.train()
    freeze_batch_norm(module)
    mean = norm.running_mean.clone()
    module(torch.randn(8, 3, 3, 3)).sum().backward()
    torch.testing.assert_close(norm.running_mean, mean, rtol=0, atol=0)
    assert norm.weight.grad is not None
    assert module[0].training, "nothing else is frozen"
    assert not norm.training
