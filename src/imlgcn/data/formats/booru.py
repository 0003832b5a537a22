"""Image boards: Danbooru's metadata, posts of similar boards, and the JSON that gallery-dl writes.

- A file of posts, one object a line or a list of them
  (https://danbooru.donmai.us/wiki_pages/api:posts, https://gwern.net/danbooru2021):
  ``tag_string`` or ``tags``, and ``md5``, ``file_ext`` and ``id``, by which the image is called:
  ``<md5>.<ext>``, ``<id>.<ext>`` or the end of ``file_url``.
- A folder with ``a.jpg.json`` beside ``a.jpg``, of gallery-dl's post-processor ``metadata``
  (https://gdl-org.github.io/docs/configuration.html#metadata-options).

Tags in one text are separated by spaces and keep their underscores; tags may also be a list, or a
list for each kind of tag (e621). Ratings and scores are not labels.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from imlgcn.data.formats.base import ReadOptions, Record, Source, read_json, unwrap
from imlgcn.data.formats.delimiters import split_cells
from imlgcn.data.formats.image_files import locate
from imlgcn.data.formats.json_start import Start, json_start, read_entries
from imlgcn.data.formats.layout import find_sidecars, first_file, locate_any
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.errors import InputError
from imlgcn.numbers import plural

NAME = "booru"
OPTIONS = ("images", "delimiter")
TAGS = ("tag_string", "tags", "labels", "keywords")


def recognise(source: Path | str) -> str | None:
    """Recognise posts by their keys, and a folder by a JSON with tags beside an image."""
    path = Path(source)
    if path.is_dir():
        file = first_file(path, ".json", lambda f: _tags(json_start(f)) and _has_image(f))
        return f"its {file.name} has tags" if file else None
    start = json_start(path)
    key = _tags(start)
    if start is None or not key:
        return None
    nested = start.pairs.get("file")  # e621
    keys = {*start.pairs, *(nested if isinstance(nested, dict) else ())}
    if key != TAGS[0] and "md5" not in keys:
        return None
    return f"the file ends in {path.suffix} and holds posts with {key}"


def _tags(start: Start | None) -> str | None:
    return next((key for key in TAGS if start and key in start.pairs), None)


def _has_image(file: Path) -> bool:
    bare = file.with_suffix("")
    return bare.suffix.lower() in IMAGE_SUFFIXES or any(
        os.path.isfile(bare.with_suffix(suffix)) for suffix in IMAGE_SUFFIXES
    )


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read the posts of a file, or the JSON beside every image of a folder."""
    path = Path(source)
    left = 0
    if path.is_dir():
        folder = unwrap(path)
        found = find_sidecars(folder, ".json")
        pairs = [(file, image) for file, image in found.image_of.items() if image is not None]
        if not pairs:
            raise InputError(f"{folder}: holds no JSON with tags beside an image")
        posts = [(f"{file}: ", read_json(file)) for file, _ in pairs]
        names = [image.relative_to(folder).as_posix() for _, image in pairs]
        where = locate(names, folder / "*.json", options.images)
        left = found.without
    else:
        posts = read_entries(path)
        if not posts:
            raise InputError(f"{path}: holds no posts")
        spellings = list(zip(*(_names(place, post) for place, post in posts), strict=True))
        where = locate_any(spellings, path, options.images)
        names = [file.name for file in where]
    labels, rows = _labels(posts, options)
    records = [
        Record(name, file, tuple(tags)) for name, file, tags in zip(names, where, rows, strict=True)
    ]
    reason = f"{NAME}: {options.why}; tags of every kind are labels"
    if left:
        reason += f"; left out: {plural(left, 'image')} without a JSON"
    return Source(labels, records, NAME, reason)


def _names(place: str, post: Any) -> tuple[str, ...]:
    """Return the names that the file of a post may have."""
    if not isinstance(post, dict):
        raise InputError(f"{place}expected an object; got {post!r:.60}")
    if isinstance(post.get("file"), dict):  # e621
        post = {**post["file"], **post}
    url = str(post.get("file_url") or post.get("url") or "")
    suffix = str(post.get("file_ext") or post.get("ext") or Path(url).suffix.lstrip(".") or "jpg")
    stems = [str(post[key]) for key in ("md5", "id") if post.get(key) is not None]
    if not stems:
        raise InputError(f"{place}has neither md5 nor id, by which its image is called")
    md5_or_id, other = stems[0], stems[-1]
    return (
        f"{md5_or_id}.{suffix}",
        f"{other}.{suffix}",
        url.rsplit("/", 1)[-1] or f"{md5_or_id}.{suffix}",
        f"danbooru_{other}_{md5_or_id}.{suffix}",
    )


def _labels(
    posts: Sequence[tuple[str, Any]], options: ReadOptions
) -> tuple[list[str], list[Sequence[str]]]:
    """Return the tags of all posts and of each."""
    values = []
    for place, post in posts:
        key = next((key for key in TAGS if isinstance(post, dict) and key in post), None)
        if key is None:
            raise InputError(f"{place}has no {' or '.join(TAGS)}")
        values.append((place, post[key]))
    texts = [value for _, value in values if isinstance(value, str)]
    if options.delimiter or any(", " in text for text in texts):
        if len(texts) < len(values):
            raise InputError(f"{values[0][0]}tags are a text in some posts and a list in others")
        cells = split_cells(texts, options.delimiter, lambda row: values[row][0])
        return cells.names, [present for present, _ in cells.rows]
    rows: list[Sequence[str]] = [
        list(dict.fromkeys(_tokens(place, value))) for place, value in values
    ]
    return sorted({tag for row in rows for tag in row}), rows


def _tokens(place: str, value: Any) -> list[str]:
    if isinstance(value, str):
        return value.split()
    if isinstance(value, Mapping):
        return [tag for part in value.values() for tag in _tokens(place, part)]
    if isinstance(value, list) and all(isinstance(tag, str) for tag in value):
        return [tag.strip() for tag in value if tag.strip()]
    raise InputError(f"{place}tags must be a text or a list of texts; got {value!r:.60}")
