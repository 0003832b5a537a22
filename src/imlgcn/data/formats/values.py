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

from imlgcn.config import InputError
from imlgcn.data.formats.delimiters import RowLabels, SplitCells, split_cells

CATEGORY_KEYS = ("category", "categories", "label", "labels", "name", "class", "classes", "tag")
GIVE_NAMES = "give the names in the order of their numbers (label_names=)"


def judge_values(
    values: Sequence[Any],
    names: Sequence[str] | None = None,
    delimiter: str | None = None,
    where: Callable[[int], str] = lambda row: "",
    *,
    indices: bool = False,
) -> SplitCells:
    """Return the labels of each image from what its row holds.

    Args:
        values: per image a text (taken apart by the delimiter), a list of label names, a class
            number or a list of them, a multi-hot vector (L,) of 1, 0 and -1 (unknown), a mapping
            from label to such a number, or a list of objects with a category; None is no label.
        names: what the numbers mean, in their order.
        delimiter: what stands between labels in a text; None = found out.
        where: the start of a message about a row.
        indices: lists of numbers are class numbers for certain, as a schema says.

    Raises:
        InputError: numbers without names, a number or vector that fits no names, mixed kinds.
    """
    plain = [_plain(value) for value in values]
    filled = [row for row, value in enumerate(plain) if value not in (None, "", [])]
    kinds = {_kind(plain[row], where(row)): row for row in reversed(filled)}
    if len(kinds) > 1:
        (first, at), (second, other) = list(kinds.items())[:2]
        raise InputError(
            f"{where(at)}its labels are {first}, those of another row ({where(other).rstrip(': ')})"
            f" {second}; give all in one way"
        )
    kind = next(iter(kinds), "text")
    if kind == "text":
        return split_cells(["" if value in (None, []) else value for value in plain], delimiter, where)
    if kind == "a mapping":
        return _mappings(plain, where)
    if kind == "names":
        return _named(plain, names, where)
    if names is None:
        raise InputError(f"{where(filled[0])}labels are numbers without names; {GIVE_NAMES}")
    return _numbers(plain, list(names), where, indices=indices)


def _plain(value: Any) -> Any:
    """Return a value without arrays, tensors, NaN and objects around categories."""
    if hasattr(value, "tolist") and not isinstance(value, str):
        value = value.tolist()
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, Mapping):
        key = next((key for key in CATEGORY_KEYS if isinstance(value.get(key), list)), None)
        return value if key is None else _plain(value[key])  # boxes: a struct of lists
    if isinstance(value, (tuple, set, frozenset)):
        value = sorted(value) if not isinstance(value, tuple) else list(value)
    if isinstance(value, list):
        return [_category(_plain(item)) for item in value]
    return value


def _category(item: Any) -> Any:
    """Return what an object is, such as ``{"label": "sea", "box": ...}``."""
    if not isinstance(item, Mapping):
        return item
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


def _named(
    values: Sequence[Any], names: Sequence[str] | None, where: Callable[[int], str]
) -> SplitCells:
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


def _numbers(
    values: Sequence[Any], names: list[str], where: Callable[[int], str], *, indices: bool
) -> SplitCells:
    """Return labels given as class numbers or as multi-hot vectors."""
    lists = [value if isinstance(value, list) else [value] for value in values if value is not None]
    vectors = not indices and all(isinstance(value, list) for value in values if value is not None)
    vectors = vectors and all(len(x) == len(names) and set(x) <= {0, 1, -1} for x in lists)
    if vectors and len(names) == 2 and all(set(x) == {0, 1} for x in lists):
        raise InputError(
            f"{where(0)}[0, 1] may be two class numbers or one of two labels; give names instead"
        )
    rows: list[RowLabels] = []
    for row, value in enumerate(values):
        items = [] if value is None else value if isinstance(value, list) else [value]
        if vectors:
            pairs = list(zip(names, items, strict=False))
            rows.append(([n for n, x in pairs if x == 1], [n for n, x in pairs if x == -1]))
        else:
            rows.append((_by_number(items, names, where(row)), []))
    how = "labels are vectors of 1 and 0" if vectors else "labels are class numbers"
    return SplitCells(names, rows, how)


def _by_number(items: Sequence[Any], names: Sequence[str], where: str) -> list[str]:
    for item in items:
        if isinstance(item, bool) or item != int(item) or not 0 <= item < len(names):
            raise InputError(
                f"{where}expected class numbers from 0 to {len(names) - 1}, or {len(names)} times "
                f"1, 0 or -1, for {len(names)} label names; got {list(items)}"
            )
    return list(dict.fromkeys(names[int(item)] for item in items))


def _mappings(values: Sequence[Any], where: Callable[[int], str]) -> SplitCells:
    """Return labels given as ``{"sea": 1, "sand": 0}``."""
    names = list(dict.fromkeys(str(name) for value in values for name in value or ()))
    rows: list[RowLabels] = []
    only_present = all(x in (1, True) for value in values for x in (value or {}).values())
    for row, value in enumerate(values):
        value = {str(name): x for name, x in (value or {}).items()}
        if not only_present and (missing := [name for name in names if name not in value]):
            raise InputError(
                f"{where(row)}says nothing of {missing[0]!r}; give every label 1, 0 or -1 (unknown)"
            )
        if wrong := [x for x in value.values() if x not in (0, 1, -1, None)]:
            raise InputError(
                f"{where(row)}expected 1, 0 or -1 for each label; got {wrong[0]!r}: decide "
                "from which value on a label is present"
            )
        unknown = [name for name, x in value.items() if x in (-1, None)]
        rows.append(([name for name, x in value.items() if x == 1], unknown))
    return SplitCells(names, rows, "labels are mappings from name to 1 and 0")
