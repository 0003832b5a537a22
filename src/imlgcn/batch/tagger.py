"""The tagger of batches: one object that every engine for data in bulk can carry and call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imlgcn.batch.columns import cells, in_form_of, schema_of, table_of
from imlgcn.errors import InputError
from imlgcn.prediction.rows import Row, columns_for
from imlgcn.prediction.stream import Item, RowMaker, stream_rows
from imlgcn.tagger.choice import TagBounds
from imlgcn.tagger.given import given_tagger

if TYPE_CHECKING:
    import pyarrow as pa

    from imlgcn.labels.label_table import LabelTable
    from imlgcn.tagger import Tagger
    from imlgcn.tagger.thresholds import Threshold


class BatchTagger:
    """Tags batches of images: columns in, columns out, the rows that `predict` writes to a file.

    Called with a batch (a dict of columns, a pandas DataFrame, a pyarrow Table or RecordBatch), it
    returns the tags in the same form: of a dict, a dict of lists; of a DataFrame, one with its
    index, repeated for the rows of each image. A cell that cannot be used, whatever it holds, never
    fails the batch: it has its reason in the column ``error``.

    An engine may pickle it or make it anew on each worker: the copy finds the tagger at the same
    path, and opens the network once for each process. It uses ``threads`` threads, one by default,
    so that an engine can run one on every core; torch is loaded only where the tagger has no
    exported file.

    >>> tag = BatchTagger("runs/demo")  # doctest: +SKIP
    >>> tag({"image": ["photos/a.jpg", "photos/b.jpg"]})  # doctest: +SKIP
    {'image': ['photos/a.jpg', 'photos/a.jpg', 'photos/b.jpg'], 'label': ['plant', ...], ...}

    Args:
        tagger: the path of a tagger folder or of an exported file, the same on every worker.
        image: the column of images: paths, contents of files (``bytes``), arrays, or structs with
            ``bytes`` and ``path`` as in Parquet. An address is refused: let the engine read it.
        name: the column of what images are called in the tags; None: images are called by their
            paths. One that has neither a name nor a path has an error.
        per_image: one row for each image, in order, with lists in the columns ``labels``,
            ``probabilities`` and ``thresholds`` (and ``names``, ``tags``), for engines that want as
            many rows back; else one row for each image and tag with ``label``, ``probability``,
            ``threshold``, where an image without tags has one with an empty label.
        threads: that decode and score here, 1 or more.
        threshold, top_k, at_least, at_most, known, known_by, all_labels, label_table, engine: as
            for `predict`.
        device: as for `predict`; a GPU has to be given to the worker by the engine.

    Raises:
        InputError: what `Tagger.load` and `predict` refuse, or fewer than one thread.
    """

    def __init__(
        self,
        tagger: Tagger | str | Path,
        *,
        image: str = "image",
        name: str | None = None,
        per_image: bool = False,
        threads: int = 1,
        threshold: Threshold | None = None,
        top_k: int | None = None,
        at_least: int | None = None,
        at_most: int | None = None,
        known: Mapping[str, int] | None = None,
        known_by: str | None = None,
        all_labels: bool = False,
        label_table: LabelTable | str | Path | None = None,
        engine: str | None = None,
        device: str = "auto",
    ) -> None:
        if threads < 1:
            raise InputError(f"the threads of a BatchTagger must be at least 1; got {threads}")
        self.tagger = given_tagger(
            tagger, engine=engine, device=device, label_table=label_table, known_by=known_by
        )
        self.image, self.name, self.per_image, self.threads = image, name, per_image, threads
        self.all_labels, self.known = all_labels, dict(known or {})
        self.bounds = TagBounds(top_k=top_k, at_least=at_least, at_most=at_most)
        self._threshold = threshold
        _ = self.maker  # what the tagger does not allow is said here, not on a worker

    def __getstate__(self) -> dict[str, Any]:
        """Return what to pickle: the tagger by its path, without a network and locks."""
        return {name: value for name, value in vars(self).items() if name != "maker"}

    @cached_property
    def maker(self) -> RowMaker:
        """What makes the rows of each image."""
        return RowMaker(
            self.tagger,
            threshold=self._threshold,
            bounds=self.bounds,
            known=self.known,
            all_labels=self.all_labels,
            tolerant=True,
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of rows as `predict` writes them."""
        return columns_for(
            self.tagger.label_table, all_labels=self.all_labels, are_bounded=self.bounds.are_set
        )

    @property
    def schema(self) -> pa.Schema:
        """The pyarrow schema of what a batch becomes, for engines that want it beforehand."""
        return schema_of(self.columns, per_image=self.per_image)

    def __call__(self, batch: Any) -> Any:
        """Return the tags of a batch, in its form.

        Raises:
            InputError: it is not a batch, lacks a column, has columns of unequal length, or
                ``name`` is None and none of its images has a path.
        """
        found = cells(batch, self.image, self.name)
        items: Iterator[Item] = (
            (cell.name, cell.name, [Row(cell.name, error=cell.error)])
            if cell.image is None
            else (cell.name, cell.image, None)
            for cell in found
        )
        images = list(self.rows(items))
        counts = [1 if self.per_image else len(rows) for rows in images]
        table = table_of(images, self.columns, per_image=self.per_image)
        return in_form_of(batch, table, counts)

    def rows(self, items: Iterable[Item]) -> Iterator[list[Row]]:
        """Yield the rows of each image, in order.

        Each item is a name, an image, and None or the rows of an image that is not to be read.
        """
        with self._few_threads():
            yield from stream_rows(self.tagger, self.maker, items, workers=self.threads)

    def _few_threads(self) -> AbstractContextManager[None]:
        """Bound the threads of torch, which would take all cores; the other engines take none."""
        if self.tagger.engine.name != "torch":
            return nullcontext()
        from imlgcn.engines.torch import torch_threads

        return torch_threads(self.threads)
