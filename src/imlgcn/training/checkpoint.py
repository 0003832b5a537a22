"""Checkpoints without pickle: tensors and a JSON state in one safetensors file, written atomically.

A fine-tuning that is resumed from a checkpoint ends with the weights of an uninterrupted one. It
holds model, average, optimizer, schedule and epoch. Random numbers are drawn anew from
(seed, epoch) in every epoch, so none are stored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.optim import Optimizer

from imlgcn.config import InputError
from imlgcn.files import atomic_path


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write ``tensors`` and the JSON-able ``state`` to ``path`` in one step."""
    ready = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(ready, temporary, metadata={"state": json.dumps(state)})


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a file of :func:`save_checkpoint`.

    Raises:
        InputError: the file is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            state: dict[str, Any] = json.loads(file.metadata()["state"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"checkpoint {path} is damaged ({error}); delete it: resume=True then repeats its stage"
        ) from None
    return tensors, state


def with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Put ``prefix.`` before every key."""
    return {f"{prefix}.{key}": value for key, value in tensors.items()}


def part(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the entries of :func:`with_prefix`, the prefix removed."""
    start = f"{prefix}."
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's state, flat: ``<parameter number>.<name>`` -> tensor."""
    state = optimizer.state_dict()["state"]
    return {
        f"{number}.{name}": torch.as_tensor(value)
        for number, values in state.items()
        for name, value in values.items()
    }


def optimizer_groups(optimizer: Optimizer) -> list[dict[str, Any]]:
    """Return the current rate, betas and decay of every group: the schedule changes them."""
    groups = optimizer.state_dict()["param_groups"]
    return [{key: value for key, value in group.items() if key != "params"} for group in groups]


def restore_optimizer(
    optimizer: Optimizer, tensors: Mapping[str, Tensor], groups: Sequence[Mapping[str, Any]]
) -> None:
    """Load what :func:`optimizer_tensors` and :func:`optimizer_groups` returned.

    Moments get the memory layout of their parameters (such as channels last): the fused step pairs
    both by address.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, name = key.split(".", 1)
        if value.ndim:
            value = torch.empty_like(parameters[int(number)], dtype=value.dtype).copy_(value)
        state.setdefault(int(number), {})[name] = value
    present = optimizer.state_dict()["param_groups"]
    restored = [
        {**new, **old, "betas": tuple(old["betas"])}  # JSON knows no tuples
        for new, old in zip(present, groups, strict=True)
    ]
    optimizer.load_state_dict({"state": state, "param_groups": restored})
