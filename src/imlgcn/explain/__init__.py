"""Why a label: where in the image its score comes from, and which labels shaped it."""

from imlgcn.explain.overlay import heat, overlay, overlay_png, strength

__all__ = ["heat", "overlay", "overlay_png", "strength"]
