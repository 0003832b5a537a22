"""The network of an opened tagger and the engine that runs it, one for each process.

Shapes: L labels.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from imlgcn.engines import check_engine, openers_for, openers_of_file
from imlgcn.engines.base import Engine, is_forked
from imlgcn.engines.providers import offers
from imlgcn.engines.shared import keep_forever, shared_engine
from imlgcn.errors import InputError
from imlgcn.extras import require
from imlgcn.files import sha256_file
from imlgcn.metrics.calibration import Calibration
from imlgcn.tagger.folder import TaggerFolder
from imlgcn.tagger.info import TaggerInfo

if TYPE_CHECKING:
    from imlgcn.models import MultiLabelClassifier


class TaggerRuntime:
    """What runs a tagger; `imlgcn.tagger.opened.OpenedTagger` says where it is and what it is."""

    path: Path
    info: TaggerInfo
    _wanted: str | None  # the engine that was asked for
    _latency: bool
    _device: str
    _is_unpickled = False
    _in_process: tuple[int, Engine] | None = None  # the process and its engine

    @cached_property
    def folder(self) -> TaggerFolder:
        """What the tagger folder holds besides the network, each file read once."""
        return TaggerFolder(self.path, tuple(self.info.labels))

    @property
    def calibration(self) -> Calibration:
        """Platt scaling per label."""
        return self.info.calibration.platt

    @property
    def engine(self) -> Engine:
        """The runtime of the folded network, as `load` was asked for; each process opens its own.

        A runtime's threads do not survive a fork, and its first run in the child would wait for
        them for ever.
        """
        if self._in_process is None or self._in_process[0] != os.getpid():
            keep_forever(self._in_process)  # a runtime that ends waits for its threads, too
            self._in_process = os.getpid(), self._open_engine()
        return self._in_process[1]

    @engine.setter
    def engine(self, engine: Engine) -> None:
        self._in_process = os.getpid(), engine

    def _open_engine(self) -> Engine:
        if not self._is_unpickled:
            return self._open_wanted()
        hashes = " ".join(sorted(self.info.sha256.values()))
        key = (self.path, hashes, self._wanted, self._latency, self._device)
        return shared_engine(key, self._open_wanted)

    def _open_wanted(self) -> Engine:
        openers, name = self._openers(), self._wanted
        if name is None or name == "auto":
            name = next(iter(self.engine_rates() if name == "auto" else openers))
        if name not in openers:
            check_engine(name)
            raise InputError(
                f"{self.path} holds no exported file for the engine {name!r}: "
                f"`imlgcn export {self.path}` writes one"
            )
        return openers[name]()

    @property
    def measures_engines(self) -> bool:
        """Whether it was opened with the fastest engine of this machine, ``engine="auto"``."""
        return self._wanted == "auto"

    def engine_rates(self) -> dict[str, float]:
        """Return images/s of every engine that can run this tagger here, fastest first.

        Measured for a second when it is not remembered for this network and machine.
        """
        from imlgcn.engines import choose

        hashes = self.info.sha256.values()
        key = sha256_file(self.path) if self.path.is_file() else " ".join(sorted(hashes))
        size = self.info.image.size
        key += "" if self._device == "auto" else f" on {self._device}"
        return choose.rates(self._openers(), key, size=size, latency=self._latency)

    def _openers(self) -> dict[str, Callable[[], Engine]]:
        """Return an opener for each engine that runs this tagger, best first.

        On a GPU that is ONNX Runtime, if it was built for one, and torch.
        """
        device, whatever = self._device, self._wanted in (None, "auto")
        if self.path.is_file():
            found = openers_of_file(self.path, latency=self._latency, device=device)
            able = ["onnxruntime"]
        else:
            files = self.folder.exported(self.info.sha256)
            found = openers_for(files, latency=self._latency, device=device)
            found["torch"] = self._open_torch
            able = ["torch", *["onnxruntime"] * offers(device)]
        if device in ("auto", "cpu") or not whatever:
            return found
        return {name: opener for name, opener in found.items() if name in able}

    def _open_torch(self) -> Engine:
        require("torch", f"without an exported file (`imlgcn export` writes one), {self.path}")
        import torch

        from imlgcn.engines.torch import TorchEngine

        if is_forked():  # more threads would wait for those of the parent, for ever
            torch.set_num_threads(1)
        return TorchEngine(
            self.folded(), self.info.image, device=self._device, latency=self._latency
        )

    def classifier(self) -> MultiLabelClassifier:
        """Return the network as it was trained: backbone and head, not folded."""
        from imlgcn.tagger.network import load_classifier

        return load_classifier(self.path, self.info)[0]

    def folded(self, *, calibrated: bool = False) -> MultiLabelClassifier:
        """Return the network with everything that does not depend on the image computed once.

        Batch norms are folded into convolutions. ``calibrated`` folds the calibration into the
        last layer: the sigmoid of the logits is then the probability that `probabilities` returns.
        """
        import torch

        from imlgcn.models.folding import fold_classifier, scale_logits

        folded = fold_classifier(self.classifier())
        if calibrated:
            platt = (self.calibration.slope, self.calibration.intercept)
            pair = [torch.tensor(values, dtype=torch.float32) for values in platt]
            folded.head = scale_logits(folded.head, *pair)
        return folded

    @property
    def _map_engine(self) -> Engine:
        """The engine, or torch where the exported file has no maps and the folder has weights."""
        engine = self.engine
        can_map = engine.map_kind is not None or engine.name == "torch" or not self.path.is_dir()
        return engine if can_map else self._torch_engine

    @cached_property
    def _torch_engine(self) -> Engine:
        require("torch", f"an activation map of {self.path}")
        return self._open_torch()
