"""The OpenVINO engine: runs an exported ``.openvino`` or ``.onnx`` file, without torch.

Shapes: B batch, S input size, L labels.
"""

from __future__ import annotations

import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imlgcn.engines.base import batch_of, cores, map_kind_of
from imlgcn.engines.openvino_file import read_metadata, read_network
from imlgcn.errors import InputError


class OpenVinoEngine:
    """A compiled network with one stream for each core; each calling thread has its own request.

    Computes in float32: on processors with bfloat16 OpenVINO would otherwise choose that.
    """

    name = "openvino"

    def __init__(self, path: Path, *, latency: bool = False) -> None:
        import openvino

        threads = cores()
        self.streams = 1 if latency else threads
        try:
            network = read_network(path)
            self._compiled = _compile(
                network,
                {
                    "NUM_STREAMS": self.streams,
                    "INFERENCE_NUM_THREADS": threads,
                    "INFERENCE_PRECISION_HINT": "f32",
                },
            )
        except (RuntimeError, zipfile.BadZipFile, KeyError) as error:
            raise InputError(f"OpenVINO cannot run {path}: {error}") from error
        # pybind11 prepares for arrays on first use; two threads that do so at once deadlock
        _ = openvino.Tensor(np.zeros(1, np.float32)).data
        self.takes_known = len(self._compiled.inputs) > 1
        self.metadata = read_metadata(network, path)
        self.map_kind, self.batch = map_kind_of(self.metadata), batch_of(self.metadata)
        self.num_labels = self._compiled.output("logits").partial_shape[1].get_length()
        self._local = threading.local()

    def streaming(self) -> AbstractContextManager[int]:
        """Yield how many threads should call at once; there is nothing to set up."""
        return nullcontext(self.streams)

    def logits(
        self, pixels: NDArray[np.uint8], known: NDArray[np.int8] | None = None
    ) -> NDArray[np.float32]:
        """Return the logits of a batch ``(B, S, S, 3)`` as ``(B, L)``."""
        if not len(pixels):
            return np.zeros((0, self.num_labels), np.float32)
        (logits,) = self._run(pixels, known, "logits")
        return logits

    def maps(
        self, pixels: NDArray[np.uint8], known: NDArray[np.int8] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the logits ``(B, L)`` and activation maps ``(B, L, h, w)``."""
        logits, maps = self._run(pixels, known, "logits", "maps")
        return logits, maps

    def _run(
        self, pixels: NDArray[np.uint8], known: NDArray[np.int8] | None, *outputs: str
    ) -> list[NDArray[np.float32]]:
        inputs: dict[str, NDArray[np.uint8] | NDArray[np.int8]] = {"pixels": pixels}
        if self.takes_known:
            nothing = np.full((len(pixels), self.num_labels), -1, np.int8)
            inputs["known"] = nothing if known is None else known
        elif known is not None:
            raise InputError("this network cannot use known labels; leave them out")
        if not hasattr(self._local, "request"):
            self._local.request = self._compiled.create_infer_request()
        request = self._local.request
        request.infer(inputs)
        # copies: the next run of this thread overwrites them
        return [np.array(request.get_tensor(name).data, np.float32) for name in outputs]


def _compile(network: Any, settings: dict[str, object]) -> Any:
    """Compile for this processor, in a thread of its own.

    The thread that compiles gets an alternate signal stack from OpenVINO. When the network is
    deleted, that thread gets back the stack it had before, which may belong to a network that is
    gone: the next signal, a Ctrl-C for one, then ends the process (OpenVINO 2026.4, Linux).
    """
    import openvino

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(openvino.compile_model, network, "CPU", settings).result()
