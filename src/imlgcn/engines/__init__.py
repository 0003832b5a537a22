"""The runtimes of a tagger's network: one small protocol, one file per runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from imlgcn.config import InputError, unknown_name
from imlgcn.engines.base import Engine
from imlgcn.extras import installed, require
from imlgcn.files import sha256_file

# engine -> the exported files it can run, best first; torch runs the tagger folder itself
SUFFIXES = {
    "onnxruntime": (".onnx",),
    "openvino": (".openvino", ".onnx"),
    "torch": (),
}


def check_engine(name: str) -> None:
    """Raise `InputError` for an engine that is unknown or not installed."""
    if name not in SUFFIXES:
        raise unknown_name("engine", name, ("auto", *SUFFIXES))
    require(name, f"the engine {name!r}")


def openers_for(
    files: Mapping[Path, str], *, latency: bool = False, device: str = "cpu"
) -> dict[str, Callable[[], Engine]]:
    """Return an opener for each installed engine that can run one of the exported ``files``.

    ``files`` come with their SHA-256; a file with another one is refused when opened.
    """
    found: dict[str, Callable[[], Engine]] = {}
    for name, suffixes in SUFFIXES.items():
        file = next((f for suffix in suffixes for f in files if f.suffix == suffix), None)
        if file is not None and installed(name):
            found[name] = partial(_open_unchanged, file, files[file], name, latency, device)
    return found


def openers_of_file(
    path: Path, *, latency: bool = False, device: str = "cpu"
) -> dict[str, Callable[[], Engine]]:
    """Return an opener of an exported file for each installed engine that can run it."""
    names = filter(installed, readers_of(path))
    return {n: partial(open_file, path, n, latency=latency, device=device) for n in names}


def _open_unchanged(path: Path, sha256: str, name: str, latency: bool, device: str) -> Engine:
    if not path.is_file() or sha256_file(path) != sha256:
        raise InputError(
            f"{path} is missing or changed since it was exported; `imlgcn export` writes it again"
        )
    return open_file(path, name, latency=latency, device=device)


def readers_of(path: Path) -> tuple[str, ...]:
    """Return the engines that run an exported file, best first, installed or not.

    Raises:
        InputError: it is not an exported file.
    """
    readable = tuple(name for name, suffixes in SUFFIXES.items() if path.suffix in suffixes)
    if not readable:
        raise InputError(
            f"{path} is not a tagger: expected a folder that `imlgcn train` wrote, or an exported "
            ".onnx or .openvino file"
        )
    return readable


def open_file(
    path: Path, name: str | None = None, *, latency: bool = False, device: str = "cpu"
) -> Engine:
    """Open an exported file; ``latency`` gives one image all cores.

    ``device`` is where ONNX Runtime runs it (:func:`imlgcn.engines.providers.open_session`);
    OpenVINO runs on the CPU.

    Raises:
        InputError: it is not an exported file, or the runtime is not installed, cannot read it or
            does not run on the device.
    """
    readable = readers_of(path)
    if name in (None, "auto"):
        name = next((n for n in readable if installed(n)), readable[0])
    check_engine(name)
    if name not in readable:
        raise InputError(
            f"{path} can be run by {' or '.join(readable)}, not by the engine {name!r}"
        )
    if name == "onnxruntime":
        from imlgcn.engines.onnxruntime import OnnxEngine

        return OnnxEngine(path, latency=latency, device=device)
    if device not in ("auto", "cpu"):
        raise InputError(
            f"the engine {name!r} runs on the CPU; leave device={device!r} out, or give "
            "engine='onnxruntime'"
        )
    from imlgcn.engines.openvino import OpenVinoEngine

    return OpenVinoEngine(path, latency=latency)
