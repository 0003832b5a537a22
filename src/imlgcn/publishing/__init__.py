"""Taggers to and from the hub of Hugging Face, when that is asked for by name."""

from imlgcn.publishing.copying import pull

__all__ = ["pull"]
