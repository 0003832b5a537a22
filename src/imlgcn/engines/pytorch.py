"""The PyTorch engine: the network as it was trained, with the head folded.

Shapes: B batch, S image side, L labels.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn


class TorchEngine:
    """Runs a module in evaluation mode, channels last (a fifth faster on a CPU than without).

    ``device=None`` takes a GPU where there is one.
    """

    name = "torch"

    def __init__(self, module: nn.Module, *, device: str | None = None) -> None:
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.module = module.eval().to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logits of a batch ``(B, 3, S, S)`` as ``(B, L)``."""
        batch = (
            torch.from_numpy(images).to(self.device).contiguous(memory_format=torch.channels_last)
        )
        result: NDArray[np.float32] = self.module(batch).float().cpu().numpy()
        return result
