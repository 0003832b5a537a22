"""Lists of labels as programs write them into a cell.

JSON (also Label Studio's ``{"choices": [...]}``), Python lists, tuples and sets, numpy arrays with
or without commas, arrays of databases ``{a,b}``, R's ``c("a", "b")``, and ``<a><b>``.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from imlgcn.errors import InputError
from imlgcn.parsing import ParseError, parse_json

NAME_KEYS = ("name", "label", "tag", "title", "value", "text")  # of a label that is an object
CALL = re.compile(r"(?:np\.|numpy\.|pd\.)?(?:array|Index|list|tuple|set|frozenset|c)\((.*)\)", re.S)
TYPE = re.compile(r",\s*dtype=.*\Z", re.S)
QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
ANGLES = re.compile(r"(?:<[^<>]+>)+")
PAIRS = {"[": "]", "{": "}", "(": ")"}


def read_list(cell: str) -> list[str] | None:
    """Return the labels of a cell that can be nothing but a list; None for any other text.

    >>> read_list("['open sea', 'sun']"), read_list("['sea' 'sun']"), read_list("sea")
    (['open sea', 'sun'], ['sea', 'sun'], None)
    >>> read_list('{"choices": ["sea", "sun"]}'), read_list('{"open sea",sun}'), read_list("[]")
    (['sea', 'sun'], ['open sea', 'sun'], [])

    Raises:
        InputError: a list that is not one of labels, or that was cut short.
    """
    text = _without_call(cell.strip())
    if text[:1] in ("'", '"') and not QUOTED.sub("", text).strip(" ,;|"):
        return _names(text)
    if text[:1] == "<" and ANGLES.fullmatch(text):
        return re.findall(r"<([^<>]+)>", text)
    if PAIRS.get(text[:1]) != text[-1:]:
        return None
    if not text[1:-1].strip():
        return []
    outside = QUOTED.sub("", text)
    if outside == text:  # without quotes: a list of numbers, or no list
        value = _literal(text)
        return None if value is None else _labels(value, cell)
    if "..." in outside:
        raise InputError(f"the list {_short(cell)} was cut short when it was written ('...')")
    if text[0] == "{" and ":" not in outside:
        return _quoted_array(text)
    without_commas = text[0] == "[" and "," not in outside
    value = None if without_commas else _literal(text)
    return _quoted(text) if value is None else _labels(value, cell)


def _without_call(text: str) -> str:
    """Return the list in ``array([...], dtype=object)`` or ``c("a", "b")``."""
    call = CALL.fullmatch(text)
    if call is None:
        return text
    inner = TYPE.sub("", call[1]).strip()
    return inner if inner[:1] in PAIRS else f"[{inner}]"


def without_brackets(cell: str) -> str | None:
    """Return what is in the brackets of ``[sea, sun]`` or ``{sea,sun}``; None without any.

    >>> without_brackets("[open sea, sun]"), without_brackets("sea")
    ('open sea, sun', None)
    """
    text = cell.strip()
    inner = text[1:-1]
    if PAIRS.get(text[:1]) != text[-1:] or any(mark in inner for mark in "[]{}"):
        return None
    return inner.strip()


def _literal(text: str) -> Any:
    """Return the value of JSON or of a Python literal; None if it is neither."""
    try:
        return parse_json(text)
    except ParseError:
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _labels(value: Any, cell: str) -> list[str]:
    if isinstance(value, dict):
        value = _of_object(value, cell)
    names = []
    for item in value if isinstance(value, (list, tuple, set, frozenset)) else [value]:
        if isinstance(item, dict):
            item = next((item[key] for key in NAME_KEYS if isinstance(item.get(key), str)), item)
        if isinstance(item, bool) or not isinstance(item, (str, int)):
            raise InputError(f"the list {_short(cell)} holds {item!r}, which is not a label")
        names.append(str(item))
    return sorted(names) if isinstance(value, (set, frozenset)) else names


def _of_object(value: dict[Any, Any], cell: str) -> Any:
    """Return the labels of ``{"choices": [...]}``, or the keys that are true or 1."""
    lists = [item for item in value.values() if isinstance(item, list)]
    if len(lists) == 1:
        return lists[0]
    if len(value) == 1 and all(isinstance(item, str) for item in value.values()):
        return list(value.values())
    if value and all(item in (0, 1) for item in value.values() if not isinstance(item, str)):
        if not any(isinstance(item, str) for item in value.values()):
            return [key for key, shown in value.items() if shown]
        names = [value[key] for key in NAME_KEYS if isinstance(value.get(key), str)]
        if names:
            return names[:1]
    raise InputError(f"{_short(cell)} does not say which labels are present")


def _quoted(text: str) -> list[str] | None:
    """Return the quoted names of an array without commas; None if anything else is there."""
    rest = QUOTED.sub(" ", text[1:-1])
    if rest.strip():
        return None
    return _names(text[1:-1])


def _names(text: str) -> list[str]:
    return [single or double for single, double in QUOTED.findall(text)]


def _quoted_array(text: str) -> list[str] | None:
    """Return the names of a database's array, some of them quoted, or of a Python set."""
    names = []
    inner = text[1:-1]
    for found in re.finditer(
        r"\s*(?:'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"|([^,]*))\s*(?:,|\Z)", inner
    ):
        single, double, plain = found.groups()
        name = single if single is not None else double if double is not None else plain
        if name and name.strip():
            names.append(name.strip().replace('\\"', '"'))
    return names


def _short(cell: str) -> str:
    return repr(cell if len(cell) < 60 else cell[:57] + "...")
