"""What the guard sees of a data set's label names, and what a question to them is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from imlgcn.data.problems import Problem


@dataclass(frozen=True)
class Names:
    """Label names with the number of images of each.

    Attributes:
        names: of the labels.
        counts: images in which each is present.
        images: images with any label.
        single: fraction of these that have one label only.
        columns: whether each label was a column of the data.
        folders: whether each label was a folder.
    """

    names: Sequence[str]
    counts: Sequence[int]
    images: int
    single: float
    columns: bool = False
    folders: bool = False

    @property
    def shown(self) -> list[str]:
        """The names of labels that some image shows, or all if none does."""
        return [n for n, count in zip(self.names, self.counts, strict=True) if count] or [
            *self.names
        ]


Question = Callable[[Names], Iterator[Problem]]
