"""Which images of a folder to label next, and which are like one image."""

from imlgcn.suggestion.choice import Suggestion, Suggestions, suggest
from imlgcn.suggestion.likeness import SimilarImage, SimilarImages, similar

__all__ = [
    "SimilarImage",
    "SimilarImages",
    "Suggestion",
    "Suggestions",
    "similar",
    "suggest",
]
