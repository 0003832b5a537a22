"""The forms in which people write images and their labels as JSON (see :mod:`.json_list`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from imlgcn.data.formats.base import ReadOptions
from imlgcn.data.formats.column_names import IMAGE_COLUMNS, LABEL_COLUMNS, PROPERTIES, normal
from imlgcn.data.formats.json_start import Start, read_entries
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.errors import InputError
from imlgcn.numbers import plural

LABELS = (*LABEL_COLUMNS, "gtlabel", "gtlabels", "y")
CLASSES = ("classes", "class_names", "label_names", "names", "categories")
NO_LABELS = {"split", "group", "id", "iscrowd", "ignore", "score", "confidence", *PROPERTIES}


class Entry(NamedTuple):
    """An image and its labels as they are written."""

    place: str  # the start of a message
    image: str
    labels: Any
    others: Mapping[str, Any] = {}  # the object of which they are from


def form_of(start: Start) -> str | None:
    """Return in which form the first entries of a file are, or None."""
    if start.kind != "object":
        first = start.items[0] if start.items else start.pairs
        if _is_entry(first) or _is_pair(first):
            return f"{'a list' if start.kind == 'list' else 'lines'} of images and labels"
        return None
    return _form(start.pairs)


def _form(pairs: Mapping[str, Any]) -> str | None:
    """Return the form of an object, of which the first pairs are enough."""
    values = [pairs[key] for key in pairs if key not in CLASSES or is_image(key)]
    keys = [key for key in pairs if key not in CLASSES]
    if keys and all(is_image(key) for key in keys):
        return "images with their labels"
    if _columns(pairs):
        return "columns"
    if _inside(pairs):
        return "an object under a key"
    if "images" in pairs and "annotations" in pairs:
        return None  # COCO without categories
    return _form_of_lists(pairs, values)


def _form_of_lists(pairs: Mapping[str, Any], values: Sequence[Any]) -> str | None:
    """Return the form of an object whose values are lists, or one of whose values is."""
    lists = [value for value in values if isinstance(value, list) and value]
    if any(_is_entry(value[0]) or _is_pair(value[0]) for value in lists):
        return "a list under a key"
    if _is_entry(pairs):
        return "one image"
    if len(values) < 2 or len(lists) < len(values):
        return None
    if all(is_image(item) for value in lists for item in value):
        return "labels with their images"
    texts = all(isinstance(item, str) for value in lists for item in value)
    return (
        "images with their labels"
        if texts and not {*map(normal, pairs)} & {*IMAGE_COLUMNS, *LABELS}
        else None
    )


def entries_of(path: Path, content: Any, options: ReadOptions) -> tuple[list[Entry], str]:
    """Return all entries of a file, and how images and labels were told apart.

    ``content`` is that of a file that holds one object; None for a list, or lines, to be read.

    Raises:
        InputError: an entry is not like the first, or has no image.
    """
    form = _form(content) if isinstance(content, dict) else None
    if form == "labels with their images":
        labels_of: dict[str, list[str]] = {}
        for label, images in _items(content):
            for image in images if isinstance(images, list) else [images]:
                labels_of.setdefault(str(image), []).append(label)
        pairs: Iterable[tuple[str, Any]] = labels_of.items()
        return [Entry(f"{path}: ", *pair) for pair in pairs], "keys are labels, values their images"
    if form in ("images with their labels", "an object under a key"):
        pairs = [(k, _labels(v)) for k, v in _items(_inside(content) or content)]
        found = [Entry(f"{path}: [{image!r}]: ", image, labels) for image, labels in pairs]
        return found, "keys are images, values their labels"
    listed = _listed(path, content, form)
    if listed and _is_pair(listed[0][1]):
        return [_pair(place, entry) for place, entry in listed], "entries are pairs"
    return _objects(path, listed, options)


def _inside(pairs: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the object under a key of which all keys are images."""
    objects = (value for value in pairs.values() if isinstance(value, dict) and value)
    return next((value for value in objects if all(map(is_image, value))), None)


def _labels(value: Any) -> Any:
    """Return the labels of an image, or of an object that holds them under a usual name."""
    key = key_of(value, LABELS)
    return value[key] if key is not None and isinstance(value[key], (list, str)) else value


def _items(content: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(key, value) for key, value in content.items() if key not in CLASSES or is_image(key)]


def _listed(path: Path, content: Any, form: str | None) -> list[tuple[str, Any]]:
    """Return the objects or pairs of a file with their places."""
    if content is None:
        return read_entries(path)
    found: Sequence[Any] = [content]
    if form == "a list under a key":
        lists = [value for value in content.values() if isinstance(value, list) and value]
        found = next(value for value in lists if _is_entry(value[0]) or _is_pair(value[0]))
    elif form == "columns":
        columns = _columns(content)
        lengths = {name: len(column) for name, column in columns.items()}
        if len(set(lengths.values())) > 1:
            raise InputError(f"{path}: its columns have different lengths: {lengths}")
        found = [
            dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
        ]
    return [(f"{path}, entry {number}: ", entry) for number, entry in enumerate(found, 1)]


def _columns(pairs: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the columns of a table, as pandas writes one by default or as lists; else none."""
    if isinstance(pairs.get("columns"), list) and isinstance(pairs.get("data"), list):
        rows = [row for row in pairs["data"] if isinstance(row, list)]
        return dict(
            zip(map(str, pairs["columns"]), map(list, zip(*rows, strict=False)), strict=False)
        )
    columns = {
        name: list(value.values()) if isinstance(value, dict) else value
        for name, value in pairs.items()
        if isinstance(value, (list, dict))
    }
    image = key_of(columns, IMAGE_COLUMNS)
    if image is None or not columns[image] or not all(isinstance(v, str) for v in columns[image]):
        return {}
    return columns if key_of(columns, LABELS, image) else {}


def _pair(place: str, entry: Any) -> Entry:
    if not _is_pair(entry):
        raise InputError(f"{place}expected [image, [labels]]; got {entry!r:.60}")
    return Entry(place, entry[0], entry[1])


def _objects(
    path: Path, listed: Sequence[tuple[str, Any]], options: ReadOptions
) -> tuple[list[Entry], str]:
    first = listed[0][1] if listed else None
    image = options.image_column or image_key(first)
    given = list(options.label_columns)
    label = key_of(first, LABELS, image) if not given else given[0] if len(given) == 1 else None
    flags = [] if label else given or sorted(_flags(first, options.fields))
    if image is None or not (label or flags):
        keys = ", ".join(first) if isinstance(first, dict) else repr(first)[:60]
        raise InputError(
            f"{path}: cannot tell the image and the labels of an entry (its keys: {keys}); name "
            "them (image_column=NAME, label_columns=NAME)"
        )
    entries = []
    for place, entry in listed:
        if not isinstance(entry, dict) or not isinstance(entry.get(image), (str, int)):
            raise InputError(f"{place}expected an object with {image!r}; got {entry!r:.60}")
        if label and label not in entry:
            raise InputError(f"{place}has no {label!r}; write an empty list if it has no labels")
        value = entry[label] if label else {name: entry.get(name) for name in flags}
        entries.append(Entry(place, str(entry[image]), value, entry))
    used = repr(label) if label else plural(len(flags), "key") + " of 1 and 0"
    return entries, f"images are {image!r}, labels {used}"


def key_of(entry: Any, usual: Sequence[str], taken: str | None = None) -> str | None:
    """Return the first of the usual keys that an object has, without case, spaces and signs."""
    known = {normal(key): key for key in entry if key != taken} if isinstance(entry, dict) else {}
    return next((known[name] for name in usual if name in known), None)


def image_key(entry: Any) -> str | None:
    """Return the key of an object's image: the first usual one, if it can, that names a file."""
    known = {normal(key): key for key in entry} if isinstance(entry, dict) else {}
    keys = [known[name] for name in IMAGE_COLUMNS if name in known]
    return next((key for key in keys if is_image(entry[key])), keys[0] if keys else None)


def is_image(value: Any) -> bool:
    """Return whether a text ends like the name of an image."""
    return isinstance(value, str) and Path(value).suffix.lower() in IMAGE_SUFFIXES


def _is_entry(value: Any) -> bool:
    image = image_key(value)
    if image is None or not isinstance(value[image], (str, int)):
        return False
    return key_of(value, LABELS, image) is not None or bool(_flags(value))


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and is_image(value[0])


def _flags(entry: Any, fields: Sequence[str] = ()) -> set[str]:
    """Return the keys whose values are 1, 0, true or false; none if it is only one."""
    if not isinstance(entry, dict):
        return set()
    flags = {
        key
        for key, value in entry.items()
        if isinstance(value, (int, float)) and value in (-1, 0, 1) and key not in fields
    }
    flags = {key for key in flags if not (normal(key) in NO_LABELS or normal(key).endswith("id"))}
    return flags if len(flags) > 1 else set()
