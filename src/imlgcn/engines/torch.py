"""The PyTorch engine: the trained network with the head folded.

Shapes: B batch, S input size, L labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray

from imlgcn.engines.allocator import raise_thresholds
from imlgcn.engines.device import batch_size, choose_device
from imlgcn.image_settings import ImageSettings
from imlgcn.models import MultiLabelClassifier, PixelInput


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """Run torch's operations on ``number`` threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def throughput_threads(device: str = "auto") -> Iterator[int]:
    """Set torch up to score several batches at once on a device; yield their number.

    Streams with few threads each beat one with all: torch's pool waits for its slowest member in
    every layer, and collapses when other programs use the cores.
    """
    cores = torch.get_num_threads()
    streams = min(cores, 8) if choose_device(device).type == "cpu" else 1
    with torch_threads(max(cores // streams, 1)):
        yield streams


class TorchEngine:
    """Runs a classifier in evaluation mode, channels last (a fifth faster on a CPU than without).

    ``device`` as for :func:`imlgcn.engines.device.choose_device`.
    """

    name = "torch"

    def __init__(
        self,
        module: MultiLabelClassifier,
        settings: ImageSettings,
        *,
        device: str = "auto",
        latency: bool = False,
    ) -> None:
        raise_thresholds()
        self.device = choose_device(device)
        self.module = module.eval().to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.input = PixelInput(settings).to(self.device)
        self._latency = latency or self.device.type != "cpu"
        self.batch = batch_size(self.device)
        self.streams = 1 if self._latency else torch.get_num_threads()
        self.takes_known = module.uses_known
        self.map_kind = module.map_kind
        self.metadata: dict[str, str] = {}

    def streaming(self) -> AbstractContextManager[int]:
        """Give each stream a thread while the block runs; yield how many streams there are."""
        return nullcontext(1) if self._latency else throughput_threads(str(self.device))

    @torch.inference_mode()
    def logits(
        self, pixels: NDArray[np.uint8], known: NDArray[np.int8] | None = None
    ) -> NDArray[np.float32]:
        """Return the logits of a batch ``(B, S, S, 3)`` as ``(B, L)``."""
        return _array(self.module(*self._inputs(pixels, known)))

    @torch.inference_mode()
    def maps(
        self, pixels: NDArray[np.uint8], known: NDArray[np.int8] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the logits ``(B, L)`` and activation maps ``(B, L, h, w)``."""
        logits, maps = self.module.activation_maps(*self._inputs(pixels, known))
        return _array(logits), _array(maps)

    def _inputs(
        self, pixels: NDArray[np.uint8], known: NDArray[np.int8] | None
    ) -> tuple[torch.Tensor, ...]:
        batch = self.input(torch.from_numpy(pixels).to(self.device))
        return (batch,) if known is None else (batch, torch.from_numpy(known).to(self.device))


def _array(tensor: torch.Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.float().cpu().numpy()
    return array
