"""The export formats: each writes one self-contained file with the tagger's metadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imlgcn.engines.openvino_file import Metadata, save_openvino
from imlgcn.exporting.agreement import Scorer
from imlgcn.exporting.network import INPUTS, OUTPUTS, ExportedNetwork, quiet, trace
from imlgcn.exporting.quantize import Pixels, quantize_onnx, quantize_openvino

Quantize = Callable[[Path, Path, Sequence[Pixels]], None]  # source, target, images


class Format(NamedTuple):
    """A file format: its suffix, writer and runtimes."""

    suffix: str
    write: Callable[[ExportedNetwork, Path, Metadata], None]
    runtimes: Mapping[str, Callable[[Path], Scorer]]
    needs: tuple[str, ...]  # runtimes that have to be installed
    quantize: Quantize | None = None


def onnx_model(network: ExportedNetwork, metadata: Metadata) -> Any:
    """Return the network as an ``onnx.ModelProto`` whose constants are inside."""
    import onnx
    import torch

    program = trace(network)
    inputs = INPUTS[: 1 + network.takes_known]
    outputs = OUTPUTS[: 2 + (network.map_kind is not None)]
    with quiet():
        exported = torch.onnx.export(
            program, input_names=inputs, output_names=outputs, dynamo=True, verbose=False
        )
    assert exported is not None
    model = exported.model_proto
    forget_origin(model)
    onnx.helper.set_model_props(model, dict(metadata))
    return model


def write_onnx(network: ExportedNetwork, path: Path, metadata: Metadata) -> None:
    """Write an ONNX file: no external data, one batch axis of any length."""
    path.write_bytes(onnx_model(network, metadata).SerializeToString())


def write_openvino(network: ExportedNetwork, path: Path, metadata: Metadata) -> None:
    """Write a zip with ``model.xml``, ``model.bin`` and ``metadata.json``."""
    import openvino
    import torch

    halves = any(buffer.dtype == torch.float16 for buffer in network.buffers())
    with TemporaryDirectory() as folder:
        onnx_file = Path(folder) / "network.onnx"
        write_onnx(network, onnx_file, {})
        # conversion simplifies, and would write numbers in half precision out as float32
        read = openvino.Core().read_model if halves else openvino.convert_model
        save_openvino(read(onnx_file), path, metadata)


def write_torch(network: ExportedNetwork, path: Path, metadata: Metadata) -> None:
    """Write a program for ``torch.export.load``, which runs without the classes of this package.

    torch reads such files partly with pickle: open only files that you trust. imlgcn opens none.
    """
    import torch

    program = trace(network)
    program.example_inputs = None
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # lines of source with paths of this machine
    with path.open("wb") as file, quiet():
        torch.export.save(program, file, extra_files=dict(metadata))


def forget_origin(model: Any) -> None:
    """Remove the exporter's notes, which hold lines of source with paths of this machine."""
    graphs = [model.graph, *model.functions]
    model.producer_name, model.producer_version, model.doc_string = "imlgcn", "", ""
    model.graph.doc_string = ""
    for graph in graphs:
        del graph.metadata_props[:]
        for item in (*graph.node, *graph.value_info):
            item.doc_string = ""
            del item.metadata_props[:]
    for item in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        item.doc_string = ""
        del item.metadata_props[:]


def _open_onnx(path: Path) -> Scorer:
    from imlgcn.engines.onnxruntime import OnnxEngine

    return OnnxEngine(path, latency=True)


def _open_openvino(path: Path) -> Scorer:
    from imlgcn.engines.openvino import OpenVinoEngine

    return OpenVinoEngine(path, latency=True)


class _Program:
    """Runs a file of `write_torch`, to verify it."""

    def __init__(self, path: Path) -> None:
        import torch

        with path.open("rb") as file, quiet():
            program = torch.export.load(file)
        self._run = program.module()
        self.takes_known = len(program.graph_signature.user_inputs) > 1
        self._num_labels = int(program.graph.output_node().args[0][0].meta["val"].shape[1])

    def logits(
        self, pixels: NDArray[np.uint8], known: NDArray[np.int8] | None = None
    ) -> NDArray[np.float32]:
        """Return the logits of a batch ``(B, S, S, 3)`` as ``(B, L)``."""
        return self._outputs(pixels, known)[0]

    def maps(
        self, pixels: NDArray[np.uint8], known: NDArray[np.int8] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the logits and activation maps ``(B, L, h, w)``."""
        logits, _, maps = self._outputs(pixels, known)
        return logits, maps

    def _outputs(
        self, pixels: NDArray[np.uint8], known: NDArray[np.int8] | None
    ) -> list[NDArray[np.float32]]:
        import torch

        inputs: list[NDArray[np.uint8] | NDArray[np.int8]] = [pixels]
        if self.takes_known:
            nothing = np.full((len(pixels), self._num_labels), -1, np.int8)
            inputs.append(nothing if known is None else known)
        with torch.inference_mode():
            return [output.numpy() for output in self._run(*map(torch.from_numpy, inputs))]


BY_ONNX, BY_OPENVINO = {"onnxruntime": _open_onnx}, {"openvino": _open_openvino}
FORMATS: dict[str, Format] = {
    "onnx": Format(".onnx", write_onnx, BY_ONNX | BY_OPENVINO, ("onnxruntime",), quantize_onnx),
    "openvino": Format(
        ".openvino", write_openvino, BY_OPENVINO, ("onnxruntime", "openvino"), quantize_openvino
    ),
    "torch": Format(".pt2", write_torch, {"torch": _Program}, ()),
}
