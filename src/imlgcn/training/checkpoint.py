"""The state of a training on disk: proven whole when it is read, and never the only one.

A training that is resumed from a checkpoint ends with the weights of an uninterrupted one. The file
is a line with the SHA-256 of what follows, then tensors and a JSON state as safetensors, without
pickle: one changed byte, anywhere, and the file is not used. The last two are kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor
from torch.optim import Optimizer

from imlgcn.errors import InputError
from imlgcn.files import write_atomic
from imlgcn.progress import SILENT, Progress

KEPT = 2
SUFFIX = ".checkpoint"

Content = tuple[dict[str, Tensor], dict[str, Any]]


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write ``tensors`` and the JSON-able ``state`` to ``path`` in one step."""
    ready = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
    content = save({**ready, "state": _as_tensor(json.dumps(state))})
    write_atomic(path, hashlib.sha256(content).hexdigest().encode() + b"\n" + content)


def load_checkpoint(path: Path) -> Content:
    """Read a file of :func:`save_checkpoint`.

    Raises:
        InputError: a byte of the file is not as it was written, or bytes are missing.
        OSError: it cannot be read.
    """
    digest, _, content = path.read_bytes().partition(b"\n")
    if digest != hashlib.sha256(content).hexdigest().encode():
        raise InputError(f"checkpoint {path} is damaged (its hash is wrong)")
    try:
        tensors = load(content)
        state: dict[str, Any] = json.loads(tensors.pop("state").numpy().tobytes())
    except (SafetensorError, KeyError, ValueError) as error:  # whole, but not written here
        raise InputError(f"checkpoint {path} is not a checkpoint ({error})") from None
    return tensors, state


class Checkpoints:
    """The checkpoints of one stage of a training: `stage`-`step`.checkpoint in ``folder``."""

    def __init__(self, folder: Path, stage: str, progress: Progress = SILENT) -> None:
        self.folder, self.stage, self.progress = folder, stage, progress

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any], *, step: int) -> None:
        """Write the state after ``step`` optimizer steps; older ones than the last two go."""
        save_checkpoint(self.folder / f"{self.stage}-{step:09d}{SUFFIX}", tensors, state)
        for path in self.files()[KEPT:]:
            path.unlink(missing_ok=True)

    def newest(self) -> Content | None:
        """Return the newest sound state, or None; a damaged one is deleted and said in a line."""
        for path in self.files():
            try:
                return load_checkpoint(path)
            except InputError as error:
                self.progress.say(f"{error}; the one before it is used")
                path.unlink()
        return None

    def files(self) -> list[Path]:
        """Return the files there are, newest first."""
        return sorted(self.folder.glob(f"{self.stage}-*{SUFFIX}"), reverse=True)


def _as_tensor(text: str) -> Tensor:
    return torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)


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
