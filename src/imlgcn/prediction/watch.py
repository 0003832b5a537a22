"""Folders are watched: what appears in them, or changes, is tagged, until a signal ends it.

Each image is done once, also after a restart: a journal beside the table, or in the cache where
there are only sidecars, knows it by its path, size and time (`imlgcn.prediction.watch_journal`).
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from imlgcn.errors import InputError
from imlgcn.files import cache_dir, only_writer
from imlgcn.numbers import number, plural
from imlgcn.prediction.journal import fingerprint
from imlgcn.prediction.outputs import one_writer
from imlgcn.prediction.rows import Row, columns_for
from imlgcn.prediction.stream import Item, RowMaker, stream_rows
from imlgcn.prediction.watch_journal import SUFFIX, WatchJournal
from imlgcn.prediction.watch_table import WatchTable, check_table
from imlgcn.prediction.watched_folders import SeenFile, State, WatchedFolders, state_of
from imlgcn.prediction.xmp import Sidecars, about_taking_over
from imlgcn.progress import SILENT, Progress
from imlgcn.stopping import Stopped, remember, safe_points
from imlgcn.tagger.choice import TagBounds

if TYPE_CHECKING:
    from imlgcn.labels.label_table import LabelTable
    from imlgcn.tagger import Tagger
    from imlgcn.tagger.thresholds import Threshold

INTERVAL = 2.0  # seconds between two looks at the folders, at least
LONGEST = 60.0  # at most
REST = 50  # times the processor time of a look: two percent of a core for any number of files
# a sidecar that is a folder, a link that leads nowhere, or has too long a name
NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG)


def watch(
    tagger: Tagger | str | Path,
    folders: str | Path | Sequence[str | Path],
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    bare: bool = False,
    threshold: Threshold | None = None,
    top_k: int | None = None,
    at_least: int | None = None,
    at_most: int | None = None,
    known: Mapping[str, int] | None = None,
    known_by: str | None = None,
    all_labels: bool = False,
    label_table: LabelTable | str | Path | None = None,
    engine: str | None = None,
    device: str = "auto",
    xmp: bool = False,
    sidecar_name: str | None = None,
    settle: float = 3.0,
    progress: Progress = SILENT,
) -> NoReturn:
    """Tag the images in folders and below, and then those that appear or change, without an end.

    Args:
        folders: one or several; one that vanishes, as of an unmounted drive, is waited for.
        out: a ``.csv`` or ``.jsonl``, to which the rows of each image are added; of an image that
            has changed, the last rows count.
        overwrite: forget what is done, and replace the table.
        settle: seconds for which a file must stay the same before it is read.
        tagger, bare, threshold, top_k, at_least, at_most, known, known_by, all_labels,
            label_table, engine, device, xmp, sidecar_name, progress: as for `imlgcn.predict`.

    Raises:
        InputError: neither ``out`` nor ``xmp``, a folder that is not there, an option that the
            tagger does not allow, or another process that is watching for the same table.
        KeyboardInterrupt: Ctrl-C; on the command line, Stopped.
    """
    from imlgcn.tagger.given import given_tagger

    names = [folders] if isinstance(folders, str | Path) else list(folders)
    places = _folders([os.fspath(name) for name in names])
    if out is None and not xmp:
        raise InputError("watching writes sidecars or a table: give xmp=True, out=, or both")
    if out is not None:
        check_table(Path(out))
    if not 0 <= settle <= 3600:
        raise InputError(f"settle= takes seconds from 0 to 3600; got {settle:g}")
    tagger = given_tagger(
        tagger, engine=engine, device=device, label_table=label_table, known_by=known_by
    )
    bounds = TagBounds(top_k=top_k, at_least=at_least, at_most=at_most)
    maker = RowMaker(tagger, threshold=threshold, bounds=bounds, known=known, all_labels=all_labels)
    sidecars = Sidecars(tagger.label_table, sidecar_name) if xmp else None
    columns = columns_for(tagger.label_table, all_labels=all_labels, are_bounded=bounds.are_set)
    table = None if out is None else WatchTable(Path(out), columns, bare=bare)
    told = (maker.thresholds.tolist(), known, all_labels, asdict(bounds), xmp, sidecar_name)
    path = _journal_path(places) if out is None else Path(f"{out}{SUFFIX}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        with one_writer(_watched_already(places) if out is None else None):
            stack.enter_context(only_writer(path))
        journal = stack.enter_context(
            closing(WatchJournal(path, fingerprint(tagger, *told), anew=overwrite))
        )
        if table is not None:
            table.open(journal, overwrite=overwrite, progress=progress)
        watched = WatchedFolders(places, settle=settle, say=progress.say)
        _Watch(tagger, maker, watched, journal, table, sidecars, progress).run()


def _folders(names: Sequence[str]) -> list[str]:
    """Return the folders without those inside another.

    Raises:
        InputError: one is not there, or is not a folder.
    """
    for name in names:
        if not os.path.isdir(name):
            what = "is not a folder" if os.path.exists(name) else "does not exist"
            raise InputError(f"{os.path.abspath(name)} {what}: only folders can be watched")
    whole = {os.path.realpath(name): str(Path(name)) for name in names}
    return [
        name
        for real, name in whole.items()
        if not any(os.path.commonpath([real, other]) == other for other in whole if other != real)
    ]


def _watched_already(folders: Sequence[str]) -> str:
    """Return what is said where another process writes the sidecars of ``folders``."""
    return f"{', '.join(folders)}: another process is watching already; stop it first"


def _journal_path(folders: Sequence[str]) -> Path:
    """Return where sidecars are remembered: their folders must not change for it."""
    real = sorted(os.path.realpath(folder) for folder in folders)
    digest = hashlib.sha256("\0".join(real).encode("utf-8", "surrogateescape")).hexdigest()
    return cache_dir() / "watched" / f"{Path(real[0]).name}-{digest[:16]}{SUFFIX}"


class _Watch:
    """One process that watches; the arguments are those of `watch`, opened."""

    def __init__(
        self,
        tagger: Tagger,
        maker: RowMaker,
        folders: WatchedFolders,
        journal: WatchJournal,
        table: WatchTable | None,
        sidecars: Sidecars | None,
        progress: Progress,
    ) -> None:
        self._tagger, self._maker, self._folders = tagger, maker, folders
        self._journal, self._table, self._sidecars = journal, table, sidecars
        self._progress = progress
        self._unread: dict[int, State] = {}  # files that cannot be opened: hash of the path
        self._at_work: dict[str, SeenFile] = {}
        self._images = self._failed = self._tags = self._took_over = self._total = 0

    def run(self) -> NoReturn:
        """Look, tag and rest, until a signal or an error ends it."""
        if self._journal.is_other:
            self._progress.say("another tagger or other settings: all images are tagged anew")
        where = ", ".join(self._folders.folders)
        count = self._journal.count
        before = f"; {plural(count, 'image')} done before" if count else ""
        self._progress.say(f"watching {where}{before}; Ctrl-C ends it")
        while True:
            started = time.process_time()
            remember(self._how())  # what a signal says that comes while it looks or rests
            if self._round():
                continue
            rest = REST * (time.process_time() - started)
            waits = INTERVAL if self._folders.is_waiting else min(max(INTERVAL, rest), LONGEST)
            time.sleep(waits)

    def _round(self) -> bool:
        """Tag what is to be tagged now; return whether there was anything."""
        files = self._folders.settled(self._is_done)
        first = next(files, None)
        if first is None:
            return False
        self._images = self._failed = self._tags = self._took_over = 0
        items = self._items(chain([first], files))
        rows_of_images = stream_rows(self._tagger, self._maker, items)
        with safe_points() as asked, closing(rows_of_images) as found:
            for rows in found:
                self._finish(rows)
                if (signal := asked()) is not None:
                    self._sync()
                    raise Stopped(signal, self._how())
        self._sync()
        if read := self._images - self._failed:
            self._progress.say(f"{plural(read, 'image')} tagged, {plural(self._tags, 'tag')}")
        if sentence := about_taking_over(self._took_over):
            self._progress.say(sentence)
        return bool(self._images)

    def _is_done(self, whole: str, state: State) -> bool:
        return self._journal.is_done(whole, state) or self._unread.get(hash(whole)) == state

    def _items(self, files: Iterator[SeenFile]) -> Iterator[Item]:
        for file in files:
            self._at_work[file.path] = file
            yield file.path, file.path, None

    def _finish(self, rows: list[Row]) -> None:
        """Write what was made of an image, unless it has changed or gone meanwhile."""
        path, error = rows[0].image, rows[0].error
        file, now = self._at_work.pop(path), state_of(path)
        if now is None or now.content != file.state.content:
            return  # the next look sees it again
        if error is not None:
            self._progress.say(f"not read: {path}: {error}")
            if not _can_be_opened(path):
                self._unread[hash(file.whole)] = now  # until its rights change, or it does
                return
        elif self._sidecars is not None and not self._write_sidecar(self._sidecars, rows):
            return
        length = 0 if self._table is None else self._table.add(rows)
        self._journal.add(file.whole, now, length)
        self._images += 1
        self._failed += error is not None
        self._total += 1
        self._tags += sum(row.is_tag for row in rows)

    def _write_sidecar(self, sidecars: Sidecars, rows: Sequence[Row]) -> bool:
        """Write a sidecar, or say why not; return whether its image is still there.

        Raises:
            OSError: the disk is full or defective, which ends the watching.
        """
        try:
            self._took_over += sidecars.write(rows).took_over
        except (InputError, PermissionError) as error:
            self._progress.say(f"not done: {error}")
        except OSError as error:
            if state_of(rows[0].image) is None:
                return False
            if error.errno not in NO_FILE:
                raise
            self._progress.say(f"not done: {error.filename}: {error.strerror}")
        return True

    def _sync(self) -> None:
        if self._table is not None:
            self._table.sync()
        self._journal.sync()

    def _how(self) -> str:
        done = f"{number(self._total, 0)} done" if self._total else "nothing new was done"
        return f"{done}; the same command goes on from there"


def _can_be_opened(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            file.read(1)
    except OSError:
        return False
    return True
