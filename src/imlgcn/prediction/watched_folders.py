"""Folders that are looked through again and again, for images that are new or have changed.

They are listed (``os.scandir``), as no notice of the system reaches across network drives. A file
that may still be written is waited for: it is taken when its size and times have stayed the same
for some seconds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from imlgcn.data.images import IMAGE_SUFFIXES

OLD = 60.0  # seconds: a file that nothing has touched for so long is not waited for
# folders in which programs keep thumbnails and what was deleted (Synology, QNAP, Windows)
NOT_OF_PEOPLE = frozenset(("@eadir", "#recycle", "@recycle", "$recycle.bin", "lost+found"))

FOLDER, IMAGE = "folder", "image"


class State(NamedTuple):
    """What changes when a file is replaced or written to."""

    size: int  # bytes
    mtime: int  # nanoseconds, as `touched`
    touched: int = 0  # the last change of any kind, of the system's clock

    @property
    def content(self) -> tuple[int, int]:
        """What is remembered of a file that is done."""
        return self.size, self.mtime


class SeenFile(NamedTuple):
    """A file that has stopped changing."""

    path: str  # as the folder was given
    whole: str  # from the root of the file system
    state: State


def state_of(path: str) -> State | None:
    """Return the state of a file; None where there is none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return State(found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class WatchedFolders:
    """The image files of some folders, without hidden ones and links to folders.

    ``settle`` are the seconds for which a file must stay the same, ``say`` gets what a user should
    know: that a folder has gone, or is back.
    """

    def __init__(
        self, folders: Sequence[str], *, settle: float, say: Callable[[str], None]
    ) -> None:
        self.folders = {folder: os.path.abspath(folder) for folder in folders}
        self._settle, self._say = settle, say
        self._waiting: dict[str, tuple[State, float]] = {}  # since when it is the same
        self._gone: set[str] = set()

    @property
    def is_waiting(self) -> bool:
        """Whether some file has not settled."""
        return bool(self._waiting)

    def settled(self, is_done: Callable[[str, State], bool]) -> Iterator[SeenFile]:
        """Yield each file that is not done and has stopped changing."""
        still: dict[str, tuple[State, float]] = {}
        for folder, whole_folder in self.folders.items():
            for name in self._files(folder):
                whole = os.path.join(whole_folder, name)
                state = state_of(whole)
                if state is None or not state.size or is_done(whole, state):
                    continue
                since = self._since(whole, state)
                if time.monotonic() - since < self._settle:
                    still[whole] = (state, since)
                else:
                    path = name if folder == os.curdir else os.path.join(folder, name)
                    yield SeenFile(path, whole, state)
        self._waiting = still

    def _since(self, path: str, state: State) -> float:
        """Return since when a file is the same, in seconds of the monotonic clock."""
        now = time.monotonic()
        known, since = self._waiting.get(path, (None, now))
        if known == state:
            return since
        age = time.time() - max(state.mtime, state.touched) / 1e9
        return now - age if known is None and age > max(OLD, self._settle) else now

    def _files(self, top: str, inside: str = "") -> Iterator[str]:
        """Yield the images in a folder, by their paths from ``top``."""
        folder = os.path.join(top, inside) if inside else top
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            if not inside and top not in self._gone:
                self._gone.add(top)
                self._say(f"{top} cannot be read ({error.strerror}): waiting for it")
            return
        if not inside and top in self._gone:
            self._gone.remove(top)
            self._say(f"{top} is back")
        for entry in entries:
            name = os.path.join(inside, entry.name)
            kind = _kind_of(entry)
            if kind == FOLDER:
                yield from self._files(top, name)
            elif kind == IMAGE:
                yield name


def _kind_of(entry: os.DirEntry[str]) -> str:
    """Return whether to look into it, to tag it, or neither."""
    if entry.name.startswith("."):
        return ""
    try:
        if entry.is_dir(follow_symlinks=False):  # a link to a folder above would never end
            return "" if entry.name.lower() in NOT_OF_PEOPLE else FOLDER
    except OSError:
        return ""
    return IMAGE if os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES else ""
