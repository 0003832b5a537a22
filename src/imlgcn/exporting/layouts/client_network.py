"""The network as a client calls it: its pixels in, one output of scores.

Shapes: B batch, S input size, L labels, K shown labels.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from imlgcn.exporting.formats import forget_origin
from imlgcn.exporting.layouts.base import Given
from imlgcn.exporting.network import quiet
from imlgcn.models import PixelInput
from imlgcn.tagger.folder import WEIGHTS

Floats = NDArray[np.float32]
Pixels = Literal["nhwc-bgr-255", "nchw-rgb-normalized"]


class ClientNetwork(nn.Module):
    """Folded network and calibration between a client's pixels and its scores.

    Shape:
        - pixels float32: ``nhwc-bgr-255`` ``(B, S, S, 3)`` with values 0 to 255, or
          ``nchw-rgb-normalized`` ``(B, 3, S, S)``, less the mean and divided by the standard
          deviation; output what ``finish`` makes of probabilities ``(B, L)``
    """

    slope: Tensor
    intercept: Tensor

    def __init__(self, given: Given, pixels: Pixels, finish: nn.Module) -> None:
        super().__init__()
        self.classifier, self.finish, self.pixels = given.tagger.folded(), finish, pixels
        size = given.info.image.size
        settings = self.classifier.backbone.image_settings.model_copy(update={"size": size})
        self.input, self.size = PixelInput(settings), size
        for name in ("slope", "intercept"):
            values = np.asarray(getattr(given.tagger.calibration, name), np.float32)
            self.register_buffer(name, torch.from_numpy(values), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the scores of a batch."""
        images = pixels
        if self.pixels == "nhwc-bgr-255":
            images = self.input(pixels[..., [2, 1, 0]])
        logits = self.classifier(images)
        found: Tensor = self.finish((logits * self.slope + self.intercept).sigmoid())
        return found

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of the pixels of one image."""
        S = self.size
        return (S, S, 3) if self.pixels == "nhwc-bgr-255" else (3, S, S)


def write_client_onnx(
    network: ClientNetwork,
    path: Path,
    names: tuple[str, str],
    metadata: dict[str, str],
    *,
    any_batch: bool,
) -> None:
    """Write an ONNX file with one input and one output of these names; constants are inside.

    Without ``any_batch`` it takes one image, and no axis is dynamic.
    """
    import onnx

    for module in network.modules():
        if hasattr(module, "inplace"):
            module.inplace = False  # type: ignore[assignment]
    example = torch.zeros(2 if any_batch else 1, *network.shape)
    batch = torch.export.Dim("batch", min=1, max=1 << 16)
    shapes = ({0: batch},) if any_batch else None
    with torch.no_grad(), quiet():
        program = torch.export.export(network.eval(), (example,), dynamic_shapes=shapes)
        exported = torch.onnx.export(
            program, input_names=names[:1], output_names=names[1:], dynamo=True, verbose=False
        )
    assert exported is not None
    model = exported.model_proto
    forget_origin(model)
    onnx.helper.set_model_props(model, metadata)
    path.write_bytes(model.SerializeToString())


def about(given: Given, layout: str) -> dict[str, object]:
    """Return where a layout comes from: no path, which would name folders of this machine."""
    return {
        "layout": layout,
        "tagger": given.tagger.path.resolve().name,
        "model_sha256": given.info.sha256.get(WEIGHTS, ""),
        "imlgcn": version("imlgcn"),
        "input_size": given.info.image.size,
        "client_threshold": given.client_threshold,
    }


def metadata_for(given: Given, layout: str) -> dict[str, str]:
    """Return the metadata of a layout's ONNX file: where it comes from."""
    return {"imlgcn_layout": json.dumps(about(given, layout))}


class Runner:
    """Runs a layout's file as its client does, on the CPU."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        self.session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        (self.input,), (self.output,) = self.session.get_inputs(), self.session.get_outputs()

    def __call__(self, pixels: Floats) -> Floats:
        """Return the scores of a batch as the client feeds it."""
        (scores,) = self.session.run([self.output.name], {self.input.name: pixels})
        return np.asarray(scores, np.float32)
