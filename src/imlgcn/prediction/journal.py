"""What an interrupted run leaves behind, so that a resumed one scores no image twice.

``tags.csv.partial`` grows beside ``tags.csv`` while a run lasts: a line with a fingerprint of how
the rows are made, then one line per image, written when it is done. The process may be killed at
any moment and loses nothing that is done; after a power cut, the last lines may be lost. Each line
carries a hash of itself: one that is cut off is dropped, and so is one with a changed byte, which
is said. An image that has changed since, or could not be read, is scored again.
"""

from __future__ import annotations

import hashlib
import json
import os
from array import array
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

import numpy as np

from imlgcn.errors import InputError
from imlgcn.files import sha256_file
from imlgcn.numbers import plural
from imlgcn.prediction.rows import Row
from imlgcn.progress import Progress
from imlgcn.stopping import Stopped

if TYPE_CHECKING:
    from imlgcn.tagger import Tagger

SUFFIX = ".partial"
HASH = 16  # hexadecimal digits before each line: 8 bytes of its BLAKE2


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
    ``count`` are the images that are done, ``damaged`` the lines that are not as they were written.
    """

    def __init__(self, path: Path, made_by: str, *, resume: bool) -> None:
        self.path, self.damaged = path, 0
        header = {"rows of": made_by, "version": 3}
        if not (resume and self._has_header(header)):
            path.write_bytes(hashed_line(header))
        self.count = self._read()
        self._found: set[str] = set()  # and not added since
        self._reader: BinaryIO = path.open("rb")
        self._writer: BinaryIO = path.open("ab")

    def _has_header(self, header: dict[str, object]) -> bool:
        """Return whether there is a journal whose first line can be used."""
        if not self.path.is_file():
            return False
        with self.path.open("rb") as file:
            line = file.readline()
        if not line.endswith(b"\n"):  # killed while it was written
            return False
        if line == hashed_line(header):
            return True
        if hashed_content(line) is None and not line.startswith(
            b"{"
        ):  # as those before version 3 do
            self.damaged += 1
            return False
        raise InputError(
            f"{self.path} was left by a run with other settings (tagger, engine, "
            "threshold=, top_k=, at_least=, at_most=, known=, known_from=, label_table= or "
            "all_labels=) or version: repeat that "
            "run with resume=True, or leave resume= out to start anew"
        )

    def _read(self) -> int:
        """Find the images of an earlier run and cut off what is half written; return how many."""
        keys, offsets = array("q"), array("q")
        with self.path.open("rb+") as file:
            end = len(file.readline())
            for line in file:
                if not line.endswith(b"\n"):
                    file.truncate(end)
                    break
                if content := hashed_content(line):
                    keys.append(hash(content[0]))
                    offsets.append(end)
                else:
                    self.damaged += 1
                end += len(line)
        order = np.argsort(np.array(keys, np.int64), kind="stable")
        self._keys = np.array(keys, np.int64)[order]
        self._offsets = np.array(offsets, np.int64)[order]
        return len(keys)

    def find(self, name: str) -> list[Row] | None:
        """Return the rows that an earlier run made of the image; None if it made none."""
        index = int(np.searchsorted(self._keys, hash(name)))
        while index < len(self._keys) and self._keys[index] == hash(name):
            self._reader.seek(int(self._offsets[index]))
            content: Any = hashed_content(self._reader.readline()) or (None, None, None)
            image, tags, state = content
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
            self._writer.write(hashed_line([name, tags, _state(name)]))
            self._writer.flush()
            self.count += 1

    def close(self) -> None:
        """Close the file, which stays."""
        self._reader.close()
        self._writer.close()


def hashed_line(content: object) -> bytes:
    """Return a line with its hash: ``0123456789abcdef [...]``."""
    text = json.dumps(content).encode()
    return _hash(text) + b" " + text + b"\n"


def hashed_content(line: bytes) -> Any:
    """Return what :func:`hashed_line` was given; None if a byte has changed since."""
    found, text = line[:HASH], line[HASH + 1 : -1]
    is_whole = line[HASH : HASH + 1] == b" " and line.endswith(b"\n") and found == _hash(text)
    return json.loads(text) if is_whole else None


def _hash(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=HASH // 2).hexdigest().encode()


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
    if journal.damaged:
        lines = plural(journal.damaged, "damaged line")
        progress.say(f"{path}: {lines} not used; what they were about is done again")
    if journal.count:
        progress.say(f"already done: {plural(journal.count, 'image')}")
    with closing(journal):
        try:
            yield journal
        except BaseException as error:
            if not journal.count:
                path.unlink()
                raise
            raise_interrupted(error, journal.count, path, progress)


def raise_interrupted(
    error: BaseException, images: int, kept_in: Path, progress: Progress
) -> NoReturn:
    """Raise what ends a run again, with what is kept and how to continue.

    A signal's exception says it itself; of any other error it is said here.
    """
    how = f"{plural(images, 'image')} kept in {kept_in}; repeat with resume=True to continue"
    if isinstance(error, Stopped):
        raise Stopped(error.number, how) from None
    progress.say(how)
    raise error
