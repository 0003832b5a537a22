"""A checkpoint gives back exactly what was put in, without pickle."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from imlgcn.config import InputError
from imlgcn.training.checkpoint import (
    load_checkpoint,
    optimizer_groups,
    optimizer_tensors,
    part,
    restore_optimizer,
    save_checkpoint,
    with_prefix,
)
from imlgcn.training.optimization import Group, create_optimizer


def make(seed: int):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    optimizer, scheduler = create_optimizer([Group(model, 0.05, 0.1)], 20)
    return model, optimizer, scheduler


def step(model, optimizer, scheduler, count: int, seed: int):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        optimizer.zero_grad()
        model(torch.randn(6, 3, generator=generator)).square().sum().backward()
        optimizer.step()
        scheduler.step()


def test_tensors_and_state_come_back_to_the_bit(tmp_path):
    tensors = {
        "a": torch.randn(3, 4).t(),  # not contiguous
        "b": torch.tensor(7),
        "c": torch.tensor([1.5, float("nan")], dtype=torch.bfloat16),
        "d": torch.zeros(0, 3),
    }
    tensors["e"] = tensors["a"]  # shared memory
    state = {"epoch": 3, "value": 0.1 + 0.2, "none": None, "rates": [1e-7]}
    save_checkpoint(tmp_path / "x" / "c.safetensors", tensors, state)
    found, found_state = load_checkpoint(tmp_path / "x" / "c.safetensors")
    assert found_state == state
    assert found.keys() == tensors.keys()
    for key, value in tensors.items():
        assert found[key].dtype == value.dtype
        torch.testing.assert_close(found[key], value, rtol=0, atol=0, equal_nan=True)


def test_an_interrupted_optimization_ends_as_an_uninterrupted_one(tmp_path):
    whole = make(0)
    step(*whole, 5, seed=1)
    step(*whole, 5, seed=2)

    model, optimizer, scheduler = first = make(0)
    step(*first, 5, seed=1)
    state = {"groups": optimizer_groups(optimizer), "scheduler": scheduler.state_dict()}
    tensors = with_prefix("model", model.state_dict())
    save_checkpoint(
        tmp_path / "c", tensors | with_prefix("opt", optimizer_tensors(optimizer)), state
    )

    model, optimizer, scheduler = second = make(9)
    tensors, state = load_checkpoint(tmp_path / "c")
    model.load_state_dict(part("model", tensors))
    restore_optimizer(optimizer, part("opt", tensors), state["groups"])
    scheduler.load_state_dict(state["scheduler"])
    step(*second, 5, seed=2)

    torch.testing.assert_close(model.state_dict(), whole[0].state_dict(), rtol=0, atol=0)
    assert optimizer_groups(optimizer) == optimizer_groups(whole[1])
    torch.testing.assert_close(
        optimizer_tensors(optimizer), optimizer_tensors(whole[1]), rtol=0, atol=0
    )


def test_moments_follow_the_memory_layout_of_their_parameters():
    """A fused step goes by address: channels last against channels first pairs other numbers."""

    def make_kernel():
        torch.manual_seed(0)
        kernel = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
        return kernel, *create_optimizer([Group(kernel, 0.05, 0.1)], 20)

    def one_step(kernel, optimizer):
        kernel.weight.grad = torch.ones_like(kernel.weight)
        optimizer.step()

    kernel, optimizer, _ = make_kernel()
    kernel.weight.grad = torch.randn(4, 3, 3, 3).to(memory_format=torch.channels_last)
    optimizer.step()
    plain = torch.contiguous_format  # as a file holds them
    found = optimizer_tensors(optimizer)
    stored = {key: value.clone(memory_format=plain) for key, value in found.items()}

    other, resumed, _ = make_kernel()
    other.load_state_dict(kernel.state_dict())
    restore_optimizer(resumed, stored, optimizer_groups(optimizer))
    for pair in ((kernel, optimizer), (other, resumed)):
        one_step(*pair)
    torch.testing.assert_close(other.weight, kernel.weight, rtol=0, atol=0)


def test_the_groups_are_the_present_rates_not_those_of_the_start():
    made = make(0)
    start = optimizer_groups(made[1])
    step(*made, 5, seed=1)
    now = optimizer_groups(made[1])
    assert now[0]["lr"] != start[0]["lr"]
    assert now[0]["betas"] != start[0]["betas"], "OneCycle moves the momentum, too"
    assert [group["weight_decay"] for group in now] == [0.1, 0.0]


def test_prefixes_keep_parts_apart():
    a, b = {"x": torch.ones(1)}, {"x": torch.zeros(1), "a.x": torch.ones(2)}
    joined = with_prefix("a", a) | with_prefix("ab", b)
    assert part("a", joined).keys() == {"x"}
    assert part("ab", joined).keys() == {"x", "a.x"}
    assert part("a", joined)["x"] == 1


@pytest.mark.parametrize("content", [b"", b"garbage that is long enough to have a header", None])
def test_a_damaged_checkpoint_says_what_to_do(tmp_path, content):
    path = tmp_path / "c.safetensors"
    if content is None:  # another program's file: no state in it
        from safetensors.torch import save_file

        save_file({"a": torch.ones(1)}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"c\.safetensors is damaged .*delete it: resume=True"):
        load_checkpoint(path)


def test_a_failed_save_keeps_the_last_good_checkpoint(tmp_path):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, {"a": torch.ones(1)}, {"epoch": 1})
    with pytest.raises(TypeError):
        save_checkpoint(path, {"a": torch.zeros(1)}, {"epoch": object()})
    assert load_checkpoint(path)[1] == {"epoch": 1}
    assert len(list(tmp_path.iterdir())) == 1
