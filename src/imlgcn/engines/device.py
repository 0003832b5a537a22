"""The one place that chooses torch's device: for training, extraction and its engine alike.

Where ONNX Runtime runs an exported file, :mod:`imlgcn.engines.providers` decides.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from imlgcn.config import InputError
from imlgcn.engines.base import GPU_BATCH

if TYPE_CHECKING:
    import torch

KNOWN = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


def check_device(name: str) -> None:
    """Raise `InputError` unless ``name`` is auto, cpu, cuda, cuda:N or mps; loads no torch."""
    if not KNOWN.fullmatch(name):
        raise InputError(
            f"device= takes auto, cpu, cuda, cuda:1 (a GPU's number) or mps; got {name!r}"
        )


def choose_device(name: str = "auto") -> torch.device:
    """Return the torch device for a name; ``auto`` is a CUDA GPU where there is one, else the CPU.

    ``mps`` (Apple's GPU) is never chosen by itself: its results have not been compared here.

    Raises:
        InputError: an unknown name, or a device that this machine does not have.
    """
    import torch

    check_device(name)
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, number = name.partition(":")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise InputError(
            f"device={name!r}: torch sees {found or 'no'} CUDA GPU{'' if found == 1 else 's'} "
            "here; give device='auto'"
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise InputError("device='mps': torch sees no Apple GPU here; give device='auto'")
    return torch.device(name)


def batch_size(device: torch.device) -> int:
    """Return how many images at a time are scored fastest.

    On a CPU the call overhead of a layer is shared by four images; the activations of more do not
    fit into the cache.
    """
    return 4 if device.type == "cpu" else GPU_BATCH


def precision_on(device: torch.device) -> Literal["bf16-mixed", "16-mixed", "32-true"]:
    """Return Lightning Fabric's name of the precision to train in."""
    import torch

    if device.type != "cuda":
        return "32-true"
    bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16-mixed" if bfloat16 else "16-mixed"
