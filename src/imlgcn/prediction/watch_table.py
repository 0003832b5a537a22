"""A table that grows while folders are watched, a CSV or JSON lines, and can be read meanwhile.

The rows of an image are written in one piece. A changed image gets rows once more: the last ones
count. The file is opened for each image, so that it may be moved away; then a new one begins.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from imlgcn.errors import InputError
from imlgcn.files import write_atomic
from imlgcn.numbers import plural
from imlgcn.prediction.rows import Row, csv_writer, jsonl_writer
from imlgcn.prediction.watch_journal import WatchJournal
from imlgcn.prediction.watched_folders import state_of
from imlgcn.progress import Progress
from imlgcn.spreadsheets import bare as without_apostrophe

ENDINGS = (".csv", ".jsonl")


def check_table(path: Path) -> None:
    """Refuse a file that rows cannot be added to.

    Raises:
        InputError: such as a Parquet file, which is complete only when it is closed.
    """
    if path.suffix.lower() not in ENDINGS or path.is_dir():
        raise InputError(
            f"{path}: rows of watched folders are added to a file ending in {' or '.join(ENDINGS)} "
            "(a .parquet is complete only when it is closed)"
        )


class WatchTable:
    """The table ``path`` with these columns; ``bare`` as for `imlgcn.predict`."""

    def __init__(self, path: Path, columns: Sequence[str], *, bare: bool) -> None:
        self.path, self._columns, self._bare = path, columns, bare
        self._is_csv = path.suffix.lower() == ".csv"
        self._header = ",".join(columns).encode() + b"\n" if self._is_csv else b""

    def open(self, journal: WatchJournal, *, overwrite: bool, progress: Progress) -> None:
        """Make table and journal agree, whatever ended the last run.

        Raises:
            InputError: the file is there and not of this kind.
        """
        is_there = self.path.exists() and self.path.stat().st_size > 0
        if is_there and not overwrite:
            self._check(journal)
            self._mend(journal, progress)
            return
        if journal.count and not overwrite:
            progress.say(f"{self.path} is gone: {plural(journal.count, 'image')} to be tagged anew")
        write_atomic(self.path, self._header)
        if journal.length or journal.count:
            journal.forget_beyond(0)

    def _check(self, journal: WatchJournal) -> None:
        if journal.is_new:
            raise InputError(
                f"{self.path} exists and is not the table of a watched folder; give "
                "overwrite=True to replace it, or another out="
            )
        with self.path.open("rb") as file:
            if self._is_csv and file.readline() != self._header:
                raise InputError(
                    f"{self.path} has other columns than {','.join(self._columns)}; give another "
                    "out=, or overwrite=True to replace it"
                )

    def _mend(self, journal: WatchJournal, progress: Progress) -> None:
        length = self.path.stat().st_size
        with self.path.open("rb+") as file:
            if length > journal.length:
                file.seek(max(0, journal.length - 1))
                before, tail = file.read(min(journal.length, 1)), file.read()
                # within a line: a person has changed rows above, and nothing is to be cut off
                is_between_rows = before in (b"", b"\n")
                if is_between_rows and self._is_unfinished(tail, journal):
                    file.truncate(journal.length)  # it was killed between table and journal
                elif not tail.endswith(b"\n"):
                    file.write(b"\n")
            elif length < journal.length:
                whole = length
                file.seek(max(0, length - 1))
                if file.read() != b"\n":
                    file.seek(0)
                    whole = file.read().rfind(b"\n") + 1
                    file.truncate(whole)
                lost = journal.forget_beyond(whole)
                progress.say(
                    f"{self.path} is shorter than it was: {plural(lost, 'image')} tagged anew"
                )

    def _is_unfinished(self, tail: bytes, journal: WatchJournal) -> bool:
        """Return whether a tail is what a killed run left of one image, not what a person added."""
        text = tail.decode("utf-8", "replace")
        try:
            names = self._names(text if self._is_csv else text[: text.rfind("\n") + 1])
        except (ValueError, LookupError, TypeError, csv.Error):
            return False
        states = [(os.path.abspath(name), state_of(name)) for name in names]
        return len(names) <= 1 and not any(s and journal.is_done(n, s) for n, s in states)

    def _names(self, text: str) -> set[str]:
        """Return the images of rows; of a last one that is cut off only where its name is whole."""
        if not self._is_csv:
            return {json.loads(line)["image"] for line in text.split("\n") if line}
        lines = [line for line in csv.reader(io.StringIO(text, newline="")) if len(line) > 1]
        return {line[0] if self._bare else without_apostrophe(line[0]) for line in lines}

    def add(self, rows: Sequence[Row]) -> int:
        """Write the rows of an image; return the length of the file."""
        text = io.StringIO(newline="")
        if self._is_csv:
            csv_writer(text, self._columns, bare=self._bare)(rows)
        else:
            jsonl_writer(text, self._columns)(rows)
        data = text.getvalue().encode("utf-8", "backslashreplace")
        with self.path.open("ab") as file:
            if not file.tell():
                data = self._header + data
            file.write(data)
            return file.tell()

    def sync(self) -> None:
        """Have the disk keep what was written."""
        with suppress(FileNotFoundError), self.path.open("rb+") as file:
            os.fsync(file.fileno())
