"""The labels of one image as a JSON value: texts, numbers, flags or objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from imlgcn.data.formats.class_names import labels_at
from imlgcn.data.formats.delimiters import RowLabels
from imlgcn.errors import InputError

NAMES = ("label", "name", "class", "category", "tag", "class_name", "category_name")
Labels = str | RowLabels  # a text is taken apart together with those of all images


def parse_labels_value(
    place: str, value: Any, names: Sequence[str] = (), present_above: float | None = None
) -> Labels:
    """Return the present and unknown labels of a value, or a text that holds them.

    Args:
        place: the start of a message.
        value: a list, an object of flags, a text, a number, or null (no label).
        names: what numbers stand for.
        present_above: flags are scores, and a score above this means present.

    Raises:
        InputError: it is none of these; numbers are not the position of a name; flags are scores.

    >>> parse_labels_value("", ["sea", "?sun"])
    (['sea'], ['sun'])
    >>> parse_labels_value("", {"sea": 1, "sun": 0})
    (['sea'], [])
    """
    if isinstance(value, str):
        return value
    if value is None:
        return [], []
    if isinstance(value, Mapping):
        return _flags(place, value, present_above)
    parts = value if isinstance(value, list) else [value]
    if parts and all(type(part) is int for part in parts):
        if not names:
            raise InputError(
                f"{place}its labels are numbers ({parts[0]}, ...), and nothing names them; give a "
                "file with one name a line (label_names=FILE)"
            )
        return labels_at(parts, names, place), []
    texts = list(dict.fromkeys(_text(place, part) for part in parts))
    present = [text for text in texts if text and not text.startswith("?")]
    unknown = [text[1:].strip() for text in texts if text.startswith("?")]
    if both := set(present) & set(unknown):
        raise InputError(f"{place}{min(both)!r} is listed as both present and unknown")
    return present, unknown


def _text(place: str, part: Any) -> str:
    """Return the label that an item of a list is, or that it holds."""
    if isinstance(part, Mapping):
        part = next((part[key] for key in NAMES if isinstance(part.get(key), str)), None)
    if not isinstance(part, str):
        raise InputError(
            f"{place}a label must be a text, or an object with {', '.join(NAMES[:3])}; "
            f"got {part!r:.60}"
        )
    return part.strip()


def _flags(place: str, value: Mapping[str, Any], present_above: float | None) -> RowLabels:
    """Return the labels whose value is 1 or true, or above a number; -1 and null are unknown."""
    numbers = {name.strip(): -1 if flag is None else flag for name, flag in value.items()}
    for name, flag in numbers.items():
        scored = present_above is not None and isinstance(flag, (int, float))
        if not scored and not (isinstance(flag, (int, float)) and flag in (-1, 0, 1)):
            raise InputError(
                f"{place}{name!r} is {flag!r:.40}; expected 1 or true, 0 or false, -1 or null "
                "(unknown); if they are scores, say from which number on a label is present "
                "(present_above=0.5)"
            )
    limit = 0 if present_above is None else present_above
    present = [name for name, flag in numbers.items() if flag > limit]
    unknown = [name for name, flag in numbers.items() if flag == -1]
    return present, unknown
