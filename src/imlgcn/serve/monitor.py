"""What the server counts, in the text format of Prometheus.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

Labels = tuple[tuple[str, str], ...]
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
STATM = Path("/proc/self/statm")
SIZES = (1, 2, 4, 8, 16, 32, 64)


class Counter:
    """A number that only grows, one for each combination of labels."""

    kind = "counter"

    def __init__(self, name: str, what: str) -> None:
        self.name, self.what = name, what
        self._lock = threading.Lock()
        self._values: dict[Labels, float] = {}

    def add(self, amount: float = 1, **labels: str) -> None:
        """Count ``amount`` more."""
        key = tuple(sorted(labels.items()))
        with self._lock:
            self._values[key] = self._values.get(key, 0) + amount

    def lines(self) -> list[str]:
        """Return one line for each value."""
        with self._lock:
            return [_line(self.name, key, value) for key, value in sorted(self._values.items())]


class Histogram:
    """How many observations were at most as large as each bound."""

    kind = "histogram"

    def __init__(self, name: str, what: str, bounds: Sequence[float]) -> None:
        self.name, self.what, self.bounds = name, what, tuple(bounds)
        self._lock = threading.Lock()
        self._counts = [0] * (len(self.bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one observation."""
        place = sum(value > bound for bound in self.bounds)
        with self._lock:
            self._counts[place] += 1
            self._sum += value

    def lines(self) -> list[str]:
        """Return the cumulated counts, the sum and the number of observations."""
        with self._lock:
            counts, total = list(self._counts), self._sum
        lines, below = [], 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), counts, strict=True):
            below += count
            lines.append(_line(f"{self.name}_bucket", (("le", bound),), below))
        return [
            *lines,
            _line(f"{self.name}_sum", (), total),
            _line(f"{self.name}_count", (), below),
        ]


class Gauge:
    """A number that is read when somebody asks."""

    kind = "gauge"

    def __init__(self, name: str, what: str, read: Callable[[], float], **labels: str) -> None:
        self.name, self.what, self._read = name, what, read
        self._labels = tuple(labels.items())

    def lines(self) -> list[str]:
        """Return the one line."""
        return [_line(self.name, self._labels, self._read())]


class Monitor:
    """All that one server counts."""

    def __init__(self) -> None:
        self.requests = Counter("imlgcn_requests_total", "Requests by path and status.")
        self.images = Counter("imlgcn_images_total", "Images by what became of them.")
        self.seconds = Histogram(
            "imlgcn_tag_seconds", "Seconds from request to answer of POST /v1/tags.", SECONDS
        )
        self.batches = Histogram("imlgcn_batch_images", "Images scored at once.", SIZES)
        self.scoring = Histogram("imlgcn_batch_seconds", "Seconds to score a batch.", SECONDS)
        self.gauges: list[Gauge] = []
        if STATM.is_file():  # Linux
            memory = Gauge("process_resident_memory_bytes", "Memory in use.", resident_bytes)
            self.gauges.append(memory)

    def on_batch(self, size: int, seconds: float) -> None:
        """Count a scored batch."""
        self.batches.observe(size)
        self.scoring.observe(seconds)

    def text(self) -> str:
        """Return everything as Prometheus reads it."""
        histograms = (self.seconds, self.batches, self.scoring)
        parts: tuple[Counter | Histogram | Gauge, ...]
        parts = (self.requests, self.images, *histograms, *self.gauges)
        lines: list[str] = []
        for part in parts:
            lines += [f"# HELP {part.name} {part.what}", f"# TYPE {part.name} {part.kind}"]
            lines += part.lines()
        return "\n".join(lines) + "\n"


def resident_bytes() -> float:
    """Return the memory this process holds; needs `/proc`."""
    return int(STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _line(name: str, labels: Labels, value: float) -> str:
    inside = ",".join(f'{key}="{_escape(text)}"' for key, text in labels)
    return f"{name}{{{inside}}} {value:.10g}" if inside else f"{name} {value:.10g}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
