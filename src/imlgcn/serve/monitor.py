"""What one server counts, for Prometheus: https://prometheus.io."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES = (1, 2, 4, 8, 16, 32, 64)


class Monitor:
    """The counts of one server, apart from those of any other in this process."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "imlgcn_requests_total",
            "Requests by path and status.",
            ["path", "status"],
            registry=registry,
        )
        self.images = Counter(
            "imlgcn_images_total", "Images by outcome.", ["outcome"], registry=registry
        )
        self.seconds = Histogram(
            "imlgcn_tag_seconds",
            "Seconds from request to answer of POST /v1/tags.",
            buckets=SECONDS,
            registry=registry,
        )
        self.batches = Histogram(
            "imlgcn_batch_images", "Images scored at once.", buckets=SIZES, registry=registry
        )
        self.scoring = Histogram(
            "imlgcn_batch_seconds", "Seconds to score a batch.", buckets=SECONDS, registry=registry
        )
        self.queue = Gauge(
            "imlgcn_queue_images", "Images accepted and not answered yet.", registry=registry
        )
        ProcessCollector(registry=registry)  # memory and processor time; Linux only

    def on_batch(self, size: int, seconds: float) -> None:
        """Count a scored batch."""
        self.batches.observe(size)
        self.scoring.observe(seconds)

    def text(self) -> bytes:
        """Return everything in the text format of Prometheus, version 0.0.4."""
        return generate_latest(self.registry)
