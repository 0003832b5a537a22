"""A checkpoint gives back exactly what was put in, without pickle."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from imlgcn.errors import InputError
from imlgcn.progress import Progress
from imlgcn.training.checkpoint import (
    Checkpoints,
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


@pytest.mark.parametrize("content", [b"", b"garbage that is long enough to have a header"])
def test_a_file_of_another_kind_is_no_checkpoint(tmp_path, content):
    (tmp_path / "c").write_bytes(content)
    with pytest.raises(InputError, match=r"c is damaged"):
        load_checkpoint(tmp_path / "c")


def test_a_changed_bit_anywhere_and_a_missing_end_are_noticed_and_the_one_before_is_used(tmp_path):
    said = []
    progress = Progress()
    progress.say = said.append
    checkpoints = Checkpoints(tmp_path, "linear", progress)
    for step in (5, 9):
        checkpoints.save({"a": torch.full((3,), float(step))}, {"epoch": step}, step=step)
    newest = checkpoints.files()[0]
    whole = newest.read_bytes()
    for position in range(len(whole)):
        for changed in (whole[:position], _flipped(whole, position)):
            newest.write_bytes(changed)
            tensors, state = checkpoints.newest()
            assert state == {"epoch": 5}
            assert tensors["a"].tolist() == [5.0] * 3
            assert not newest.exists()
    assert "-000000009.checkpoint is damaged" in said[0]
    newest.write_bytes(whole)
    assert checkpoints.newest()[1] == {"epoch": 9}


def _flipped(content, position):
    return content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :]


def test_the_last_two_of_a_stage_are_kept(tmp_path):
    other, checkpoints = Checkpoints(tmp_path, "graph"), Checkpoints(tmp_path, "linear")
    assert checkpoints.newest() is None
    other.save({}, {}, step=1)
    for step in (1, 20, 300):
        checkpoints.save({"a": torch.ones(1)}, {"epoch": step}, step=step)
    assert [path.name for path in checkpoints.files()] == [
        "linear-000000300.checkpoint",
        "linear-000000020.checkpoint",
    ]
    assert len(other.files()) == 1


def test_a_failed_save_keeps_the_last_good_checkpoint(tmp_path):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, {"a": torch.ones(1)}, {"epoch": 1})
    with pytest.raises(TypeError):
        save_checkpoint(path, {"a": torch.zeros(1)}, {"epoch": object()})
    assert load_checkpoint(path)[1] == {"epoch": 1}
    assert len(list(tmp_path.iterdir())) == 1
