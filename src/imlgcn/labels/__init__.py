"""Prior knowledge about the labels: counts, graph, embeddings. No torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imlgcn.labels.context import LabelContext

# where each name lives; imported on first use, so that who needs one does not load them all
_HOMES = {
    "LabelContext": ".context",
}

__all__ = ["LabelContext"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'imlgcn.labels' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], "imlgcn.labels"), name)
