"""imlgcn: multi-label image recognition."""
