"""JSON of one's own: which images have which labels, in one of the usual forms.

- An object of images and labels: ``{"a.jpg": ["sea", "sun"]}``.
- A list of objects, or one object a line (JSON lines), each with a key for the image
  (:data:`IMAGES`) and one for the labels (:data:`LABELS`): ``{"image": "a.jpg", "labels": [...]}``;
  or, without a key for the labels, with 1, 0 or true, false for every label. Such a list may be the
  value of a key of an object (``{"images": [...]}``).
- A list of pairs: ``[["a.jpg", ["sea", "sun"]]]``.

Labels are a list of texts (``?sea`` is unknown), one text whose delimiter is found out as in a
table, an object of labels with 1, 0 or true, false, or a list of objects with ``label`` or
``name``. Numbers need names: a list ``classes`` beside the images, or ``--label-names FILE``.
``split`` and ``group`` are read as in a CSV.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from imlgcn.config import InputError
from imlgcn.data.formats.base import ReadOptions, Record, Source, read_json, split_name
from imlgcn.data.formats.delimiters import RowLabels, expand_unknown, split_cells
from imlgcn.data.formats.image_files import locate
from imlgcn.data.formats.json_labels import Labels, parse_labels_value
from imlgcn.data.formats.json_start import Start, json_start, read_entries
from imlgcn.data.formats.label_numbers import given_names
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.numbers import plural

NAME = "json_list"
IMAGES = (
    *("image", "images", "file_name", "filename", "file", "image_path", "img_path", "filepath"),
    *("path", "img", "image_name", "image_file", "name", "image_id", "id", "url", "image_url"),
)
LABELS = (
    *("labels", "label", "tags", "tag", "classes", "class", "categories", "category", "keywords"),
    *("annotations", "objects", "targets", "target", "gt_label", "gt_labels", "y"),
)
NO_LABELS = ("split", "group", "width", "height", "id", "size")
CLASSES = ("classes", "class_names", "label_names", "names", "categories")

Entry = tuple[str, str, Any, Mapping[str, Any]]  # place, image, labels, the whole object


def recognise(source: Path | str) -> str | None:
    """Recognise a JSON by its first entries."""
    path = Path(source)
    start = json_start(path)
    if start is None or not (_is_object(start) or _is_list(start)):
        return None
    form = {"object": "an object", "list": "a list", "lines": "lines"}[start.kind]
    return f"the file ends in {path.suffix} and holds {form} of images and labels"


def _is_object(start: Start) -> bool:
    """Return whether the first keys are images and the values labels, or one value is a list."""
    if start.kind != "object" or not start.pairs:
        return False
    if all(_is_image(key) for key in start.pairs):
        return True
    if all(isinstance(v, list) and v and _texts(v) for v in list(start.pairs.values())[:3]):
        return len(start.pairs) > 2 and not set(start.pairs) & {*IMAGES, *CLASSES}
    lists = [value for value in start.pairs.values() if isinstance(value, list) and value]
    return any(_is_entry(value[0]) for value in lists) or _is_entry(start.pairs)


def _is_list(start: Start) -> bool:
    if start.kind == "object":
        return False
    first = start.items[0] if start.items else start.pairs
    return _is_entry(first) or _is_pair(first)


def _is_entry(value: Any) -> bool:
    if not isinstance(value, dict) or _key(value, IMAGES) is None:
        return False
    return _key(value, LABELS) is not None or bool(_flags(value))


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and _is_image(value[0])


def _is_image(value: Any) -> bool:
    return isinstance(value, str) and Path(value).suffix.lower() in IMAGE_SUFFIXES


def _texts(values: Sequence[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read the images of one file."""
    path = Path(source)
    start = json_start(path, (path.suffix.lower(),))
    content = read_json(path) if start is not None and start.kind == "object" else None
    entries, how = _entries(path, content, options)
    if not entries:
        raise InputError(f"{path}: lists no images")
    names = given_names(options) or _classes(content)
    places = [entry[0] for entry in entries]
    values = [parse_labels_value(place, labels, names) for place, _, labels, _ in entries]
    labels, rows, note = _rows(values, places, names, options)
    images = [image.replace("\\", "/") for _, image, _, _ in entries]
    where = locate(images, path, options.images)
    records = [
        Record(
            image, file, tuple(present), tuple(unknown), _split(place, entry), group=_group(entry)
        )
        for image, file, (present, unknown), (place, _, _, entry) in zip(
            images, where, rows, entries, strict=True
        )
    ]
    return Source(labels, records, NAME, f"{NAME}: {options.why}; {how}{note}")


def _entries(path: Path, content: Any, options: ReadOptions) -> tuple[list[Entry], str]:
    """Return image and labels of every entry, and which keys they are from."""
    if isinstance(content, dict):
        lists = [k for k, v in content.items() if isinstance(v, list) and v and _is_entry(v[0])]
        if not lists and not _is_entry(content):
            pairs = {k: v for k, v in content.items() if k not in CLASSES or _is_image(k)}
            return [
                (f"{path}: [{key!r}]: ", key, value, {}) for key, value in pairs.items()
            ], "keys are images, values their labels"
        found = content[lists[0]] if lists else [content]
        listed = [(f"{path}, entry {number}: ", entry) for number, entry in enumerate(found, 1)]
    else:
        listed = read_entries(path)
    if listed and _is_pair(listed[0][1]):
        return [_pair(place, entry) for place, entry in listed], "entries are pairs"
    return _objects(path, listed, options)


def _pair(place: str, entry: Any) -> Entry:
    if not _is_pair(entry):
        raise InputError(f"{place}expected [image, [labels]]; got {entry!r:.60}")
    return place, entry[0], entry[1], {}


def _objects(
    path: Path, listed: Sequence[tuple[str, Any]], options: ReadOptions
) -> tuple[list[Entry], str]:
    first = listed[0][1] if listed else None
    image = options.image_column or _key(first, IMAGES)
    given = list(options.label_columns)
    label = given[0] if len(given) == 1 else None if given else _key(first, LABELS, image)
    flags = given[1:] and given or ([] if label else sorted(_flags(first, options.fields)))
    if image is None or not (label or flags):
        keys = ", ".join(first) if isinstance(first, dict) else repr(first)[:60]
        raise InputError(
            f"{path}: cannot tell the image and the labels of an entry (its keys: {keys}); name "
            "them (--image-column NAME --label-column NAME)"
        )
    entries: list[Entry] = []
    for place, entry in listed:
        if not isinstance(entry, dict) or not isinstance(entry.get(image), (str, int)):
            raise InputError(f"{place}expected an object with {image!r}; got {entry!r:.60}")
        if label and label not in entry:
            raise InputError(f"{place}has no {label!r}; write an empty list if it has no labels")
        value = entry[label] if label else {name: entry.get(name) for name in flags}
        entries.append((place, str(entry[image]), value, entry))
    used = label or plural(len(flags), "key") + " of 1 and 0"
    return entries, f"images are {image!r}, labels {used!r}"


def _key(entry: Any, usual: Sequence[str], taken: str | None = None) -> str | None:
    """Return the first of the usual keys that an object has, ignoring case."""
    lowered = {key.lower(): key for key in entry if key != taken} if isinstance(entry, dict) else {}
    return next((lowered[name] for name in usual if name in lowered), None)


def _flags(entry: Any, fields: Sequence[str] = ()) -> set[str]:
    """Return the keys whose values are 1, 0, true or false."""
    if not isinstance(entry, dict):
        return set()
    no_labels = {*NO_LABELS, *fields}
    return {k for k, v in entry.items() if v in (0, 1) and k.lower() not in no_labels}


def _classes(content: Any) -> list[str]:
    """Return the names beside the images that numbers count."""
    for key in CLASSES if isinstance(content, dict) else ():
        value = content.get(key)
        if isinstance(value, list) and value and _texts(value):
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
        cells = split_cells(
            [text for _, text in texts], options.delimiter, lambda n: places[texts[n][0]]
        )
        rows = {row: cells.rows[n] for n, (row, _) in enumerate(texts)}
        note = f"; {cells.how}"
    rows |= {row: value for row, value in enumerate(values) if not isinstance(value, str)}
    found = {name for row in rows.values() for part in row for name in part} - {""}
    labels = [*names, *sorted(found - set(names))]
    return (
        labels,
        [(rows[n][0], expand_unknown(rows[n][0], rows[n][1], labels)) for n in range(len(values))],
        note,
    )


def _split(place: str, entry: Mapping[str, Any]) -> str | None:
    value = entry.get("split")
    if value is None or value == "":
        return None
    try:
        return split_name(str(value))
    except InputError as error:
        raise InputError(f"{place}{error}") from None


def _group(entry: Mapping[str, Any]) -> str | None:
    value = entry.get("group")
    return None if value in (None, "") else str(value)
