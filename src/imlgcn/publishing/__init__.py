"""Taggers to and from the hub of Hugging Face, when that is asked for by name."""

from imlgcn.publishing.copying import pull
from imlgcn.publishing.sending import Pushed, push

__all__ = ["Pushed", "pull", "push"]
