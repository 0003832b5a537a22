"""Predict many images: rows to a file or a stream, sidecars, pre-annotations, and a summary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

from imlgcn.config import InputError
from imlgcn.files import sha256_file
from imlgcn.prediction.journal import Journal, fingerprint, open_journal
from imlgcn.prediction.known import KnownTable
from imlgcn.prediction.label_studio import check_tasks_file, open_tasks
from imlgcn.prediction.rows import Row, Write, check_output, columns_for, jsonl_writer, open_rows
from imlgcn.prediction.stream import Item, RowMaker, stream_rows
from imlgcn.prediction.xmp import write_sidecar
from imlgcn.progress import SILENT, Progress

if TYPE_CHECKING:
    from imlgcn.tagger import Tagger

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


def predict(
    tagger: Tagger,
    paths: Sequence[str | Path],
    *,
    out: str | Path | TextIO | None = None,
    threshold: str | None = None,
    known: Mapping[str, int] | None = None,
    known_from: str | Path | None = None,
    all_labels: bool = False,
    resume: bool = False,
    xmp: bool = False,
    label_studio: str | Path | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> PredictSummary:
    """Write the rows of the images ``paths`` to ``out`` and return their counts.

    The other arguments are as in `predict_rows`.

    Args:
        known_from: a table of known labels of each image (`imlgcn.prediction.known`); what it says
            of an image goes before ``known``, which is of all.
        out: a file ending in ``.jsonl``, ``.csv`` or ``.parquet``, which appears when it is
            complete, or an open text stream, which gets JSON lines.
        resume: take the images that an interrupted run left in ``out`` + ``.partial`` from there;
            the finished file is the one that run would have written.
        xmp: also add the tags to the XMP sidecars of the images (`imlgcn.prediction.xmp`).
        label_studio: a ``.json`` to write pre-annotations to (`imlgcn.prediction.label_studio`).

    Raises:
        InputError: an option that the tagger or the files do not allow, or another run is writing
            the same file; before any work is done.
    """
    file = Path(out) if isinstance(out, str | Path) else None
    _check_files(file, label_studio, resume)
    table = None if known_from is None else KnownTable(Path(known_from), tagger, paths)
    if table is not None:
        progress.say(table.sentence())
    maker = RowMaker(
        tagger, threshold=threshold, known=known, known_from=table, all_labels=all_labels
    )
    total = Total(xmp)
    journal: Journal | None = None
    with ExitStack() as stack:
        columns = columns_for(tagger.label_table, all_labels=all_labels)
        writers = _open_writers(stack, tagger, out, label_studio, columns)
        if file is not None:
            told = _told(tagger, known, known_from)
            made_by = fingerprint(tagger, maker.thresholds.tolist(), known, all_labels, *told)
            journal = stack.enter_context(
                open_journal(file, made_by, resume=resume, progress=progress)
            )
        items: Iterator[Item] = ((p, journal.find(str(p)) if journal else None) for p in paths)
        rows = stream_rows(tagger, maker, items, batch_size=batch_size, workers=workers)
        advance = stack.enter_context(progress.bar("Tagging", len(paths)))
        for found in stack.enter_context(closing(rows)):
            if journal is not None:
                journal.add(found)
            for write in writers:
                write(found)
            total.add(found)
            advance(1)
    if journal is not None:  # the output has its name now
        journal.path.unlink()
    return total.summary()


def predict_rows(
    tagger: Tagger,
    paths: Iterable[str | Path],
    *,
    threshold: str | None = None,
    known: Mapping[str, int] | None = None,
    all_labels: bool = False,
    batch_size: int | None = None,
    workers: int | None = None,
) -> Iterator[Row]:
    """Yield the rows of each image, most probable label first, in the order of ``paths``.

    Only tags, or every label that is shown with ``all_labels``; an image without any yields one row
    with an empty label, one that cannot be read a row with ``error``. ``batch_size`` images at a
    time are decoded and scored by each of ``workers`` threads; by default as many as suit the
    engine and the machine.

    Raises:
        InputError: the tagger does not support the threshold or the known labels.
    """
    maker = RowMaker(tagger, threshold=threshold, known=known, all_labels=all_labels)
    items: Iterator[Item] = ((path, None) for path in paths)
    return chain.from_iterable(
        stream_rows(tagger, maker, items, batch_size=batch_size, workers=workers)
    )


def _told(
    tagger: Tagger, known: Mapping[str, int] | None, known_from: str | Path | None
) -> list[object]:
    """Return what decides the rows beside ``known``, where anything is known."""
    if not known and known_from is None:
        return []
    settings = tagger.info.known and tagger.info.known.model_dump(mode="json")
    return [settings, known_from and sha256_file(Path(known_from))]


def _check_files(out: Path | None, tasks: str | Path | None, resume: bool) -> None:
    if out is not None:
        check_output(out)
    elif resume:
        raise InputError("resume= continues a file; say which with out=")
    if tasks is not None:
        check_tasks_file(Path(tasks))


def _open_writers(
    stack: ExitStack,
    tagger: Tagger,
    out: str | Path | TextIO | None,
    tasks: str | Path | None,
    columns: Sequence[str],
) -> list[Write]:
    writers: list[Write] = []
    try:
        if isinstance(out, str | Path):
            writers.append(stack.enter_context(open_rows(Path(out), columns)))
        elif out is not None:
            writers.append(jsonl_writer(out, columns))
        if tasks is not None:
            model = "imlgcn " + next(iter(tagger.info.sha256.values()), "")[:8]
            writers.append(stack.enter_context(open_tasks(Path(tasks), model.strip())))
    except BlockingIOError as error:
        raise InputError(
            f"{error.filename}: {error.strerror}; wait until it is done, or give another name"
        ) from None
    return writers


class Total:
    """Counts images and tags, and writes the sidecars where they are wanted."""

    def __init__(self, xmp: bool) -> None:
        self._xmp = xmp
        self._images = self._failed = self._tags = self._untagged = 0
        self._written = self._not_written = 0
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
        if self._xmp:
            try:
                self._written += write_sidecar(rows)
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
        )
