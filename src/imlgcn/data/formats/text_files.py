"""Text as people's programs write it: UTF-8 with or without a mark, UTF-16, Windows' cp1252."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from imlgcn.errors import InputError
from imlgcn.parsing import ParseError, parse_json

WINDOWS = "cp1252"
MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
LONG_RUN = 3  # signs beyond ASCII; a word of a western language has no more than two in a row
RUN = re.compile(r"[^\x00-\x7f]+")

_read_as_windows: ContextVar[list[str] | None] = ContextVar("read_as_windows", default=None)


@contextmanager
def windows_text() -> Iterator[list[str]]:
    """Let text files that are not UTF-8 be read as cp1252; yield the names of those that were.

    Only who can say so to the user lets it: elsewhere such a file is refused.
    """
    files: list[str] = []
    token = _read_as_windows.set(files)
    try:
        yield files
    finally:
        _read_as_windows.reset(token)


def read_text(path: Path, content: bytes | None = None) -> str:
    """Return a text file's content: UTF-8, with or without a byte order mark, UTF-16, or cp1252.

    ``content`` is what would be in the file, where there is none.

    Raises:
        InputError: it is none of these, or cp1252 outside of :func:`windows_text`.
    """
    try:
        text, is_windows = _decode(path.read_bytes() if content is None else content, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    if is_windows:
        files = _read_as_windows.get()
        assert files is not None, "others are refused"
        if path.name not in files:
            files.append(path.name)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode(content: bytes, path: Path) -> tuple[str, bool]:
    """Return a text, and whether it was read as cp1252."""
    mark = next((name for start, name in MARKS.items() if content.startswith(start)), None)
    if mark is None and b"\0" in content:
        raise InputError(
            f"{path}: is not UTF-8 text (byte {content.index(0)} is zero); save it as UTF-8"
        )
    try:
        return content.decode(mark or "utf-8-sig"), False
    except UnicodeDecodeError as error:
        if mark is None and _read_as_windows.get() is not None:
            text = content.decode(WINDOWS, errors="replace")
            if _is_western(text):
                return text, True
        raise InputError(
            f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from None


def _is_western(text: str) -> bool:
    """Return whether a text decoded from cp1252 is likely to be in it, not in another script's.

    >>> _is_western("Bäume, Straße"), _is_western("море".encode("cp1251").decode("cp1252"))
    (True, False)
    """
    runs = RUN.findall(text)
    return "\ufffd" not in text and 2 * sum(len(run) >= LONG_RUN for run in runs) <= len(runs)


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file, stripped, without empty ones."""
    return [stripped for line in read_text(path).splitlines() if (stripped := line.strip())]


def read_json(path: Path, without: re.Pattern[str] | None = None) -> Any:
    """Return the content of a JSON file; matches of ``without`` become its group and null."""
    text = read_text(path)
    if without is not None:
        text = without.sub(r"\1null", text)
    try:
        return parse_json(text)
    except ParseError as error:
        raise InputError(f"{path}: is not valid JSON ({error})") from None
