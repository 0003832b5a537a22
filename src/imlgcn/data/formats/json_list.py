"""JSON of one's own: which images have which labels, in one of the usual forms.

- An object of images and labels (``{"a.jpg": ["sea", "sun"]}``) or of labels and images
  (``{"sea": ["a.jpg"]}``).
- A list of objects, or one object a line (JSON lines), each with a key for the image
  (as the columns of tables are called, or ``--image-column``) and one for the labels (likewise, or
  ``--label-column``): ``{"image": "a.jpg", "labels": [...]}``; or,
  without a key for the labels, with 1, 0 or true, false for every label. Such a list may be the
  value of a key of an object (``{"images": [...]}``), and may be written column by column, as
  pandas does.
- A list of pairs: ``[["a.jpg", ["sea", "sun"]]]``.

Labels are a list of texts (``?sea`` is unknown), one text whose delimiter is found out as in a
table, an object of labels with 1, 0 or true, false, or a list of objects with ``label`` or
``name``. Numbers need names: a list ``classes`` beside the images, or ``label_names=FILE``.
Entries of the same image are joined. ``split`` and ``group`` are read as in a CSV.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from imlgcn.data.formats.base import (
    TABLE_OPTIONS,
    ReadOptions,
    Record,
    Source,
    read_json,
    split_name,
)
from imlgcn.data.formats.class_names import given_names
from imlgcn.data.formats.delimiters import RowLabels, expand_unknown, split_cells
from imlgcn.data.formats.image_files import locate
from imlgcn.data.formats.json_forms import CLASSES, Entry, entries_of, form_of
from imlgcn.data.formats.json_labels import Labels, parse_labels_value
from imlgcn.data.formats.json_start import json_start
from imlgcn.errors import InputError

NAME = "json_list"
OPTIONS = TABLE_OPTIONS


def recognise(source: Path | str) -> str | None:
    """Recognise a JSON by its first entries."""
    path = Path(source)
    start = json_start(path)
    form = form_of(start) if start is not None else None
    return f"the file ends in {path.suffix} and holds {form}" if form else None


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read the images of one file."""
    path = Path(source)
    start = json_start(path, (path.suffix.lower(),))
    content = read_json(path) if start is not None and start.kind == "object" else None
    entries, how = entries_of(path, content, options)
    if not entries:
        raise InputError(f"{path}: lists no images")
    names = given_names(options) or _classes(content)
    places = [entry.place for entry in entries]
    _ask_minus_one(path, entries, options)
    values = [
        parse_labels_value(entry.place, _coded(entry.labels, options), names, options.present_above)
        for entry in entries
    ]
    labels, rows, note = _rows(values, places, names, options)
    images = [entry.image.replace("\\", "/") for entry in entries]
    where = locate(images, path, options.images)
    records: dict[str, Record] = {}
    for image, file, (present, unknown), entry in zip(images, where, rows, entries, strict=True):
        split, group = _split(entry.place, entry.others, options), _group(entry.others, options)
        record = Record(image, file, tuple(present), tuple(unknown), split, group=group)
        records[image] = _join(records[image], record) if image in records else record
    if len(records) < len(entries):
        note += f"; {len(entries)} entries of {len(records)} images: those of an image are joined"
    return Source(labels, list(records.values()), NAME, f"{NAME}: {options.why}; {how}{note}")


def _ask_minus_one(path: Path, entries: Sequence[Entry], options: ReadOptions) -> None:
    """Refuse flags of 1 and -1 without any 0: -1 may mean absent."""
    flags = [v for e in entries if isinstance(e.labels, dict) for v in e.labels.values()]
    if -1 in flags and 0 not in flags and options.minus_one is None:
        raise InputError(
            f"{path}: its labels are 1 and -1 and never 0; say what -1 means "
            "(minus_one=absent, or minus_one=unknown)"
        )


def _coded(labels: Any, options: ReadOptions) -> Any:
    """Return labels with -1 as the user says."""
    if options.minus_one != "absent" or not isinstance(labels, dict):
        return labels
    return {name: 0 if value == -1 else value for name, value in labels.items()}


def _join(first: Record, second: Record) -> Record:
    """Return a record with the labels of two of the same image; present counts above unknown."""
    present = dict.fromkeys([*first.labels, *second.labels])
    unknown = [n for n in dict.fromkeys([*first.unknown, *second.unknown]) if n not in present]
    return replace(first, labels=tuple(present), unknown=tuple(unknown))


def _classes(content: Any) -> list[str]:
    """Return the names beside the images that numbers count."""
    for key in CLASSES if isinstance(content, dict) else ():
        value = content.get(key)
        if isinstance(value, list) and value and all(isinstance(name, str) for name in value):
            return [name.strip() for name in value]
    return []


def _rows(
    values: Sequence[Labels], places: Sequence[str], names: Sequence[str], options: ReadOptions
) -> tuple[list[str], list[RowLabels], str]:
    """Return all labels, those of each image, and a note; texts are split all together."""
    texts = [(row, value) for row, value in enumerate(values) if isinstance(value, str)]
    rows: dict[int, RowLabels] = {}
    note = ""
    if texts:
        cells = [text for _, text in texts]
        split = split_cells(cells, options.delimiter, lambda n: places[texts[n][0]])
        rows = {row: split.rows[n] for n, (row, _) in enumerate(texts)}
        note = f"; {split.how}"
    rows |= {row: value for row, value in enumerate(values) if not isinstance(value, str)}
    found = {name for row in rows.values() for part in row for name in part} - {""}
    labels = [*names, *sorted(found - set(names))]
    judged: list[RowLabels] = []
    for number in range(len(values)):
        present, unknown = rows[number]
        judged.append((present, expand_unknown(present, unknown, labels)))
    return labels, judged, note


def _split(place: str, entry: Mapping[str, Any], options: ReadOptions) -> str | None:
    value = entry.get(options.split_column or "split")
    if value is None or value == "":
        return None
    try:
        return split_name(str(value))
    except InputError as error:
        raise InputError(f"{place}{error}") from None


def _group(entry: Mapping[str, Any], options: ReadOptions) -> str | None:
    value = entry.get(options.group_column or "group")
    return None if value in (None, "") else str(value)
