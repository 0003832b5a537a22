"""What is remembered of the images in watched folders that are done.

``tags.csv.watched`` grows beside ``tags.csv``: a line with a fingerprint of how rows are made, then
one for each image: its path, its size and time, and the length of the table with its rows. Each
line carries a hash of itself (:mod:`imlgcn.prediction.journal`). Rows are written first, then the
line: after a crash the table may have the rows of one image more, which `watch_table` cuts off; and
after a power cut it may lack some, whose images are then forgotten here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from imlgcn.files import atomic_path, write_atomic
from imlgcn.prediction.journal import hashed_content, hashed_line
from imlgcn.prediction.watched_folders import State

SUFFIX = ".watched"
BEGUN_ANEW = ["", 0, 0, 0]  # a line: the rows of the images before it are in no table any more
SPARE = 1000  # lines of earlier states of images that a file may have, beside one for each image


class WatchJournal:
    """The images that are done; in memory two numbers for each.

    Open it while holding its lock. ``length`` is that of the table with the rows of all images that
    are done, in bytes.

    Args:
        path: of the journal.
        made_by: the fingerprint of the tagger and the settings.
        anew: forget all images.
    """

    def __init__(self, path: Path, made_by: str, *, anew: bool = False) -> None:
        self.path, self.length = path, 0
        self._done: dict[int, int] = {}  # hash of the path -> hash of what it was
        self._header = hashed_line({"version": 1, "watched by": made_by})
        is_there = path.is_file() and not anew
        self.is_new = not (is_there and self._header_is_whole())
        self.is_other = not self.is_new and not self._header_is_ours()
        if self.is_new:
            write_atomic(path, self._header)
        elif self.is_other:
            *_, self.length = (0, *(end for *_, end in self._entries()))
            write_atomic(path, self._header + hashed_line(["", 0, 0, self.length]))
        else:
            self._read()
        self._file: BinaryIO = path.open("ab")

    def _header_is_whole(self) -> bool:
        """Return whether there is a first line; a process may be killed while it is written."""
        with self.path.open("rb") as file:
            return hashed_content(file.readline()) is not None

    def _header_is_ours(self) -> bool:
        with self.path.open("rb") as file:
            return file.readline() == self._header

    def _read(self) -> None:
        """Find the images that are done; what is half-written or outdated is left out."""
        lines = 0
        for name, size, mtime, end in self._entries():
            lines += 1
            self._done[hash(name)] = hash((size, mtime))
            self.length = end
        self._cut_off_what_is_half_written()
        if lines > 2 * len(self._done) + SPARE:
            self._rewrite()

    def _cut_off_what_is_half_written(self) -> None:
        end = 0
        with self.path.open("rb+") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    file.truncate(end)
                    return
                end += len(line)

    def _entries(self) -> Iterator[Any]:
        """Yield the path, size, time and table length of each line."""
        with self.path.open("rb") as file:
            file.readline()
            for line in file:
                if (content := hashed_content(line)) is not None:
                    yield content

    def _rewrite(self) -> None:
        """Keep one line for each image; the last line stays the last."""
        begun = [number for number, entry in enumerate(self._entries()) if entry == BEGUN_ANEW]
        with atomic_path(self.path) as temporary, temporary.open("wb") as file:
            file.write(self._header)
            left = dict(self._done)
            for number, (name, size, mtime, end) in enumerate(self._entries()):
                if left.get(hash(name)) == hash((size, mtime)):
                    del left[hash(name)]
                    end_in_table = 0 if begun and number < begun[-1] else end
                    file.write(hashed_line([name, size, mtime, end_in_table]))
            file.write(hashed_line(["", 0, 0, self.length]))

    @property
    def count(self) -> int:
        """The number of images that are done."""
        return len(self._done) - (hash("") in self._done)

    def forget_beyond(self, length: int) -> int:
        """Forget the last images whose rows a table of this length lacks; return how many."""
        lost: set[int] = set()
        for name, _, _, end in self._entries():
            if end <= length:
                lost.clear()
            elif name:
                lost.add(hash(name))
        for known in lost:
            self._done.pop(known, None)
        self.length = length
        self._rewrite_open()
        return len(lost)

    def _rewrite_open(self) -> None:
        self._file.close()
        self._rewrite()
        self._file = self.path.open("ab")

    def is_done(self, whole: str, state: State) -> bool:
        """Return whether an image, by its path from the root, was done as it is."""
        return self._done.get(hash(whole)) == hash(state.content)

    def add(self, whole: str, state: State, length: int) -> None:
        """Note an image that is done; it stays noted if the process is killed right after."""
        if length < self.length:
            self._file.write(hashed_line(BEGUN_ANEW))
        self._file.write(hashed_line([whole, *state.content, length]))
        self._file.flush()
        self._done[hash(whole)] = hash(state.content)
        self.length = length

    def sync(self) -> None:
        """Have the disk keep what was noted."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file, which stays."""
        self._file.close()
