"""The labels of images that are given as values, not as text: lists, numbers, multi-hot vectors.

Readers of JSON, parquet and Python objects take them apart by :func:`judge_values`, so that equal
values give equal labels wherever they come from. Nothing is guessed: numbers without names, vectors
of another length and numbers between 0 and 1 are refused with what to give instead.

Letters used in shapes: L labels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from imlgcn.data.formats.base import ReadOptions
from imlgcn.data.formats.delimiters import RowLabels, SplitCells, split_cells
from imlgcn.data.formats.label_numbers import is_number, names_by_number
from imlgcn.errors import InputError

CATEGORY_KEYS = ("category", "categories", "label", "labels", "name", "class", "classes", "tag")
GIVE_NAMES = (
    "give a file of the names, one a line in the order of the numbers (label_names=FILE; in Python "
    "also a list)"
)
Where = Callable[[int], str]  # the start of a message about a row


def names_given(options: ReadOptions) -> dict[int, str] | None:
    """Return the name of each class number that the user gave, by number."""
    if options.label_names is None:
        return None
    return {int(key): name for key, name in sorted(names_by_number(options.label_names).items())}


def judge_values(
    values: Sequence[Any],
    options: ReadOptions,
    where: Where = lambda row: "",
    *,
    schema: Sequence[str] | None = None,
) -> SplitCells:
    """Return the labels of each image from what its row holds.

    Args:
        values: per image a text (taken apart by the delimiter), a list of label names, a class
            number or a list of them, a multi-hot vector (L,) of 1, 0 and -1 (unknown), a mapping
            from label to such a number, or a list of objects with a category; None is not a label.
        options: the delimiter between labels in a text, names of labels, and codings.
        where: the start of a message about a row.
        schema: names of class numbers by the data's own schema, so that lists are such numbers.

    Raises:
        InputError: numbers without names, a number or vector that fits no names, mixed kinds.
    """
    plain = [_plain(value) for value in values]
    filled = [row for row, value in enumerate(plain) if value not in (None, "", [])]
    kinds: dict[str, int] = {}
    for row in filled:
        kinds.setdefault(_kind(plain[row], where(row)), row)
    if len(kinds) > 1:
        (first, at), (second, other) = list(kinds.items())[:2]
        raise InputError(
            f"{where(at)}its labels are {first}, those of another row ({where(other).rstrip(': ')})"
            f" {second}; give all in one way"
        )
    kind = next(iter(kinds), "text")
    names = dict(enumerate(schema)) if schema is not None else names_given(options)
    if kind == "text":
        texts = ["" if value in (None, []) else value for value in plain]
        return _renamed(split_cells(texts, options.delimiter, where), names, where)
    if kind == "a mapping":
        return _mappings(plain, options, where)
    if kind == "names":
        return _named(plain, schema or (list(names.values()) if names else None), where)
    if names is None:
        raise InputError(f"{where(filled[0])}labels are numbers without names; {GIVE_NAMES}")
    listed = [names[number] for number in sorted(names)]
    if schema is None and _are_vectors(plain, len(names), where, options):
        rows = code_rows([dict(zip(listed, x or [], strict=False)) for x in plain], options, where)
        return SplitCells(listed, rows, "labels are vectors of numbers, one for each label")
    rows = [(_by_number(value, names, where(row)), []) for row, value in enumerate(plain)]
    return SplitCells(listed, rows, "labels are class numbers")


def is_missing(value: Any) -> bool:
    """Return whether a value stands for none: None, NaN, or what pandas has for it."""
    missing = type(value).__name__ in ("NAType", "NaTType")
    return value is None or missing or (isinstance(value, float) and math.isnan(value))


def code_rows(
    rows: Sequence[Mapping[str, Any]], options: ReadOptions, where: Where
) -> list[RowLabels]:
    """Return the labels of rows that hold a number for each label: 1, 0, -1 (unknown), or None.

    Raises:
        InputError: another number, or -1 in data without 0, which may mean either.
    """
    values = {x for row in rows for x in row.values()}
    minus_one = options.minus_one or ("unknown" if 0 in values else None)
    if -1 in values and minus_one is None and options.present_above is None:
        raise InputError(
            f"{where(0)}labels are 1 and -1 and never 0, so that -1 may mean absent or unknown; "
            "say which (minus_one=)"
        )
    coded: list[RowLabels] = []
    for number, row in enumerate(rows):
        if options.present_above is not None:
            level = options.present_above
            coded.append(([n for n, x in row.items() if x is not None and x > level], []))
            continue
        for name, x in row.items():
            if x not in (0, 1, -1, None):
                raise InputError(
                    f"{where(number)}{x!r} for {name!r} is not 1, 0 or -1; say above which number "
                    "a label is present (present_above=)"
                )
        unknown = [n for n, x in row.items() if x == -1] if minus_one == "unknown" else []
        coded.append(([n for n, x in row.items() if x == 1], unknown))
    return coded


def _plain(value: Any) -> Any:
    """Return a value without arrays, tensors, NaN and objects around categories."""
    if hasattr(value, "tolist") and not isinstance(value, str):
        value = value.tolist()
    if is_missing(value):
        return None
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, Mapping):
        held = [value[key] for key in CATEGORY_KEYS if isinstance(value.get(key), list | str)]
        if not held:
            return value
        return _plain(held[0] if isinstance(held[0], list) else held[:1])  # boxes, or one object
    if isinstance(value, (tuple, set, frozenset)):
        value = sorted(value) if not isinstance(value, tuple) else list(value)
    if isinstance(value, list):
        return [_category(x) if isinstance(x, Mapping) else _plain(x) for x in value]
    return value


def _category(item: Mapping[Any, Any]) -> Any:
    """Return what an object is, such as ``{"label": "sea", "box": ...}``."""
    return next((item[key] for key in CATEGORY_KEYS if isinstance(item.get(key), str | int)), item)


def _kind(value: Any, where: str) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, Mapping):
        return "a mapping"
    items = value if isinstance(value, list) else [value]
    if all(isinstance(item, str) for item in items):
        return "names"
    if all(isinstance(item, bool | int | float) for item in items):
        return "numbers"
    found = ", ".join(sorted({type(item).__name__ for item in items}))
    raise InputError(
        f"{where}labels are given as {found}; expected names, or numbers with names (label_names=)"
    )


def _renamed(cells: SplitCells, names: Mapping[int, str] | None, where: Where) -> SplitCells:
    """Return labels that are texts with the names given for them, where they are numbers."""
    if names is None:
        return cells
    if not all(map(is_number, cells.names)):
        rows = [[*present, *(f"?{name}" for name in unknown)] for present, unknown in cells.rows]
        return _named(rows, list(names.values()), where)
    numbered: list[RowLabels] = []
    for row, (present, unknown) in enumerate(cells.rows):
        both = [_by_number([*map(int, part)], names, where(row)) for part in (present, unknown)]
        numbered.append((both[0], both[1]))
    return SplitCells(list(names.values()), numbered, f"{cells.how} and are class numbers")


def _named(values: Sequence[Any], names: Sequence[str] | None, where: Where) -> SplitCells:
    """Return labels given by name; ``?cat`` is unknown, as in every text."""
    rows: list[RowLabels] = []
    for row, value in enumerate(values):
        items = [item.strip() for item in value or [] if item.strip()]
        present = list(dict.fromkeys(item for item in items if not item.startswith("?")))
        unknown = list(dict.fromkeys(item[1:] for item in items if item.startswith("?")))
        if both := set(present) & set(unknown):
            raise InputError(f"{where(row)}{min(both)!r} is listed as both present and unknown")
        if other := set(present + unknown) - set(names or present + unknown):
            raise InputError(f"{where(row)}{min(other)!r} is not in label_names; add it there")
        rows.append((present, unknown))
    found = {name for row in rows for part in row for name in part}
    return SplitCells(list(names or sorted(found)), rows, "labels are lists of names")


def _are_vectors(values: Sequence[Any], labels: int, where: Where, options: ReadOptions) -> bool:
    """Return whether lists of numbers hold one for each label, not class numbers."""
    lists = [value for value in values if value is not None]
    if not all(isinstance(value, list) for value in lists):
        return False
    sizes = {len(value) for value in lists}
    if sizes != {labels}:
        if len(sizes) == 1 and max(sizes) > 2 and not any(set(value) - {0, 1} for value in lists):
            raise InputError(
                f"{where(0)}labels are vectors of {max(sizes)} numbers, for {labels} label names; "
                "give as many names (label_names=)"
            )
        return False
    if options.present_above is not None:
        return True
    if any(set(value) - {0, 1, -1} for value in lists):
        return any(len(set(value)) < labels or set(value) - {*range(labels)} for value in lists)
    if labels == 2 and all(set(value) == {0, 1} for value in lists):
        raise InputError(
            f"{where(0)}[0, 1] may be two class numbers or one of two labels; give names instead"
        )
    return True


def _by_number(value: Any, names: Mapping[int, str], where: str) -> list[str]:
    items = [] if value is None else value if isinstance(value, list) else [value]
    for item in items:
        if isinstance(item, bool) or item not in names:
            raise InputError(
                f"{where}expected class numbers from {min(names)} to {max(names)}, or {len(names)} "
                f"times 1, 0 or -1, for {len(names)} label names; got {items}"
            )
    return list(dict.fromkeys(names[int(item)] for item in items))


def _mappings(values: Sequence[Any], options: ReadOptions, where: Where) -> SplitCells:
    """Return labels given as ``{"sea": 1, "sand": 0}``."""
    rows = [{str(name): _plain(x) for name, x in (value or {}).items()} for value in values]
    names = list(dict.fromkeys(name for row in rows for name in row))
    for number, row in enumerate(rows):
        if wrong := [x for x in row.values() if not isinstance(x, bool | int | float | None)]:
            raise InputError(
                f"{where(number)}expected 1, 0 or -1 for each label; got {wrong[0]!r}: give names "
                "as a list"
            )
    if any(x != 1 for row in rows for x in row.values()):  # else those not listed are absent
        for number, row in enumerate(rows):
            if missing := [name for name in names if name not in row]:
                raise InputError(
                    f"{where(number)}says nothing of {missing[0]!r}; give each label 1, 0 or -1"
                )
    return SplitCells(names, code_rows(rows, options, where), "labels are mappings to 1 and 0")
