"""The exported network: 8-bit pixels in, logits and calibrated probabilities out.

Shapes: B batch, S input size, L labels.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from imlgcn.metrics.calibration import Calibration
from imlgcn.models import MultiLabelClassifier, PixelInput

INPUTS = ("pixels", "known")
OUTPUTS = ("logits", "probabilities", "maps")


class ExportedNetwork(nn.Module):
    r"""Pixels to logits :math:`y` and calibrated probabilities :math:`\sigma(a_l y_l + b_l)`.

    With ``maps`` the third output are the head's activation maps.

    Shape:
        - pixels uint8 ``(B, S, S, 3)``, known int8 ``(B, L)`` or None, outputs ``(B, L)``, maps
          ``(B, L, h, w)``
    """

    slope: Tensor
    intercept: Tensor

    def __init__(
        self,
        classifier: MultiLabelClassifier,
        calibration: Calibration,
        *,
        size: int,
        maps: bool = False,
    ) -> None:
        super().__init__()
        settings = classifier.backbone.image_settings.model_copy(update={"size": size})
        self.size = size
        self.input = PixelInput(settings)
        self.classifier = classifier
        self.map_kind = classifier.map_kind if maps else None
        self.takes_known = classifier.uses_known
        for name in ("slope", "intercept"):
            values = np.asarray(getattr(calibration, name), np.float32)
            self.register_buffer(name, torch.from_numpy(values), persistent=False)

    def forward(self, pixels: Tensor, known: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return logits and probabilities of a batch, and maps where it has them."""
        images = self.input(pixels)
        if self.map_kind is None:
            logits: Tensor = self.classifier(images, known)
            return logits, self._probabilities(logits)
        logits, maps = self.classifier.activation_maps(images, known)
        return logits, self._probabilities(logits), maps

    def _probabilities(self, logits: Tensor) -> Tensor:
        return (logits * self.slope + self.intercept).sigmoid()


def trace(network: ExportedNetwork) -> torch.export.ExportedProgram:
    """Return the network as a program for batches of any length; no layer works in place then."""
    for module in network.modules():  # else each is taken apart: a fifth of the time
        if hasattr(module, "inplace"):
            module.inplace = False  # type: ignore[assignment]
    side, labels = network.size, len(network.slope)
    # the example is a batch of 2: torch treats sizes 0 and 1 as constants
    example = [torch.zeros(2, side, side, 3, dtype=torch.uint8)]
    if network.takes_known:
        example.append(torch.full((2, labels), -1, dtype=torch.int8))
    batch = torch.export.Dim("batch", min=1, max=1 << 16)
    with torch.no_grad(), quiet():
        return torch.export.export(
            network.eval(), tuple(example), dynamic_shapes=tuple({0: batch} for _ in example)
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress the warnings of exporters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
