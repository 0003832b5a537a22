"""The rows of ``predictions.parquet``: written and read a row group at a time.

Shapes: N images, L labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imlgcn.parquet_files import ROW_GROUP, prove_row_groups, read_row_groups

if TYPE_CHECKING:
    from pyarrow import Table

    from imlgcn.tagger.scores import ScoredSplit

NUMBERS: dict[str, Any] = {
    "target": np.int8,
    "logit": np.float32,
    "probability": np.float64,
    "control": np.float32,
}


def row_groups(
    names: Sequence[str], splits: Sequence[ScoredSplit], columns: Sequence[str] | None
) -> Iterator[Table]:
    """Yield the rows of all splits, :data:`ROW_GROUP` at a time; images may be cut in two."""
    import pyarrow as pa

    counts = [len(part.images) * len(names) for part in splits]
    firsts = np.cumsum([0, *counts]).tolist()
    for start in range(0, max(firsts[-1], 1), ROW_GROUP):
        parts = [
            _rows(
                names, part, max(start - first, 0), min(start + ROW_GROUP - first, count), columns
            )
            for part, first, count in zip(splits, firsts, counts, strict=False)
            if first < start + ROW_GROUP and start <= first + count
        ]
        yield pa.concat_tables(parts).unify_dictionaries()


def _rows(
    names: Sequence[str], part: ScoredSplit, start: int, stop: int, columns: Sequence[str] | None
) -> Table:
    """Return rows ``start`` to ``stop`` of a split, with the columns asked for (None: all)."""
    L = len(names)
    images = slice(start // L, max(-(-stop // L), start // L))
    table = scores_table(names, part, images, columns)
    return table.slice(start - images.start * L, stop - start)


def scores_table(
    names: Sequence[str],
    part: ScoredSplit,
    images: slice = slice(None),
    columns: Sequence[str] | None = None,
) -> Table:
    """Return some images of a split as rows, one for each image and label.

    Args:
        names: the L labels.
        part: the split.
        images: which; all by default.
        columns: which; None: all.
    """
    import pyarrow as pa

    L, shown = len(names), part.images[images]

    def index(places: NDArray[np.int32], values: Sequence[str]) -> Any:
        return pa.DictionaryArray.from_arrays(places, pa.array(values, pa.string()))

    made: dict[str, Callable[[], Any]] = {
        "image": lambda: index(np.repeat(np.arange(len(shown), dtype=np.int32), L), shown),
        "split": lambda: pa.repeat(pa.scalar(part.split, pa.string()), len(shown) * L),
        "label": lambda: index(np.tile(np.arange(L, dtype=np.int32), len(shown)), names),
        "target": lambda: part.targets[images].astype(np.int8).ravel(),
        "logit": lambda: part.logits[images].astype(np.float32).ravel(),
        "probability": lambda: part.probabilities[images].astype(np.float32).ravel(),
        "fold": lambda: np.repeat(_folds(part)[images], L),
    }
    if part.control is not None:
        control = part.control
        made["control"] = lambda: control[images].astype(np.float32).ravel()
    return pa.table({name: make() for name, make in made.items() if name in (columns or made)})


def _folds(part: ScoredSplit) -> NDArray[np.int8]:
    if part.folds is None:
        return np.full(len(part.images), -1, np.int8)
    return part.folds.astype(np.int8)


class Rows:
    """The rows of one split as matrices ``(N, L)``, filled from tables.

    Attributes:
        labels: L names, in the order of the rows.
        images: N names, those of tables that were added.
        folds: N numbers; none where there is no such column.
        columns: name -> numbers ``(N * L,)``.
    """

    def __init__(self, labels: Sequence[str], rows: int, columns: Sequence[str]) -> None:
        self.labels, self._filled = tuple(labels), 0
        self.images, self.folds = list[str](), list[int]()
        self.columns = {
            name: np.empty(rows, kind) for name, kind in NUMBERS.items() if name in columns
        }

    def add(self, table: Table) -> None:
        """Fill in the rows that come next."""
        part = slice(self._filled, self._filled + len(table))
        firsts = np.arange(-self._filled % len(self.labels), len(table), len(self.labels))
        self.images += table["image"].take(firsts).to_pylist()
        if "fold" in table.column_names:
            self.folds += table["fold"].take(firsts).to_pylist()
        for name, values in self.columns.items():
            values[part] = table[name].to_numpy()
        self._filled = part.stop


def read_rows(path: Path) -> dict[str, Rows]:
    """Return the rows of each split of a file that is proven first, in the order of the file.

    Raises:
        ValueError, KeyError, OSError, pyarrow.ArrowException: it is damaged.
    """
    import pyarrow.compute as pc

    columns = prove_row_groups(path).names
    labels: dict[str, dict[str, None]] = {}
    counts: dict[str, int] = {}
    for table in read_row_groups(path, ["split", "label"]):
        for split in table["split"].unique().to_pylist():
            own = table["label"].filter(pc.equal(table["split"], split))
            labels.setdefault(split, {}).update(dict.fromkeys(own.unique().to_pylist()))
            counts[split] = counts.get(split, 0) + len(own)
    found = {split: Rows(tuple(labels[split]), counts[split], columns) for split in labels}
    for table in read_row_groups(path):
        for split in table["split"].unique().to_pylist():
            found[split].add(table.filter(pc.equal(table["split"], split)))
    return found
