"""What an interrupted run leaves behind, so that a resumed one scores no image twice.

``tags.csv.partial`` grows beside ``tags.csv`` while a run lasts: a line with a fingerprint of how
the rows are made, then one line per image, written when it is done. The process may be killed at
any moment and loses nothing that is done; after a power cut, the last lines may be lost. A line
that is cut off is dropped. An image that has changed since, or could not be read, is scored again.
"""

from __future__ import annotations

import hashlib
import json
import os
from array import array
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from imlgcn.config import InputError
from imlgcn.files import sha256_file
from imlgcn.numbers import plural
from imlgcn.prediction.rows import Row
from imlgcn.progress import Progress

if TYPE_CHECKING:
    from imlgcn.tagger import Tagger

SUFFIX = ".partial"


def fingerprint(tagger: Tagger, *settings: object) -> str:
    """Return a hash of everything that decides what the rows of an image are."""
    parts = tagger.info.model_dump(
        mode="json", include={"labels", "image", "calibration", "sha256"}
    )
    if not tagger.label_table.is_default:
        parts["label_table"] = tagger.label_table.to_json()
    if tagger.path.is_file():  # the hashes are those of the folder that it was exported from
        parts["file"] = sha256_file(tagger.path)
    text = json.dumps([parts, tagger.engine.name, *settings], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Journal:
    """The images that are done; in memory only sixteen bytes for each that an earlier run did.

    Open it while holding the lock of the output: two on one path would overwrite each other.
    """

    def __init__(self, path: Path, made_by: str, *, resume: bool) -> None:
        self.path = path
        header = json.dumps({"rows of": made_by, "version": 2}).encode() + b"\n"
        if not (resume and _has_header(path)):
            path.write_bytes(header)
        self.count, end = self._read(header)
        with path.open("rb+") as file:
            file.truncate(end)
        self._found: set[str] = set()  # and not added since
        self._reader: BinaryIO = path.open("rb")
        self._writer: BinaryIO = path.open("ab")

    def _read(self, header: bytes) -> tuple[int, int]:
        """Find the images of an earlier run; return how many, and where the last one ends."""
        keys, offsets = array("q"), array("q")
        with self.path.open("rb") as file:
            if file.readline() != header:
                raise InputError(
                    f"{self.path} was left by a run with other settings (tagger, engine, "
                    "threshold=, top_k=, at_least=, at_most=, known=, known_from=, label_table= or "
                    "all_labels=): repeat that "
                    "run with resume=True, or leave resume= out to start anew"
                )
            end = file.tell()
            for line in file:
                with suppress(ValueError):
                    if line.endswith(b"\n"):
                        keys.append(hash(json.loads(line)[0]))
                        offsets.append(end)
                        end += len(line)
                        continue
                break
        order = np.argsort(np.array(keys, np.int64), kind="stable")
        self._keys = np.array(keys, np.int64)[order]
        self._offsets = np.array(offsets, np.int64)[order]
        return len(keys), end

    def find(self, name: str) -> list[Row] | None:
        """Return the rows that an earlier run made of the image; None if it made none."""
        index = int(np.searchsorted(self._keys, hash(name)))
        while index < len(self._keys) and self._keys[index] == hash(name):
            self._reader.seek(int(self._offsets[index]))
            image, tags, state = json.loads(self._reader.readline())
            if image == name and state == _state(name):
                self._found.add(name)
                return [Row(name, *tag) for tag in tags] or [Row(name)]
            index += 1
        return None

    def add(self, rows: Sequence[Row]) -> None:
        """Note an image that is done; it stays noted if the process is killed right after."""
        name, error = rows[0].image, rows[0].error
        if name in self._found:  # noted by the earlier run
            self._found.remove(name)
        elif error is None:
            has_more = any(row.name or row.tag is not None for row in rows)
            tags = [row[1:] if has_more else row[1:4] for row in rows if row.label]
            self._writer.write(json.dumps([name, tags, _state(name)]).encode() + b"\n")
            self._writer.flush()
            self.count += 1

    def close(self) -> None:
        """Close the file, which stays."""
        self._reader.close()
        self._writer.close()


def _has_header(path: Path) -> bool:
    """Return whether there is a journal that was not killed at its first line."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.readline().endswith(b"\n")


def _state(name: str) -> list[int]:
    """Return what changes when an image file is replaced."""
    try:
        found = os.stat(name)
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns]


@contextmanager
def open_journal(out: Path, made_by: str, *, resume: bool, progress: Progress) -> Iterator[Journal]:
    """Yield the journal of the file ``out``; it stays until that file has its name.

    Raises:
        InputError: there is nothing to resume, or it was made with other settings.
    """
    path = out.with_name(out.name + SUFFIX)
    if resume and out.exists() and not path.exists():
        raise InputError(
            f"{out} is complete: there is no {path.name} beside it to resume; leave resume= out "
            "to tag anew"
        )
    journal = Journal(path, made_by, resume=resume)
    if journal.count:
        progress.say(f"already done: {plural(journal.count, 'image')}")
    with closing(journal):
        try:
            yield journal
        except BaseException:
            if journal.count:
                kept = f"{plural(journal.count, 'image')} kept in {path}"
                progress.say(f"{kept}; repeat with resume=True to continue")
            else:
                path.unlink()
            raise
