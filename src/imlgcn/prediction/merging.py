"""The files of all shards become the one file that one machine would have written.

Byte for byte, where the images, settings and machines are the same and the engine's scores do not
depend on the batch (those of torch do, by some 1e-5): each image once, in the order of the list
that every shard was picked from. Nothing is written unless that is proven (`shard_record`).
Memory grows with the number of shards, not with that of images.
"""

from __future__ import annotations

import glob
import heapq
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from pathlib import Path

from imlgcn.errors import InputError
from imlgcn.numbers import number
from imlgcn.prediction.journal import SUFFIX as PARTIAL
from imlgcn.prediction.outputs import Outputs, one_writer
from imlgcn.prediction.results import PredictSummary, Total
from imlgcn.prediction.rows import Row, open_rows
from imlgcn.prediction.shard_record import (
    ANEW,
    SUFFIX,
    ShardRecord,
    check_whole,
    places_of,
    read_record,
)
from imlgcn.prediction.shards import NAMED, Shard
from imlgcn.prediction.written_rows import rows_of
from imlgcn.progress import SILENT, Progress

Records = Mapping[Path, ShardRecord]
SHOWN = 5  # missing shards that are named


def merge_predictions(
    shards: str | Path | Iterable[str | Path],
    out: str | Path,
    *,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> PredictSummary:
    """Write the rows of all shards of `predict` to one file, in the order of the images.

    Args:
        shards: the files of all shards, or a pattern such as ``"tags.*-of-8.csv"``, in any order.
            Each needs its ``.shard`` beside it.
        out: a file ending in ``.jsonl``, ``.csv`` or ``.parquet``, which appears when it is
            complete; the shards may have another format, and stay.
        overwrite: replace a file that is there already.
        progress: receives bars and messages.

    Returns:
        The counts of all shards together.

    Raises:
        InputError: a shard is missing, unfinished, damaged, given twice, or made of other images
            or with another tagger, engine or settings than the others; or ``out`` cannot be
            written, is there already, or is one of the shards.
    """
    files = _files([shards] if isinstance(shards, str | Path) else shards)
    records = {file: read_record(file) for file in files}
    _check_complete(records)
    _check_alike(records)
    maker = next(iter(records.values())).maker
    target = Path(out)
    outputs = Outputs.of(target, None, None, resume=False, overwrite=overwrite, bare=maker.bare)
    outputs.check()
    if os.path.abspath(target) in {os.path.abspath(file) for file in files}:
        raise InputError(f"{target} is one of the shards; give another out=")
    with progress.bar("Checking", len(records), "shards") as advance:
        for file, record in records.items():
            check_whole(file, record)
            advance(1)
    total = Total(None)
    with (
        one_writer(),
        open_rows(target, maker.columns, bare=maker.bare) as write,
        progress.bar("Merging", next(iter(records.values())).listed) as advance,
    ):
        for rows in _in_order(records):
            if rows:  # else it was listed before
                write(rows)
                total.add(rows)
            advance(1)
    summaries = [record.summary for record in records.values()]
    return total.summary()._replace(
        sidecars=sum(summary.sidecars for summary in summaries),
        sidecars_failed=sum(summary.sidecars_failed for summary in summaries),
        not_read=summaries[0].not_read,
    )


def _files(given: Iterable[str | Path]) -> list[Path]:
    """Return the files of shards, each once; ``.shard`` and ``.partial`` stand for their file."""
    found: dict[str, Path] = {}
    for path in (os.fspath(one) for one in given):
        names = [path] if os.path.lexists(path) else sorted(glob.glob(path))
        if not names:
            raise InputError(f"no such file: {path} (working folder {Path.cwd()})")
        for name in names:
            file = Path(name.removesuffix(SUFFIX).removesuffix(PARTIAL))
            if file.is_dir():
                raise InputError(f"{file} is a folder: give the files in it, {file}/*-of-*.*")
            found.setdefault(os.path.abspath(file), file)
    if not found:
        raise InputError("no shards are given; give the files that predict wrote with shard=")
    return list(found.values())


def _check_complete(records: Records) -> None:
    """Refuse shards of different numbers, two of one, and fewer than all."""
    _check_same(
        records,
        lambda record: record.shard.total,
        lambda odd, others: (
            f"{odd} is one of {records[odd].shard.total} shards, {others} one of "
            f"{records[others].shard.total}: merge shards of one run"
        ),
    )
    found: dict[Shard, Path] = {}
    for file, record in records.items():
        other = found.setdefault(record.shard, file)
        if other != file:
            raise InputError(f"{other} and {file} are both shard {record.shard}: give one of them")
    total = next(iter(found)).total
    if missing := total - len(found):
        all_ = (Shard(number, total) for number in range(1, total + 1))
        first = list(islice((shard for shard in all_ if shard not in found), SHOWN))
        raise InputError(_missing(first, missing, next(iter(records))))


def _missing(shards: Sequence[Shard], count: int, beside: Path) -> str:
    """Return what to do about ``count`` shards that are not there, by what is beside another."""
    first, more = shards[0], count - len(shards)
    name = NAMED.sub(f".{first.number}-of-{first.total}", beside.stem) + beside.suffix
    file = beside.with_name(name)
    named = ", ".join(map(str, shards))
    which = f"{named} and {number(more, 0)} more" if more else named
    said = f"shard {which} is missing" if count == 1 else f"shards {which} are missing"
    if file.is_file() and file != beside:
        return f"{said}: give {file}, too"
    if file.with_name(name + PARTIAL).is_file():
        return f"{said}: {file} is unfinished, run it again with resume=True"
    return f"{said}: run predict with shard={first}, too"


def _check_alike(records: Records) -> None:
    """Refuse shards of another tagger, engine or settings, or of other images, than the rest."""

    def made(how: str) -> Callable[[Path, Path], str]:
        return lambda odd, others: (
            f"{odd} was made {how} than {others}: run it again as the others, with overwrite=True"
        )

    def listed(odd: Path, others: Path) -> str:
        return (
            f"{odd} was picked from other images than {others} "
            f"({number(records[odd].listed, 0)} and {number(records[others].listed, 0)}): images "
            "have come, gone or moved in between; run the shard again with overwrite=True, or all "
            "of them on one list"
        )

    _check_same(records, lambda record: record.maker.engine, made("by another engine"))
    _check_same(records, lambda record: record.maker.tagger, made("by another tagger"))
    _check_same(records, lambda record: record.maker, made("with other settings"))
    _check_same(records, lambda record: (record.listed, record.listing), listed)


def _check_same(
    records: Records,
    value: Callable[[ShardRecord], object],
    words: Callable[[Path, Path], str],
) -> None:
    """Refuse the first shard that has another value than most; ``words`` name it and another."""
    values = {file: value(record) for file, record in records.items()}
    usual = Counter(values.values()).most_common(1)[0][0]
    others = next(file for file, one in values.items() if one == usual)
    for file, one in values.items():
        if one != usual:
            raise InputError(words(file, others))


def _in_order(records: Records) -> Iterator[list[Row]]:
    """Yield the rows of each image of all shards, in the order of the list.

    Raises:
        InputError: an image is missing or there twice.
    """
    merged = heapq.merge(*(_images(*each) for each in records.items()), key=itemgetter(0))
    for expected, (index, file, rows) in enumerate(merged):
        if index != expected:
            raise InputError(f"{file} does not fit the other shards: {ANEW}")
        yield rows


def _images(file: Path, record: ShardRecord) -> Iterator[tuple[int, Path, list[Row]]]:
    """Yield the index, file and rows of each image of a shard."""
    rows = rows_of(file, record.maker.columns, bare=record.maker.bare)
    for index, count in places_of(file):
        found = list(islice(rows, count))
        if len(found) != count:
            raise InputError(f"{file} has too few rows: {ANEW}")
        yield index, file, found
