"""What stands beside a shard's file, so that merging can prove that all are there and fit.

``tags.3-of-8.csv.shard`` is written last, and removed when the shard is tagged anew. Its first
line says how the rows were made and of which images, with the hashes of the file and of the other
lines. Each of those is an image: its index among the images of all shards, and how many rows it
has; 0 for one that is listed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from imlgcn.errors import InputError
from imlgcn.files import sha256_file, write_atomic
from imlgcn.numbers import number
from imlgcn.prediction.images import NamedImage
from imlgcn.prediction.journal import SUFFIX as PARTIAL
from imlgcn.prediction.journal import hashed_content, hashed_line
from imlgcn.prediction.results import PredictSummary
from imlgcn.prediction.shards import NAMED, Shard, ShardImages

SUFFIX = ".shard"
VERSION = 1
BLOCK = 1 << 14  # bytes of a text file that are held


class Maker(NamedTuple):
    """What all shards of one run have in common."""

    tagger: str  # a hash of it, and of its label table
    engine: str
    rows: str  # a hash of everything that decides the rows of an image
    columns: tuple[str, ...]
    bare: bool  # of a CSV: formulas are written as they are


class ShardRecord(NamedTuple):
    """The first line of a record."""

    shard: Shard
    maker: Maker
    listed: int  # images of all shards
    listing: str  # a hash of their keys, in order
    file: str  # SHA-256 of the shard's file
    lines: str  # SHA-256 of the lines below
    also: tuple[str, ...]  # what was written beside the file
    summary: PredictSummary


def record_of(file: Path) -> Path:
    """Return the name of the record of a shard's file."""
    return file.with_name(file.name + SUFFIX)


def read_record(file: Path) -> ShardRecord:
    """Return the record of a shard's file.

    Raises:
        InputError: there is none, or it is not as it was written.
    """
    path = record_of(file)
    if not (path.is_file() and file.is_file()):
        if file.with_name(file.name + PARTIAL).is_file():
            raise InputError(f"{file} is unfinished: {AGAIN}")
        if path.is_file():
            raise InputError(f"{file} is gone, though {path.name} is there: {AGAIN}")
        raise unproven(file)
    with path.open("rb") as stream:
        found: Any = hashed_content(stream.readline())
    if not isinstance(found, dict):
        raise InputError(f"{path} is damaged: {ANEW}")
    if found["version"] != VERSION:
        raise InputError(f"{path} was written by another version of imlgcn: {ANEW}")
    maker = found["maker"]
    summary = PredictSummary(*found["summary"])
    return ShardRecord(
        Shard(*found["shard"]),
        Maker(**maker | {"columns": tuple(maker["columns"])}),
        found["listed"],
        found["listing"],
        found["file"],
        found["lines"],
        tuple(found["also"]),
        summary._replace(errors=tuple(summary.errors)),
    )


AGAIN = "run the shard again with resume=True"
ANEW = "run the shard again with overwrite=True in place of resume=True"


def unproven(file: Path) -> InputError:
    """Return what to do about a shard's file whose record is lost, with the command that works."""
    shard = NAMED.search(file.stem)
    own = f"shard={shard[0][1:].replace('-of-', '/')} and " if shard else ""
    return InputError(
        f"{file} is not a complete shard: there is no {record_of(file).name} beside it, which "
        f"proves it; copy that file, too, or run predict again with {own}overwrite=True in place of "
        "resume=True"
    )


def check_whole(file: Path, record: ShardRecord) -> None:
    """Prove that a shard's file and its record are as they were written.

    Raises:
        InputError: one of them is not.
    """
    if sha256_file(file) != record.file:
        if file.with_name(file.name + PARTIAL).is_file():
            raise InputError(f"{file} is unfinished: {AGAIN}")
        raise InputError(f"{file} is damaged, or was changed after it was written: {ANEW}")
    found = hashlib.sha256()
    for line in lines_of(record_of(file), skip=1):
        found.update(line)
    if found.hexdigest() != record.lines:
        raise InputError(f"{record_of(file)} is damaged: {ANEW}")


def places_of(file: Path) -> Iterator[tuple[int, int]]:
    """Yield the index of each image of a shard among all images, and how many rows it has."""
    for line in lines_of(record_of(file), skip=1):
        index, rows = line.split()
        yield int(index), int(rows)


def lines_of(path: Path, *, skip: int = 0) -> Iterator[bytes]:
    """Yield the lines of a file after the first few; it is open only while a block is read.

    So thousands of shards can be read at once.
    """
    offset = 0
    while True:
        with path.open("rb") as stream:
            stream.seek(offset)
            block = stream.readlines(BLOCK)
        if not block:
            return
        offset += sum(map(len, block))
        yield from block[skip:]
        skip = 0


class ShardFile(NamedTuple):
    """The file of the shard that is being made, how it is made, and its images."""

    file: Path
    maker: Maker
    own: ShardImages
    also: Sequence[str]  # what is written beside it, by the names of the options

    def complete(self, images: Iterable[NamedImage]) -> PredictSummary | None:
        """Return the counts of the shard if an earlier run has completed it, else None.

        Raises:
            InputError: it is complete, but of other images or settings, or was changed since.
        """
        file, own = self.file, self.own
        if not file.is_file():
            return None
        if not record_of(file).is_file():
            if file.with_name(file.name + PARTIAL).is_file():
                return None
            raise unproven(file)
        record = read_record(file)
        if record.maker != self.maker:
            raise InputError(
                f"{file} is complete, but was made by another tagger, engine or settings; give "
                "overwrite=True without resume=True to replace it, or another out="
            )
        if wanted := sorted(set(self.also) - set(record.also)):
            raise InputError(
                f"{file} is complete, but was made without {wanted[0]}=; leave that out, or give "
                "overwrite=True without resume=True"
            )
        check_whole(file, record)
        for _ in images:  # of a generator: to the end of the list
            pass
        if (record.listed, record.listing) != (own.listed, own.listing):
            raise InputError(
                f"{file} is complete, but images have come or gone since "
                f"({number(record.listed, 0)} then, {number(own.listed, 0)} now); give "
                "overwrite=True without resume=True to tag anew"
            )
        file.with_name(file.name + PARTIAL).unlink(missing_ok=True)  # killed when all was done
        return record.summary

    def begin(self) -> None:
        """Remove the record of a file that will be replaced."""
        record_of(self.file).unlink(missing_ok=True)

    def finish(self, summary: PredictSummary) -> None:
        """Write the record: the file is complete."""
        lines = b"".join(b"%d %d\n" % each for each in self.own.places())
        content = {
            "version": VERSION,
            "shard": self.own.shard,
            "maker": self.maker._asdict(),
            "listed": self.own.listed,
            "listing": self.own.listing,
            "file": sha256_file(self.file),
            "lines": hashlib.sha256(lines).hexdigest(),
            "also": self.also,
            "summary": summary,
        }
        write_atomic(record_of(self.file), hashed_line(content) + lines)
