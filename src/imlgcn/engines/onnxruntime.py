"""The ONNX Runtime engine: runs an exported ``.onnx`` file, without torch.

Shapes: B batch, S input size, L labels.
"""

from __future__ import annotations

import mmap
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imlgcn.config import InputError
from imlgcn.engines.base import GPU_BATCH, batch_of, cores, map_kind_of
from imlgcn.engines.providers import open_session

# a tensor whose values are elsewhere: the entry "location" of TensorProto.external_data, as encoded
ELSEWHERE = b"\x0a\x08location\x12"


class OnnxEngine:
    """One session that many threads call at once; each run uses its caller's thread alone.

    On two cores that is a tenth faster than runs of two threads, which wait for each other at every
    layer, and it keeps its speed when other programs are busy. With ``latency`` a run has all
    cores, and one caller is enough; so it is on a GPU, which takes many images at a time.
    ``device`` is as for :func:`imlgcn.engines.providers.open_session`.
    """

    name = "onnxruntime"

    def __init__(self, path: Path, *, latency: bool = False, device: str = "cpu") -> None:
        import onnxruntime

        threads = cores()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads if latency else 1
        options.inter_op_num_threads = 1
        # spinning threads would take the cores from those that decode
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        _refuse_other_files(path)
        self._session, self.device = open_session(path, options, device)
        on_gpu = self.device != "cpu"
        self.streams = 1 if latency or on_gpu else threads
        self.takes_known = "known" in {given.name for given in self._session.get_inputs()}
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        self.map_kind = map_kind_of(self.metadata)
        self.batch = GPU_BATCH if on_gpu else batch_of(self.metadata)
        self.num_labels = int(self._session.get_outputs()[0].shape[1])

    def streaming(self) -> AbstractContextManager[int]:
        """Yield how many threads should call at once; there is nothing to set up."""
        return nullcontext(self.streams)

    def logits(
        self, pixels: NDArray[np.uint8], known: NDArray[np.int8] | None = None
    ) -> NDArray[np.float32]:
        """Return the logits of a batch ``(B, S, S, 3)`` as ``(B, L)``."""
        if not len(pixels):
            return np.zeros((0, self.num_labels), np.float32)
        (logits,) = self._session.run(["logits"], self._inputs(pixels, known))
        return np.asarray(logits, np.float32)

    def maps(
        self, pixels: NDArray[np.uint8], known: NDArray[np.int8] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the logits ``(B, L)`` and activation maps ``(B, L, h, w)``."""
        logits, maps = self._session.run(["logits", "maps"], self._inputs(pixels, known))
        return np.asarray(logits, np.float32), np.asarray(maps, np.float32)

    def _inputs(
        self, pixels: NDArray[np.uint8], known: NDArray[np.int8] | None
    ) -> dict[str, NDArray[np.uint8] | NDArray[np.int8]]:
        inputs: dict[str, NDArray[np.uint8] | NDArray[np.int8]] = {"pixels": pixels}
        if self.takes_known:
            nothing = np.full((len(pixels), self.num_labels), -1, np.int8)
            inputs["known"] = nothing if known is None else known
        elif known is not None:
            raise InputError("this network cannot use known labels; leave them out")
        return inputs


def _refuse_other_files(path: Path) -> None:
    """Refuse a file that has the runtime open others, which could be any on this machine."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as model:
            found = model.find(ELSEWHERE) >= 0
    except (OSError, ValueError) as error:  # ValueError: it is empty
        raise InputError(f"ONNX Runtime cannot run {path}: {error}") from None
    if found:
        raise InputError(
            f"{path} keeps weights in another file, which is not opened; export it in one file, as "
            "`imlgcn export` does"
        )
