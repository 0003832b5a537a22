"""What `/v1/model` says: the tagger, what it can do, and the limits of the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imlgcn.labels.sparse import MANY_LABELS
from imlgcn.serve import knowledge, known

if TYPE_CHECKING:
    from imlgcn.serve.service import Service


def about(service: Service) -> dict[str, Any]:
    """Return the facts of a service, as JSON."""
    tagger, settings = service.tagger, service.settings
    info = tagger.info
    return {
        "name": tagger.path.resolve().name,
        "labels": len(info.labels),
        "backbone": info.backbone.name,
        "head": info.head.name,
        "image_size": info.image.size,
        "engine": tagger.engine.name,
        "metrics": {key: value for key, value in info.metrics.items() if _is_plain(value)},
        "versions": info.versions,
        "sha256": info.sha256,
        "known_by": known.way(tagger),
        "can": {
            "known": known.way(tagger) is not None,
            "known_here": known.way(tagger) == "counts" and len(info.labels) <= MANY_LABELS,
            "maps": tagger.engine.map_kind is not None,
            "support": not service.support.refusal,
            "suggest": not service.suggester.refusal,
            "graph": service.graph is not None,
            "thresholds": service.tradeoff is not None,
            "grow": settings.grow,
            "audit": settings.audit is not None,
        },
        "last_change": knowledge.last_change(tagger) if settings.grow else None,
        # why not, where the head scores by training images
        "no_support": service.support.refusal if service.support.by_images else "",
        "limits": {
            "bytes": settings.max_bytes,
            "pixels": settings.max_pixels,
            "images": settings.max_files,
            "queue": settings.queue,
            "seconds": settings.timeout,
        },
    }


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float) and value == value  # no NaN
