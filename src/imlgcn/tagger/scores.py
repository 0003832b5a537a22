"""The scores a tagger was evaluated on, as one Parquet file: one row per image and label.

Columns: ``image, split, label, target, logit, probability, fold``, and ``control``, the logit of
the control, where one was trained. Targets are 1, 0 or -1 (unknown), probabilities are calibrated.
``fold`` is -1 where the tagger itself scored the image. Elsewhere the score is *out-of-fold*: the
tagger has learnt the image, and a head that was fitted without its fold, or its group, scored it.
Files of earlier versions have no such column: the tagger scored all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imlgcn.errors import InputError
from imlgcn.parquet_files import write_row_groups
from imlgcn.tagger.scores_rows import Rows, read_rows, row_groups
from imlgcn.tagger.scores_sample import OUT_OF_FOLD, count_rows, sampled_table

MOST_ENTRIES = 2**24  # scores that a sample has: 1,677 images of 10,000 labels


@dataclass(frozen=True, eq=False)
class ScoredSplit:
    """Scores of one split: N images by L labels."""

    split: str
    images: tuple[str, ...]
    logits: NDArray[np.float32]  # (N, L)
    probabilities: NDArray[np.float64]  # (N, L)
    targets: NDArray[np.int8]  # (N, L)
    control: NDArray[np.float32] | None = None  # logits of the control (N, L)
    folds: NDArray[np.integer] | None = None  # (N,), where the scores are out-of-fold


def write_predictions(path: Path, names: Sequence[str], splits: Sequence[ScoredSplit]) -> None:
    """Write all splits to ``path`` in one step, some million rows at a time."""
    write_row_groups(path, lambda columns: row_groups(names, splits, columns))


class Scores:
    """The scores in one file, read once and kept; columns in the order of ``names``.

    Args:
        path: the file.
        names: the L labels wanted.
    """

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path = path
        self.names = tuple(names)

    def split(self, name: str) -> ScoredSplit:
        """Return the scores of the split ``name``.

        Raises:
            InputError: there is no such file, or it is damaged or has no such split.
        """
        if name not in self._splits:
            raise InputError(f"{self.path} holds no scores of the split {name!r}")
        return self._splits[name]

    def splits(self) -> list[ScoredSplit]:
        """Return the scores of every split, in the order of the file; empty without a file."""
        if not self.path.is_file():
            return []
        return [part for name, part in self._splits.items() if name != OUT_OF_FOLD]

    def fitted(self) -> ScoredSplit:
        """Return the scores that calibration is fitted on: out-of-fold, or those of validation.

        Raises:
            InputError: as :meth:`split`.
        """
        return self.split(OUT_OF_FOLD if OUT_OF_FOLD in self._splits else "val")

    def sample(self, name: str | None, most: int | None) -> ScoredSplit:
        """Return the scores of a split, or of evenly spread images of it if there are very many.

        So a file larger than memory can be drawn. What is left out is not read, and not proven.

        Args:
            name: as for :meth:`split`; None: those that calibration was fitted on.
            most: about how many scores to read; None: all.

        Raises:
            InputError: as :meth:`split`.
        """
        if most is not None and count_rows(self.path) > most:
            return self._sampled(name, most)
        return self.fitted() if name is None else self.split(name)

    def _sampled(self, name: str | None, most: int) -> ScoredSplit:
        import pyarrow as pa

        try:
            split, table = sampled_table(self.path, name, most)
            if table is None:
                raise InputError(f"{self.path} holds no scores of the split {split!r}")
            rows = Rows(table["label"].unique().to_pylist(), len(table), table.column_names)
            rows.add(table)
            return _scored(split, rows, self.names)
        except _Missing as error:
            raise InputError(f"{self.path} holds no scores of the labels {error}") from None
        except (pa.ArrowException, ValueError, KeyError, OSError) as error:
            raise InputError(f"{self.path} is damaged ({error}); train again") from None

    @cached_property
    def _splits(self) -> dict[str, ScoredSplit]:
        import pyarrow as pa

        if not self.path.is_file():
            raise InputError(f"{self.path} is missing; `imlgcn train` writes it with the tagger")
        try:
            parts = read_rows(self.path)
            found = {name: _scored(name, rows, self.names) for name, rows in parts.items()}
            held = [part for part in found.values() if part.folds is not None]
            return found | ({OUT_OF_FOLD: _joined(held)} if held else {})
        except _Missing as error:
            raise InputError(f"{self.path} holds no scores of the labels {error}") from None
        except (pa.ArrowException, ValueError, KeyError, OSError) as error:
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"{self.path} is damaged ({first}); train again") from None


class _Missing(Exception):  # noqa: N818  # holds the names of labels
    pass


def _scored(split: str, rows: Rows, names: Sequence[str]) -> ScoredSplit:
    """Return the rows of one split as arrays."""
    if missing := sorted(set(names) - set(rows.labels), key=list(names).index):
        raise _Missing(", ".join(missing))
    place = {name: index for index, name in enumerate(rows.labels)}
    order: list[int] | slice = [place[name] for name in names]
    if order == list(range(len(rows.labels))):
        order = slice(None)
    matrices = {name: column.reshape(-1, len(place)) for name, column in rows.columns.items()}
    folds = np.array(rows.folds, np.int8)
    return ScoredSplit(
        split=split,
        images=tuple(rows.images),
        logits=matrices["logit"][:, order],
        probabilities=matrices["probability"][:, order],
        targets=matrices["target"][:, order],
        control=matrices["control"][:, order] if "control" in matrices else None,
        folds=folds if len(folds) and (folds >= 0).all() else None,
    )


def _joined(parts: Sequence[ScoredSplit]) -> ScoredSplit:
    """Return the out-of-fold scores of several splits as one."""
    if len(parts) == 1:
        return replace(parts[0], split=OUT_OF_FOLD)
    controls = [part.control for part in parts if part.control is not None]
    return ScoredSplit(
        OUT_OF_FOLD,
        tuple(image for part in parts for image in part.images),
        np.concatenate([part.logits for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate([part.targets for part in parts]),
        np.concatenate(controls) if len(controls) == len(parts) else None,
        np.concatenate([part.folds for part in parts if part.folds is not None]),
    )
