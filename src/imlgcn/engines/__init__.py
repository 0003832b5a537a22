"""What runs a tagger's network: one small protocol, one file per runtime."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from imlgcn.activation_maps import MEANING, MapKind
from imlgcn.config import InputError, unknown_name
from imlgcn.files import sha256_file

# engine -> the exported files it can run, best first; torch runs the tagger folder itself
SUFFIXES = {
    "onnxruntime": (".onnx",),
    "openvino": (".openvino", ".onnx"),
    "torch": (),
}
EXTRAS = {"torch": "torch", "onnxruntime": "onnx", "openvino": "openvino"}


def map_kind_of(metadata: Mapping[str, str]) -> MapKind | None:
    """Return what the maps of an exported file are, by its metadata; None where it has none."""
    kind = metadata.get("maps")
    return next((known for known in MEANING if known == kind), None)


class Engine(Protocol):
    """Turns a batch of squares of pixels into logits, on any number of threads at once.

    Shape:
        - pixels uint8 ``(B, S, S, 3)``, output float32 ``(B, L)``, not calibrated
    """

    name: str

    streams: int
    """How many threads should call it at once to use the whole machine."""

    batch: int
    """How many images at a time it scores fastest, in throughput."""

    takes_known: bool
    """Whether the network can use labels that are already known."""

    map_kind: MapKind | None
    """What `maps` gives, or None where the network has no maps."""

    metadata: dict[str, str]
    """What an exported file says of itself; the tagger's ``model.json`` is under ``imlgcn``."""

    def streaming(self) -> AbstractContextManager[int]:
        """Set the runtime up for calls from several threads at once; yield how many."""
        ...

    def logits(
        self, pixels: NDArray[np.uint8], known: NDArray[np.int8] | None = None
    ) -> NDArray[np.float32]:
        """Return the logits of a batch of any length, 0 included.

        ``known`` ``(B, L)`` (1, 0, or -1 not known) is for networks whose head can use it.
        """
        ...

    def maps(
        self, pixels: NDArray[np.uint8], known: NDArray[np.int8] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the logits and maps ``(B, L, h, w)``; only where ``map_kind`` is set."""
        ...


def cores() -> int:
    """Return how many cores this process may use: ``$OMP_NUM_THREADS`` or what the system allows.

    A container's or a job's share counts, not the machine's.
    """
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def installed(name: str) -> bool:
    """Return whether the engine's runtime can be imported, without importing it."""
    return find_spec(name) is not None


def check_engine(name: str) -> None:
    """Raise for an engine that there is not, or that is not installed."""
    if name not in SUFFIXES:
        raise unknown_name("engine", name, ("auto", *SUFFIXES))
    if not installed(name):
        raise InputError(
            f"the engine {name!r} is not installed; pip install 'imlgcn[{EXTRAS[name]}]', or "
            "leave --engine out"
        )


def openers_for(
    files: Mapping[Path, str], *, latency: bool = False
) -> dict[str, Callable[[], Engine]]:
    """Return what opens each installed engine that can run one of the exported ``files``.

    ``files`` come with their SHA-256; a file that has another one is refused when opened.
    """
    found: dict[str, Callable[[], Engine]] = {}
    for name, suffixes in SUFFIXES.items():
        file = next((f for suffix in suffixes for f in files if f.suffix == suffix), None)
        if file is not None and installed(name):
            found[name] = partial(_open_unchanged, file, files[file], name, latency)
    return found


def openers_of_file(path: Path, *, latency: bool = False) -> dict[str, Callable[[], Engine]]:
    """Return what opens an exported file in each installed engine that can run it."""
    names = filter(installed, readers_of(path))
    return {name: partial(open_file, path, name, latency=latency) for name in names}


def _open_unchanged(path: Path, sha256: str, name: str, latency: bool) -> Engine:
    if not path.is_file() or sha256_file(path) != sha256:
        raise InputError(
            f"{path} is missing or changed since it was exported; `imlgcn export` writes it again"
        )
    return open_file(path, name, latency=latency)


def readers_of(path: Path) -> tuple[str, ...]:
    """Return the engines that run an exported file, best first, installed or not.

    Raises:
        InputError: it is no exported file.
    """
    readable = tuple(name for name, suffixes in SUFFIXES.items() if path.suffix in suffixes)
    if not readable:
        raise InputError(
            f"{path} is no tagger: expected a folder that `imlgcn train` wrote, or an exported "
            ".onnx or .openvino file"
        )
    return readable


def open_file(path: Path, name: str | None = None, *, latency: bool = False) -> Engine:
    """Open an exported file; ``latency`` gives one image all cores.

    Raises:
        InputError: it is no exported file, or the runtime is not installed or cannot read it.
    """
    readable = readers_of(path)
    if name in (None, "auto"):
        name = next((n for n in readable if installed(n)), readable[0])
    check_engine(name)
    if name not in readable:
        raise InputError(f"{path} runs by {' or '.join(readable)}, not by the engine {name!r}")
    if name == "onnxruntime":
        from imlgcn.engines.onnxruntime import OnnxEngine

        return OnnxEngine(path, latency=latency)
    from imlgcn.engines.openvino import OpenVinoEngine

    return OpenVinoEngine(path, latency=latency)
