"""Files of weights, read without executing code, and loaded strictly.

A file is safetensors, or a checkpoint of ``torch.save`` that holds nothing but tensors and plain
values. One that belongs to another architecture is refused with the entries that differ.
"""

from __future__ import annotations

import argparse
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from imlgcn.errors import InputError
from imlgcn.models.containers import AVERAGED, RAW, StateDict, Weights, find_weights

NUMBERS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")
SHOWN = 5  # entries of each kind of difference: all fit on one screen


def read_state_dict(path: Path | str) -> StateDict:
    """Return the tensors of a safetensors file or a PyTorch checkpoint: see `read_checkpoint`."""
    return read_checkpoint(path)[0].state


def read_checkpoint(
    path: Path | str, *, averaged: bool = False
) -> tuple[Weights, Mapping[str, Any]]:
    """Return the tensors of a file, and what else it holds (epoch, label names, ...).

    They are found under the usual keys and without the prefixes of wrappers:
    :func:`imlgcn.models.containers.find_weights`, which explains ``averaged``.

    Raises:
        InputError: no such file, a damaged one, pickled code in it, no tensors, or none that are
            averaged.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"no weights file {path}; give the path of a .safetensors or .pth file")
    content: object = _read(path)
    beside: Mapping[str, Any] = content if isinstance(content, Mapping) else {}
    try:
        weights = find_weights(content, averaged=averaged)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if not weights.state:
        raise InputError(
            f"{path} holds no weights; expected a state dict, or one under "
            f"{', '.join(map(repr, RAW))} or {', '.join(map(repr, AVERAGED))}"
        )
    return weights, beside


def _read(path: Path) -> object:
    from safetensors.torch import load_file as load_safetensors

    try:
        if path.suffix == ".safetensors":
            return load_safetensors(path)
        with torch.serialization.safe_globals(_plain_values()):
            return _load(path)
    except Exception as error:  # on garbage the readers raise all kinds of errors
        if isinstance(error, pickle.UnpicklingError) and "GLOBAL" in str(error):
            raise InputError(
                f"{path} is refused: it holds pickled code besides tensors; save the state dict "
                "alone (torch.save(model.state_dict(), FILE)) or as safetensors"
            ) from error
        raise InputError(
            f"{path} is damaged or not a weights file ({type(error).__name__}: "
            f"{first_line(error)}); expected .safetensors, or a checkpoint of torch.save"
        ) from error


def _load(path: Path) -> object:
    """Return the content of a checkpoint, whose strings may be those of Python 2.

    These are bytes: names, and the eight bytes of a number. Latin-1 has a character for each.
    """
    with warnings.catch_warnings():  # torch says that weights_only ignores `encoding`: it does not
        warnings.filterwarnings("ignore", "pickle_load_args", UserWarning)
        return torch.load(path, map_location="cpu", weights_only=True, encoding="latin1")


def _plain_values() -> list[Any]:
    """Return the types that published checkpoints hold besides tensors: mAP, arguments.

    NumPy's numbers (under the names of NumPy 1 and 2) and a namespace carry no code.
    """
    scalar = np.float64(0).__reduce__()[0]
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    kinds = {type(np.dtype(kind)) for kind in NUMBERS}
    return [*((scalar, name) for name in names), np.dtype, *kinds, argparse.Namespace]


def first_line(error: Exception) -> str:
    """Return the first line of an error message."""
    return (str(error).splitlines() or [""])[0]


def load_strictly(module: nn.Module, state: Mapping[str, Tensor], origin: Path | str) -> None:
    """Load ``state``; raise with the entries that differ unless all fit.

    Only counters of batch norms may be missing.
    """
    wanted = module.state_dict()
    counters = {key for key in {*wanted, *state} if key.endswith("num_batches_tracked")}
    shapes = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(wanted[key].shape)}"
        for key in wanted
        if key in state and state[key].shape != wanted[key].shape
    ]
    missing = sorted(wanted.keys() - state.keys() - counters)
    unknown = sorted(state.keys() - wanted.keys() - counters)
    faults = [
        f"{len(keys)} {what} ({', '.join(keys[:SHOWN])}{', ...' if len(keys) > SHOWN else ''})"
        for what, keys in [("missing", missing), ("unknown", unknown), ("misshapen", shapes)]
        if keys
    ]
    if faults:
        raise InputError(
            f"{origin} does not fit {type(module).__name__} with {len(wanted.keys() - counters)} "
            f"entries: {'; '.join(faults)}; give weights of the same architecture"
        )
    module.load_state_dict({k: v for k, v in state.items() if k in wanted}, strict=False)
