"""Which images of a folder to label next, and which are like one image."""

from imlgcn.suggestion.similar import SimilarImage, SimilarImages, similar
from imlgcn.suggestion.suggest import Suggestion, Suggestions, suggest

__all__ = [
    "SimilarImage",
    "SimilarImages",
    "Suggestion",
    "Suggestions",
    "similar",
    "suggest",
]
