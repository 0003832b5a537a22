"""A change of a tagger's labels, or its undoing, that was killed between two of its files.

``history/`` holds the files of before (:mod:`imlgcn.growing.history`), and ``model.json`` is
written after all others: so it tells on which side of a change the folder is.
"""

from __future__ import annotations

import filecmp
import shlex
from pathlib import Path

from imlgcn.errors import InputError
from imlgcn.files import sha256_file
from imlgcn.parsing import ParseError, parse_json
from imlgcn.tagger.folder import CHANGE, HISTORY, LEARNT, MODEL, SCORES, SUPPORT, WEIGHTS
from imlgcn.tagger.info import TaggerInfo

CHANGED = (WEIGHTS, SCORES, SUPPORT, LEARNT)  # files that a change of labels writes anew


def refuse_unfinished(path: Path, info: TaggerInfo) -> None:
    """Refuse a folder whose files belong to different states of its labels.

    Raises:
        InputError: with the command that brings back the state before.
    """
    kept = max((path / HISTORY).glob(f"[0-9]*/{CHANGE}"), default=None)
    if kept is None:
        return
    before = kept.parent
    if _is_same(path / MODEL, before / MODEL):
        is_whole = all(_is_same(path / name, before / name) for name in CHANGED)
    else:  # else its undoing has begun: the weights come first
        is_whole = not _is_same(path / WEIGHTS, before / WEIGHTS) or _fit(path / WEIGHTS, info)
    if not is_whole:
        raise InputError(
            f"{path}: a change of its labels ({_what(kept)}) is not finished; if none is running, "
            f"it was killed, and `imlgcn label undo {shlex.quote(str(path))}` takes it back"
        )


def _is_same(file: Path, kept: Path) -> bool:
    """Return whether two files have one content; links cost nothing. People may delete either."""
    if not (file.is_file() and kept.is_file()):
        return True
    return file.samefile(kept) or filecmp.cmp(file, kept, shallow=False)


def _fit(weights: Path, info: TaggerInfo) -> bool:
    return sha256_file(weights) == info.sha256.get(WEIGHTS)


def _what(change: Path) -> str:
    try:
        return str(parse_json(change.read_bytes())["what"])
    except (OSError, ParseError, TypeError, KeyError):
        return "unknown"
