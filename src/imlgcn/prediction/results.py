"""The tags of many images, one after the other as they are asked for, and their counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from imlgcn.errors import InputError
from imlgcn.numbers import plural
from imlgcn.prediction.rows import Row
from imlgcn.tagger import Tag
from imlgcn.tagger.tags import Tags

if TYPE_CHECKING:
    from imlgcn.prediction.xmp import Sidecars

SHOWN_ERRORS = 5


class PredictSummary(NamedTuple):
    """The counts of one run."""

    images: int  # all of them, failed ones included
    failed: int
    tags: int  # labels at or above their threshold
    untagged: int  # images that were read and got no tag
    errors: tuple[str, ...]  # the first few, each with the name of its file
    sidecars: int = 0  # created or changed
    sidecars_failed: int = 0
    not_read: int = 0  # files of folders and patterns, of formats that are not read, such as .CR2
    took_over: int = 0  # sidecars that got the keywords inside their image, too


class ImageTags(Tags):
    """The tags of one image, most probable first.

    Attributes:
        image: its path, or ``image 3`` for the third of those without one.
        error: why it has no tags; None where it could be read.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        super().__init__(
            Tag(row.label, row.probability, row.threshold)
            for row in rows
            if row.probability is not None and row.threshold is not None
        )
        self.image, self.error = rows[0].image, rows[0].error

    def _repr_html_(self) -> str:
        """Return a bar for each tag beside the image, or the error."""
        if self.error is None:
            return super()._repr_html_()
        from imlgcn.notebook import card

        return card(self.image, f"not read: {self.error}")

    def __repr__(self) -> str:
        """Return the name, then the tags or the error."""
        return f"{self.image}: {self.error or list.__repr__(self)}"


class Predictions(Iterator[ImageTags]):
    """The tags of many images: an iterator that tags them as it is read.

    Its counts, ``images``, ``failed``, ``tags``, ``untagged``, ``errors`` and ``not_read``, are
    those of `summary`.
    """

    def __init__(self, rows: Generator[list[Row]], skipped: Counter[str] | None = None) -> None:
        self._rows, self._total = rows, Total(None, skipped)

    def __iter__(self) -> Predictions:
        """Return itself."""
        return self

    def __repr__(self) -> str:
        """Return how to read it."""
        done = plural(self._total.summary().images, "image")
        return f"<tags of many images, {done} so far: loop over it, or ask for its .summary()>"

    def __next__(self) -> ImageTags:
        """Return the tags of the next image."""
        found = next(self._rows)
        self._total.add(found)
        return ImageTags(found)

    def summary(self) -> PredictSummary:
        """Tag the images that are left and return the counts of all."""
        for _ in self:
            pass
        return self._total.summary()

    def __getattr__(self, name: str) -> Any:
        """Return a count by its name."""
        if name.startswith("_") or name not in PredictSummary._fields:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self.summary(), name)

    def close(self) -> None:
        """End the work that is going on ahead."""
        self._rows.close()


class Total:
    """Counts images and tags, and writes the sidecars where they are wanted.

    ``skipped`` is counted elsewhere: files of formats that are not read.
    """

    def __init__(self, sidecars: Sidecars | None, skipped: Counter[str] | None = None) -> None:
        self._sidecars, self._skipped = sidecars, skipped
        self._images = self._failed = self._tags = self._untagged = 0
        self._written = self._not_written = self._took_over = 0
        self._errors: list[str] = []

    def add(self, rows: Sequence[Row]) -> None:
        """Count one image."""
        self._images += 1
        found = sum(row.is_tag for row in rows)
        self._tags += found
        if rows[0].error is not None:
            self._failed += 1
            self._note(f"{rows[0].image}: {rows[0].error}")
            return
        self._untagged += not found
        if self._sidecars is not None:
            try:
                written = self._sidecars.write(rows)
                self._written += written.changed
                self._took_over += written.took_over
            except (InputError, OSError) as error:
                self._not_written += 1
                self._note(str(error))

    def _note(self, error: str) -> None:
        if len(self._errors) < SHOWN_ERRORS:
            self._errors.append(error)

    def summary(self) -> PredictSummary:
        """Return the counts."""
        return PredictSummary(
            self._images,
            self._failed,
            self._tags,
            self._untagged,
            tuple(self._errors),
            self._written,
            self._not_written,
            self._skipped.total() if self._skipped else 0,
            self._took_over,
        )
