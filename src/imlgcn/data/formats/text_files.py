"""Text as people's programs write it: UTF-8 with or without a mark, UTF-16, Windows' cp1252."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Any

from imlgcn.config import InputError
from imlgcn.parsing import ParseError, parse_json

WINDOWS = "cp1252"
WINDOWS_NOTE = "it is read as Windows text (cp1252), as it is not UTF-8"
MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def decode(content: bytes, path: Path) -> tuple[str, str]:
    """Return a text and its encoding: by its mark, else UTF-8, else Windows' cp1252.

    >>> decode("café".encode("cp1252"), Path("a.csv"))
    ('café', 'cp1252')

    Raises:
        InputError: it is none of these.
    """
    _refuse_nul(content, path)
    encoding = next((name for mark, name in MARKS.items() if content.startswith(mark)), "utf-8-sig")
    try:
        return content.decode(encoding), encoding
    except UnicodeDecodeError as error:
        try:
            return content.decode(WINDOWS), WINDOWS
        except UnicodeDecodeError:
            raise InputError(
                f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8"
            ) from None


def _refuse_nul(content: bytes, path: Path) -> None:
    if b"\0" in content and not content.startswith(tuple(MARKS)):
        raise InputError(
            f"{path}: is not UTF-8 text (byte {content.index(0)} is zero); save it as UTF-8"
        )


def read_decoded(path: Path, content: bytes | None = None) -> tuple[str, str]:
    """Return a text file's content and a note for the reader's reason, empty for UTF-8.

    ``content`` is what would be in the file, where there is none.
    """
    try:
        text, encoding = decode(path.read_bytes() if content is None else content, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    return text, WINDOWS_NOTE if encoding == WINDOWS else ""


def read_text(path: Path) -> str:
    """Return a text file's content: UTF-8, with or without a byte order mark, or UTF-16."""
    try:
        content = path.read_bytes()
        _refuse_nul(content, path)
        mark = next((name for start, name in MARKS.items() if content.startswith(start)), None)
        text = content.decode(mark or "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


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
