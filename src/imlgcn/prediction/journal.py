"""What an interrupted run leaves, so that ``--resume`` scores no image twice.

``tags.csv.partial`` grows beside ``tags.csv`` while a run lasts: a line that says how the rows were
made, then one line per image, written when it is done; an image that has changed since is scored
again. Where the file is cut inside a line, as a
crash may leave it, the line is dropped. Files that could not be read are not in it: they are tried
again.
"""

from __future__ import annotations

import hashlib
import json
import os
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from imlgcn.config import InputError
from imlgcn.files import sha256_file
from imlgcn.prediction.rows import Row
from imlgcn.progress import Progress

if TYPE_CHECKING:
    from imlgcn.tagger import Tagger

SUFFIX = ".partial"


def fingerprint(tagger: Tagger, *settings: object) -> str:
    """Return a hash of all that decides what the rows of an image are."""
    parts = tagger.info.model_dump(mode="json", include={"labels", "image", "scale", "sha256"})
    if tagger.path.is_file():  # the hashes are those of the folder that it was exported from
        parts["file"] = sha256_file(tagger.path)
    text = json.dumps([parts, tagger.engine.name, *settings], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Journal:
    """The images that are done; in memory only sixteen bytes for each that an earlier run did."""

    def __init__(self, path: Path, made_by: str, *, resume: bool) -> None:
        self._path = path
        header = json.dumps({"rows of": made_by, "version": 2}).encode() + b"\n"
        if not (resume and path.is_file()):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(header)
        self.earlier, end = self._read(header)
        with path.open("rb+") as file:
            file.truncate(end)
        self.count = self.earlier
        self._reader: BinaryIO = path.open("rb")
        self._writer: BinaryIO = path.open("ab")

    def _read(self, header: bytes) -> tuple[int, int]:
        """Find the images of an earlier run; return how many, and where the last one ends."""
        keys, places = array("q"), array("q")
        with self._path.open("rb") as file:
            if file.readline() != header:
                raise InputError(
                    f"{self._path} was left by a run with other settings (tagger, engine, "
                    "threshold, known labels or --all): repeat that command with --resume, or "
                    "leave --resume out to start anew"
                )
            end = file.tell()
            for line in file:
                with suppress(ValueError):
                    if line.endswith(b"\n"):
                        keys.append(hash(json.loads(line)[0]))
                        places.append(end)
                        end += len(line)
                        continue
                break
        order = np.argsort(np.array(keys, np.int64), kind="stable")
        self._keys = np.array(keys, np.int64)[order]
        self._places = np.array(places, np.int64)[order]
        return len(keys), end

    def find(self, name: str) -> list[Row] | None:
        """Return the rows that an earlier run made of the image, if it did."""
        at = int(np.searchsorted(self._keys, hash(name)))
        while at < len(self._keys) and self._keys[at] == hash(name):
            self._reader.seek(int(self._places[at]))
            image, tags, seen = json.loads(self._reader.readline())
            if image == name and seen == _state(name):
                return [Row(name, *tag) for tag in tags] or [Row(name)]
            at += 1
        return None

    def add(self, rows: Sequence[Row]) -> None:
        """Note an image; it stays noted if the process is killed right after."""
        if rows[0].error is None:
            tags = [row[1:4] for row in rows if row.label]
            line = [rows[0].image, tags, _state(rows[0].image)]
            self._writer.write(json.dumps(line).encode() + b"\n")
            self._writer.flush()
            self.count += 1

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
        self._writer.close()


def _state(name: str) -> list[int]:
    """Return what changes when an image file is replaced."""
    try:
        found = os.stat(name)
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns]


@contextmanager
def open_journal(out: Path, made_by: str, *, resume: bool, progress: Progress) -> Iterator[Journal]:
    """Yield the journal of the file ``out``; it goes when the block ends well.

    Raises:
        InputError: there is nothing to resume, or it was made with other settings.
    """
    path = out.with_name(out.name + SUFFIX)
    if resume and out.exists() and not path.exists():
        raise InputError(
            f"{out} is complete: there is no {path.name} beside it to resume; leave --resume out "
            "to tag anew"
        )
    journal = Journal(path, made_by, resume=resume)
    if journal.earlier:
        progress.say(f"{journal.earlier} images are already done")
    try:
        yield journal
    except BaseException:
        journal.close()
        if journal.count:
            progress.say(
                f"{journal.count} images are kept in {path}; the same command with --resume goes on"
            )
        else:
            path.unlink()
        raise
    journal.close()
    path.unlink()
