"""The first entries of a JSON file, by which a reader recognises it without reading it whole."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from imlgcn.data.formats.base import read_json, read_text
from imlgcn.data.formats.text_files import MARKS
from imlgcn.errors import InputError
from imlgcn.parsing import ParseError, parse_json

SUFFIXES = (".json", ".jsonl", ".ndjson")
START = 200_000  # bytes read; labels of thousands of classes may come before the first image
ENTRIES = 5
DECODER = json.JSONDecoder()
SPACE = re.compile(r"[\s,]*")
KEY = re.compile(r'("(?:[^"\\]|\\.)*")\s*:\s*')


@dataclass(frozen=True)
class Start:
    """The first entries of a JSON file.

    ``items`` are the first objects of a list or of JSON lines. ``pairs`` are the first keys and
    values of an object: of the file itself, or of the first item. A value that does not end within
    the bytes read is there in part (or None), and its first character is in ``cut``.
    """

    kind: Literal["object", "list", "lines"]
    items: list[Any] = field(default_factory=list)
    pairs: dict[str, Any] = field(default_factory=dict)
    cut: dict[str, str] = field(default_factory=dict)

    def opens(self, key: str) -> str:
        """Return the first character of the value of ``key``: ``{``, ``[`` or another; else "".

        >>> Start("object", pairs={"a": [1]}).opens("a")
        '['
        """
        if key in self.cut:
            return self.cut[key]
        return json.dumps(self.pairs[key])[0] if key in self.pairs else ""


def json_start(path: Path, suffixes: tuple[str, ...] = SUFFIXES) -> Start | None:
    """Return the first entries of a JSON file; None if it is none, or is empty."""
    if path.suffix.lower() not in suffixes or not path.is_file():
        return None
    state = path.stat()
    return _start(str(path), state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=64)  # a dozen readers ask, one after another
def _start(path: str, _changed: int, _size: int) -> Start | None:
    with open(path, "rb") as file:
        content = file.read(START)
    encoding = next((MARKS[mark] for mark in MARKS if content.startswith(mark)), "utf-8-sig")
    text = content.decode(encoding, errors="replace").lstrip()
    if text.startswith("["):
        items, cut = _items(text, 1)
        return Start("list", items, *_first_object(items, text, cut))
    if not text.startswith("{"):
        return None
    pairs, cut_pairs, end = _pairs(text, 1)
    after = text[end:].lstrip()
    if end and after.startswith("{"):
        return Start("lines", _items(text, 0)[0], pairs, cut_pairs)
    return Start("object", [], pairs, cut_pairs)


def _items(text: str, at: int) -> tuple[list[Any], int]:
    """Return the first values from a position on, and where the one after them begins."""
    items: list[Any] = []
    at = SPACE.match(text, at).end()  # type: ignore[union-attr]
    while len(items) < ENTRIES and at < len(text) and text[at] != "]":
        try:
            value, at = DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        items.append(value)
        at = SPACE.match(text, at).end()  # type: ignore[union-attr]
    return items, at


def _first_object(items: list[Any], text: str, at: int) -> tuple[dict[str, Any], dict[str, str]]:
    if items:
        return (items[0] if isinstance(items[0], dict) else {}), {}
    if text[at : at + 1] != "{":
        return {}, {}
    pairs, cut, _ = _pairs(text, at + 1)
    return pairs, cut


def _pairs(
    text: str, at: int, *, inside: bool = False
) -> tuple[dict[str, Any], dict[str, str], int]:
    """Return keys and values, the cut values, and where the object ends (0 if it does not)."""
    pairs: dict[str, Any] = {}
    cut: dict[str, str] = {}
    while True:
        at = SPACE.match(text, at).end()  # type: ignore[union-attr]
        if text[at : at + 1] == "}":
            return pairs, cut, at + 1
        key = KEY.match(text, at)
        if key is None:
            return pairs, cut, 0
        try:
            name = json.loads(key[1])
        except ValueError:
            return pairs, cut, 0
        try:
            pairs[name], at = DECODER.raw_decode(text, key.end())
        except (ValueError, RecursionError):
            cut[name] = text[key.end() : key.end() + 1]
            pairs[name] = None if inside else _part(text, key.end())
            return pairs, cut, 0


def _part(text: str, at: int) -> Any:
    """Return the first entries of a value that is cut off."""
    if text[at : at + 1] == "{":
        return _pairs(text, at + 1, inside=True)[0]
    return _items(text, at + 1)[0] if text[at : at + 1] == "[" else None


def read_entries(path: Path) -> list[tuple[str, Any]]:
    """Return the entries of a JSON list or of JSON lines, each with its place for messages.

    Raises:
        InputError: the file is neither, or a line is not valid JSON.
    """
    start = json_start(path, (path.suffix.lower(),))
    if start is not None and start.kind == "list":
        content = read_json(path)
        return [(f"{path}, entry {n}: ", entry) for n, entry in enumerate(content, start=1)]
    entries = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entries.append((f"{path}, line {number}: ", parse_json(line)))
        except ParseError as error:
            raise InputError(
                f"{path}, line {number}: is not valid JSON ({error}); expected a list, or one "
                "object a line"
            ) from None
    return entries
