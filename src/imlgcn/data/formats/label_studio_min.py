"""Label Studio's JSON-MIN and CSV exports: one entry for each annotation, without its structure.

https://labelstud.io/guide/export, written by ``convert_to_json_min`` and ``csv2.py`` of
https://github.com/HumanSignal/label-studio-sdk. An entry holds the data of its task, one key for
each control of the labelling page (``choice``), and ``annotator``, ``annotation_id``,
``created_at``, ``updated_at``, ``lead_time``. One choice is a string, several are
``{"choices": [...]}``, boxes and the like are a list of regions; in CSV the last two are JSON.

A control of single choices only looks like any text of the task: where no other control has
labels, it must be the only text, be called as controls usually are, or be named
(``--label-column``). Entries of the same task are joined as in :mod:`.label_studio`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from imlgcn.data.formats.base import ReadOptions, Source, read_json
from imlgcn.data.formats.csv import is_table, read_header, read_table
from imlgcn.data.formats.json_start import json_start
from imlgcn.data.formats.label_studio import (
    Leaf,
    describe_kinds,
    image_address,
    join_answers,
    labels_of,
)
from imlgcn.errors import InputError
from imlgcn.parsing import ParseError, parse_json

NAME = "label_studio_min"
OPTIONS = ("images", "label_columns")
KEYS = ("annotation_id", "annotator", "lead_time")  # of every entry
NO_CONTROL = (*KEYS, "id", "created_at", "updated_at", "agreement", "history")
USUAL = ("choice", "choices", "label", "labels", "tag", "tags", "class", "category", "taxonomy")

Entry = Mapping[str, Any]


def recognise(source: Path | str) -> str | None:
    """Recognise a JSON list or a table by the keys that every export has."""
    path = Path(source)
    if is_table(path):
        found = set(read_header(path))
    else:
        start = json_start(path, (".json",))
        found = set(start.pairs) if start is not None and start.kind == "list" else set()
    if not found.issuperset(KEYS):
        return None
    return f"the file ends in {path.suffix} and holds {', '.join(KEYS)}"


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read all annotations."""
    path = Path(source)
    places, entries = _table(path) if is_table(path) else _json(path)
    controls, left = _controls(path, entries, options.label_columns)
    answers: dict[str, tuple[str, list[set[Leaf]]]] = {}
    kinds: Counter[str] = Counter(f"!{name}" for name in left)
    for place, entry in zip(places, entries, strict=True):
        data = [value for key, value in entry.items() if key not in controls]
        address = image_address(data)
        if address is None:
            raise InputError(f"{place}no value names an image; export the project with its images")
        labels: set[Leaf] = set()
        for control in controls:
            for kind, found in _results(entry.get(control)):
                kinds[f"{control} ({kind})" if kind else control] += 1
                labels.update(found)
        answers.setdefault(str(entry.get("id", address)), (address, []))[1].append(labels)
    names, records = join_answers(list(answers.values()), path, options)
    return Source(names, records, NAME, f"{NAME}: {options.why}; {describe_kinds(kinds)}")


def _json(path: Path) -> tuple[list[str], list[Entry]]:
    content = read_json(path)
    entries = content if isinstance(content, list) else []
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict):
            raise InputError(f"{path}, entry {number}: expected an object; got {entry!r:.60}")
    if not entries:
        raise InputError(f"{path}: expected a list of annotations, as in a JSON-MIN export")
    return [f"{path}, entry {number}: " for number in range(1, len(entries) + 1)], entries


def _table(path: Path) -> tuple[list[str], list[Entry]]:
    table = read_table(path)
    entries: list[Entry] = [
        {key: _cell(cell) for key, cell in zip(table.header, row, strict=True) if key}
        for row in table.rows
    ]
    return [table.at(row) for row in range(len(entries))], entries


def _cell(cell: str) -> Any:
    """Return a cell as JSON-MIN would have it: lists and objects are written as JSON."""
    if cell[:1] not in ("{", "["):
        return cell or None
    try:
        return parse_json(cell)
    except ParseError:
        return cell


def _controls(
    path: Path, entries: Sequence[Entry], given: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Return the keys whose values are labels, and those of other texts and results."""
    values: dict[str, list[Any]] = {}
    for entry in entries:
        for key, value in entry.items():
            if key not in NO_CONTROL and value not in (None, "", []):
                values.setdefault(key, []).append(value)
    if given:
        if missing := [name for name in given if name not in values]:
            raise InputError(f"{path}: has no key {missing[0]!r}; it has {', '.join(values)}")
        return list(given), []
    labelled = [k for k, found in values.items() if any(_is_labels(value) for value in found)]
    images = [k for k, found in values.items() if image_address(found[:1])]
    texts = [k for k in values if k not in labelled and k not in images]
    usual = [k for k in texts if k.lower() in USUAL and isinstance(values[k][0], str)]
    chosen = labelled + usual or (texts if len(texts) == 1 else [])
    if not chosen:
        listed = ", ".join(texts) or "none beside the image"
        example = texts[0] if texts else "NAME"
        raise InputError(
            f"{path}: cannot tell which of its texts are the labels ({listed}); name them "
            f"(label_columns={example}), or export the project as JSON"
        )
    return chosen, [k for k in texts if k not in chosen]


def _is_labels(value: Any) -> bool:
    return not isinstance(value, str) and any(kind for kind, _ in _results(value))


def _results(value: Any) -> list[tuple[str, list[Leaf]]]:
    """Return the labels in a control's value, each with its kind; "" is a single choice."""
    if isinstance(value, str):
        return [("", [("", value.strip())])]
    results: list[tuple[str, list[Leaf]]] = []
    for region in value if isinstance(value, list) else [value]:
        if isinstance(region, str):
            results.append(("", [("", region.strip())]))
        elif isinstance(region, dict) and (found := labels_of(region)):
            results.append(found)
    return results
