"""The fastest engine for a network on this machine: measured once, then remembered.

Shapes: B batch, S input size.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imlgcn.engines.base import Engine, cores
from imlgcn.errors import InputError
from imlgcn.files import cache_dir, write_atomic

SECONDS = 1.0  # of measuring, for all engines together
BATCH = 4  # images; no engine gains from more
MEMORY = "engines.json"


def rates(
    openers: Mapping[str, Callable[[], Engine]], key: str, *, size: int, latency: bool = False
) -> dict[str, float]:
    """Return images/s of every engine on the network ``key`` here, fastest first.

    What the cache folder remembers for this network, machine and versions is not measured again.
    """
    situation = _situation(key, latency)
    found = _read().get(situation, {})
    if set(found) != set(openers):
        found = _measure(openers, size, batch=1 if latency else BATCH)
        with suppress(OSError, RuntimeError):  # no home directory, or a read-only one
            write_atomic(cache_dir() / MEMORY, json.dumps(_read() | {situation: found}, indent=1))
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _measure(
    openers: Mapping[str, Callable[[], Engine]], size: int, batch: int
) -> dict[str, float]:
    """Time engines in three alternating rounds; the best one counts: in others the machine was
    busy.

    An engine that cannot run the network has the rate 0.
    """
    pixels = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), np.uint8)
    found = dict.fromkeys(openers, 0.0)
    opened: dict[str, Engine] = {}
    for name, opener in openers.items():
        with suppress(InputError):
            opened[name] = opener()
            _rate(opened[name], pixels, 0.0)  # the first run allocates
    for _ in range(3):
        for name, engine in opened.items():
            found[name] = max(found[name], _rate(engine, pixels, SECONDS / 3 / len(opened)))
    return found


def _rate(engine: Engine, pixels: NDArray[np.uint8], seconds: float) -> float:
    """Return images/s of as many threads as the engine has streams, at least one run each."""

    def work(_: int) -> int:
        runs = 0
        while not runs or time.perf_counter() < end:
            engine.logits(pixels)
            runs += 1
        return runs

    with engine.streaming() as streams, ThreadPoolExecutor(streams) as pool:
        start = time.perf_counter()
        end = start + seconds
        runs = sum(pool.map(work, range(streams)))
    return runs * len(pixels) / (time.perf_counter() - start)


def _situation(key: str, latency: bool) -> str:
    """Return a key of everything that decides which engine is fastest."""
    versions = [f"{name} {_version(name)}" for name in ("torch", "onnxruntime", "openvino")]
    machine = (platform.machine(), platform.processor(), f"{cores()} cores")
    return " ".join((key, *machine, *versions, "latency" if latency else "throughput"))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "-"


def _read() -> dict[str, dict[str, float]]:
    try:
        content = json.loads(Path(cache_dir() / MEMORY).read_text(encoding="utf-8"))
    except (OSError, RuntimeError, ValueError):
        return {}  # measured again
    rows = content.items() if isinstance(content, dict) else ()
    return {key: found for key, found in rows if isinstance(found, dict)}
