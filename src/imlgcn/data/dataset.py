"""A data set: label names, records and three-valued targets, from any format a reader knows.

Letters used in shapes: N images, L labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imlgcn.arguments import also_called
from imlgcn.data.formats import (
    FORMATS,
    ReadOptions,
    Record,
    Source,
    read_source,
    split_name,
)
from imlgcn.data.formats.ignored_options import applying, options_of
from imlgcn.data.formats.image_files import other_suffixes
from imlgcn.data.formats.label_columns import ABOVE
from imlgcn.data.meant_labels import in_one_form, without_labels, without_scores
from imlgcn.data.objects import read_object
from imlgcn.data.record_groups import group_records
from imlgcn.errors import InputError, unknown_name
from imlgcn.labels.on_demand import DenseOnDemand, stored
from imlgcn.labels.targets import TargetArray, Targets
from imlgcn.numbers import plural
from imlgcn.progress import SILENT, Progress

__all__ = ["Dataset", "Record", "Source", "load_dataset"]

PRESENT, ABSENT, UNKNOWN = 1, 0, -1
SPLITS = ("train", "val", "test")
MINUS_ONE = ("absent", "unknown")
MOST_DENSE = 2**30  # entries of targets, a byte each, up to which they are kept as a matrix


@dataclass(frozen=True, eq=False)
class Dataset:
    """Label names, records, and targets int8 (N, L): 1 present, 0 absent, -1 unknown.

    Targets of more than 1,000 million entries are kept as those that differ from the rest of their
    image (:attr:`stored_targets`): ``targets`` makes the matrix anew at each access, as long as it
    takes at most 16 GiB.
    """

    names: tuple[str, ...]
    records: tuple[Record, ...]
    targets: DenseOnDemand[NDArray[np.int8], TargetArray] = DenseOnDemand()  # noqa: RUF009  # (N, L)
    reader: str  # type: ignore[misc]  # targets have no default
    reason: str  # type: ignore[misc]
    published: str = ""  # a key of imlgcn.data.known_counts.COUNTS, for a well-known data set
    parents: tuple[tuple[str, str], ...] = ()  # (child, parent), where the data has levels

    @classmethod
    def from_source(cls, source: Source) -> Dataset:
        """Build the targets of what a reader returned."""
        source = in_one_form(source)
        names, records = tuple(source.labels), tuple(source.records)
        targets = _targets(names, records)
        parents = tuple(source.parents)
        return cls(names, records, targets, source.reader, source.reason, source.published, parents)

    def __len__(self) -> int:
        return len(self.records)

    @property
    def stored_targets(self) -> TargetArray:
        """The targets as they are kept: a matrix (N, L), or sparse where that would be large.

        Rows of either, ``stored_targets[rows]``, are dense.
        """
        kept: TargetArray = stored(self, "targets")
        return kept

    @property
    def paths(self) -> list[Path]:
        """The image files, one per record."""
        return [record.path for record in self.records]

    @property
    def files(self) -> dict[str, Path]:
        """The image files by the names of their records."""
        return {record.name: record.path for record in self.records}

    @property
    def splits(self) -> dict[str, int]:
        """Number of images of each split; empty if the data has no splits."""
        counts = Counter(record.split for record in self.records)
        return {name: counts[name] for name in SPLITS if counts[name]}

    def split(self, name: str) -> Dataset:
        """Return the records of one split."""
        wanted = split_name(name)
        if wanted not in self.splits:
            existing = ", ".join(self.splits) or "no splits; make them with 'imlgcn split'"
            raise InputError(f"the data has no split {wanted!r}; it has {existing}")
        return self.select(i for i, record in enumerate(self.records) if record.split == wanted)

    def select(self, indices: Iterable[int]) -> Dataset:
        """Return the records at ``indices``, in that order."""
        chosen = np.fromiter(indices, dtype=np.int64)
        records = tuple(self.records[index] for index in chosen)
        kept = self.stored_targets
        targets = kept.select(chosen) if isinstance(kept, Targets) else kept[chosen]
        return replace(self, records=records, targets=targets)

    def with_splits(self, splits: Sequence[str | None]) -> Dataset:
        """Return the same data with the given split for each record."""
        checked = [None if name is None else split_name(name) for name in splits]
        records = tuple(
            replace(record, split=split)
            for record, split in zip(self.records, checked, strict=True)
        )
        return replace(self, records=records, targets=self.stored_targets)

    def reordered(self, names: Sequence[str]) -> Dataset:
        """Return the data with the labels ``names``, matched by name.

        A label of ``names`` that the data lacks is unknown in every image, not absent.

        Raises:
            InputError: a label of the data is not in ``names``.
        """
        if extra := sorted(set(self.names) - set(names)):
            raise InputError(
                f"the data has {plural(len(extra), 'label')} not among those expected: "
                f"{', '.join(extra[:5])}{', ...' if len(extra) > 5 else ''}"
            )
        targets = np.full((len(self), len(names)), UNKNOWN, dtype=np.int8)
        column = {name: index for index, name in enumerate(self.names)}
        for index, name in enumerate(names):
            if name in column:
                targets[:, index] = self.targets[:, column[name]]
        return replace(self, names=tuple(names), targets=targets)


@also_called(label_column="label_columns")
def load_dataset(
    data: Any,
    *,
    reader: str | None = None,
    variant: str | None = None,
    delimiter: str | None = None,
    images: str | Path | Sequence[str | Path] | None = None,
    fields: Sequence[str] = (),
    image_column: str | None = None,
    label_columns: str | Sequence[str] = (),
    split_column: str | None = None,
    group_column: str | None = None,
    sheet: str | None = None,
    label_names: str | Path | Sequence[str] | None = None,
    minus_one: str | None = None,
    present_above: float | None = None,
    no_label: str | Sequence[str] = (),
    progress: Progress = SILENT,
) -> Dataset:
    """Read a CSV, a COCO instances JSON, a folder, a zip of any of these, or ``openclipart``.

    Folders may have the layout of VOC, COCO, NUS-WIDE, VG-500, Open Images or Roboflow; all formats
    are in :data:`imlgcn.data.formats.FORMATS`.

    Args:
        data: the file, the folder, or the name ``openclipart``; or what Python holds: a DataFrame,
            a list of (image, labels) pairs, of dictionaries or of Records, a dictionary, a data set
            with ``len()`` and ``data[0] = (image, labels)`` (:mod:`imlgcn.data.objects`). A
            :class:`Dataset` is returned as it is.
        reader: the name of a format, when the data is not what it looks like.
        variant: words that choose among published treatments of a data set, such as ``labelled`` or
            ``difficult-absent,keep-val``; the module of the format lists its own.
        delimiter: what separates the labels of an image, a sign, a sequence or a word such as
            ``space``; found out when not given.
        images: the folders that hold the images, searched below as well; looked for in the usual
            places when not given.
        fields: columns of a table that are not labels, where that is not plain.
        image_column: the column that names the images; known by its usual names when not given,
            and so are the next four.
        label_columns: the column of labels, or one of 1 and 0 for each label.
        split_column: the column of train, val and test.
        group_column: the column whose equal values stay in one split; the column ``group``, if the
            data has one, when not given.
        sheet: the sheet of an Excel file.
        label_names: names of labels that the data only number, in the order of their numbers: a
            sequence, or a file with one name a line.
        minus_one: what -1 means, ``absent`` or ``unknown``; unknown in data that has 0 as well
            when not given.
        present_above: a count or a share above this number means present; without it only 1 does.
            So does a score at the end of a name (``sea 0.93``).
        no_label: names which say that an image has no label, such as ``none``.
        progress: told about the unpacking of an archive.

    The reader chosen, and why, are the data set's ``reader`` and ``reason``. Images are not opened.
    """
    options = ReadOptions(
        variant=variant,
        delimiter=delimiter,
        images=tuple(Path(folder).absolute() for folder in _several(images)),
        fields=_several(fields),
        image_column=image_column,
        label_columns=_several(label_columns),
        split_column=split_column,
        group_column=group_column,
        sheet=sheet,
        label_names=Path(label_names) if isinstance(label_names, str | Path) else label_names,
        minus_one=minus_one,
        present_above=present_above,
        progress=progress,
        inside=read_source,
    )
    if minus_one not in (None, *MINUS_ONE):
        raise unknown_name("meaning of -1", minus_one, MINUS_ONE)
    if isinstance(data, Dataset):
        plain = ReadOptions(progress=progress, inside=read_source)
        if reader is not None or no_label or options != plain:
            raise InputError("a Dataset is read already: leave out the arguments that say how")
        return data
    source = _read(data, options, reader)
    if note := other_suffixes(source.records):
        source = replace(source, reason=f"{source.reason}; {note}")
    if group_column is not None:
        source = replace(source, records=group_records(source.records, group_column))
    if present_above is not None and ABOVE not in source.reason:  # not for names of columns
        source = _above(source, present_above)
    source = without_labels(source, _several(no_label))
    return Dataset.from_source(source)


def _read(data: Any, options: ReadOptions, reader: str | None) -> Source:
    if isinstance(data, str | Path):
        return read_source(data, options, reader)
    given = {"reader": reader, "variant": options.variant, "sheet": options.sheet}
    for key, value in given.items():
        if value is not None:
            raise InputError(f"{key}= is for files; leave it out for data in Python")
    return read_object(data, options)


def _above(source: Source, present_above: float) -> Source:
    """Return the data without scores behind names; there must be some, or others to be judged."""
    found = without_scores(source, present_above)
    read = options_of(FORMATS[source.reader]) if source.reader in FORMATS else ("present_above",)
    if found is source and "present_above" not in read:
        raise InputError(
            "present_above= is for counts, shares and scores; the data has none, as it is read by "
            f"{source.reader}; {applying(read)}"
        )
    return found


def _several(given: str | Path | Sequence[Any] | None) -> tuple[Any, ...]:
    return (given,) if isinstance(given, str | Path) else tuple(given or ())


def _targets(names: tuple[str, ...], records: tuple[Record, ...]) -> TargetArray:
    if not names:
        raise InputError("the data has no labels at all; label the images")
    column = {name: index for index, name in enumerate(names)}
    if len(column) < len(names):
        raise InputError(
            f"a label is listed twice: {Counter(names).most_common(1)[0][0]!r}; list each once"
        )
    rows = (_row(record, column) for record in records)
    if len(records) * len(names) > MOST_DENSE:
        return Targets.from_rows(rows, len(names))
    targets = np.full((len(records), len(names)), ABSENT, dtype=np.int8)
    for target, (rest, given) in zip(targets, rows, strict=True):
        target[:] = rest
        target[list(given)] = list(given.values())
    return targets


def _row(record: Record, column: Mapping[str, int]) -> tuple[int, dict[int, int]]:
    """Return what most targets of an image are, and the others by the label's column."""
    given: dict[int, int] = {}
    values = ((record.absent or (), ABSENT), (record.unknown, UNKNOWN), (record.labels, PRESENT))
    for labels, value in values:
        for label in labels:
            if label not in column:
                raise InputError(
                    f"{record.name}: its label {label!r} is not a label of the data set"
                )
            given[column[label]] = value
    return (ABSENT if record.absent is None else UNKNOWN), given
