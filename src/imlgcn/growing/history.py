"""The states of a tagger folder before each change of its labels, so that it can be taken back.

``history/0001`` holds what the folder held before the first change: hard links, where the disk has
them, so that a state costs no space until files differ. Every file of a tagger is replaced as a
whole, never written into, so a link keeps the old one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from imlgcn.errors import InputError
from imlgcn.files import write_atomic
from imlgcn.growing.alone import alone
from imlgcn.parsing import parse_json
from imlgcn.stopping import remember, safe_points
from imlgcn.tagger.folder import CHANGE, HISTORY, MODEL, WEIGHTS
from imlgcn.tagger.info import read_info


@dataclass(frozen=True)
class Change:
    """A change of a tagger's labels: its number, what was done, and when (UTC, ISO 8601)."""

    number: int
    what: str
    when: str


def changes(tagger: Path) -> list[Change]:
    """Return the changes that can be taken back, the earliest first."""
    found = []
    for folder in sorted((tagger / HISTORY).glob("[0-9]*")):
        if (folder / CHANGE).is_file():
            content = parse_json((folder / CHANGE).read_text(encoding="utf-8"))
            found.append(Change(int(folder.name), content["what"], content["when"]))
    return found


def keep_state(tagger: Path, what: str, names: Iterable[str]) -> Path:
    """Keep the files ``names`` as they are, before ``what`` is done; return where.

    The description is written last: a state without one is not complete, and is not used.
    """
    last = max((int(p.name) for p in (tagger / HISTORY).glob("[0-9]*")), default=0)
    folder = tagger / HISTORY / f"{last + 1:04}"
    folder.mkdir(parents=True)
    for name in names:
        if (tagger / name).is_file():
            _link(tagger / name, folder / name)
    content = {"what": what, "when": datetime.now(UTC).isoformat(timespec="seconds")}
    write_atomic(folder / CHANGE, json.dumps(content, indent=1) + "\n")
    return folder


@alone
def undo(tagger: str | Path) -> Change:
    """Take the last change of a tagger's labels back and return what it was.

    Raises:
        InputError: the folder is not a tagger, or there is nothing to take back.
    """
    path = Path(tagger)
    if not (found := changes(path)):
        raise InputError(
            f"{path} has no change of labels to take back: `imlgcn label` keeps the state before "
            "each change it makes"
        )
    last = found[-1]
    folder = path / HISTORY / f"{last.number:04}"
    kept = {file.name for file in folder.iterdir()} - {CHANGE}
    since = set(read_info(path).sha256) - kept  # exported after the change: with its labels
    done = f"{last.what} is taken back"
    with safe_points(done):  # they belong together
        # the weights first: by them an undoing that was killed is known
        for name in sorted(kept - {MODEL}, key=lambda name: (name != WEIGHTS, name)):
            _put_back(folder / name, path / name)
        _put_back(folder / MODEL, path / MODEL)  # last: it names the hashes of the others
        for name in since:
            (path / name).unlink(missing_ok=True)
        shutil.rmtree(folder)
        if not any((path / HISTORY).iterdir()):
            (path / HISTORY).rmdir()
        remember(done)
    return last


def _put_back(kept: Path, place: Path) -> None:
    temporary = place.with_name(f".{place.name}.undo.tmp")
    _link(kept, temporary)
    temporary.replace(place)
    temporary.unlink(missing_ok=True)  # renaming one link of a file to another does nothing


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links
        shutil.copy2(source, target)
