"""What `imlgcn pack` writes: tars of WebDataset or tables of Parquet, and ``pack.manifest``.

The manifest has the names of the labels in their order and the shards with their sizes, so that a
folder that is not whole is noticed. A sample says all that a record says (:func:`to_json`). Shards
without the manifest are read by :mod:`.webdataset` and :mod:`.parquet`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from imlgcn.data.formats.base import ReadOptions, Record, Source, read_text
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.data.packed import cell_path, group_sizes, member_path
from imlgcn.data.unpack import members
from imlgcn.errors import InputError
from imlgcn.numbers import number, plural
from imlgcn.parsing import ParseError, parse_json

NAME = "pack"
OPTIONS: tuple[str, ...] = ()
MANIFEST = "pack.manifest"
VERSION = 1
FORMATS = {"webdataset": ".tar", "parquet": ".parquet"}  # and the suffix of a shard
IMAGE = "image"  # the column of a table


def recognise(source: Path | str) -> str | None:
    """Recognise a folder with a manifest."""
    return f"it holds {MANIFEST}" if (Path(source) / MANIFEST).is_file() else None


def read(source: Path | str, options: ReadOptions) -> Source:
    """Read the records of all shards, in the order in which they were packed.

    Raises:
        InputError: the manifest is damaged, or a shard is missing or of another size.
    """
    folder = Path(source)
    manifest = read_manifest(folder)
    found: list[tuple[int, Record]] = []
    shards = manifest["shards"]
    with options.progress.bar("Reading shards", len(shards), "shards") as advance:
        for shard in shards:
            file = folder / str(shard["file"])
            read_shard = _of_tar if manifest["format"] == "webdataset" else _of_table
            try:
                found += read_shard(file)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise InputError(f"{file}: is not as it was packed ({error!r})") from None
            advance(1)
    if len(found) != manifest["images"]:
        raise InputError(
            f"{folder}: the shards hold {plural(len(found), 'image')} and {MANIFEST} says "
            f"{number(manifest['images'], 0)}; pack the data again"
        )
    records = [record for _, record in sorted(found, key=lambda entry: entry[0])]
    reason = f"{NAME}: {options.why}; {plural(len(shards), 'shard')} of {manifest['format']}"
    said = manifest["published"], manifest["parents"]
    return Source(manifest["labels"], records, NAME, reason, *said)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return a manifest whose shards are all there.

    Raises:
        InputError: it is damaged, of a later version, or a shard is missing or of another size.
    """
    path = folder / MANIFEST
    try:
        manifest = parse_json(read_text(path))
        version = manifest["version"]
        sizes = {folder / Path(str(s["file"])).name: int(s["bytes"]) for s in manifest["shards"]}
        labels, kind = [str(name) for name in manifest["labels"]], str(manifest["format"])
        images, published = int(manifest["images"]), str(manifest.get("published", ""))
        parents = [(str(child), str(parent)) for child, parent in manifest.get("parents", ())]
    except (ParseError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: is damaged ({error}); pack the data again") from None
    if version != VERSION or kind not in FORMATS:
        raise InputError(f"{path}: is of version {version!r} ({kind}); a later imlgcn reads it")
    for file, size in sizes.items():
        if not file.is_file() or file.stat().st_size != size:
            what = "is missing" if not file.is_file() else f"has not {number(size, 0)} bytes"
            raise InputError(f"{file}: {what}, as {MANIFEST} says; copy the folder again")
    shards = [{"file": file.name} for file in sizes]
    return {
        "format": kind,
        "labels": labels,
        "images": images,
        "published": published,
        "parents": parents,
        "shards": shards,
    }


def to_json(record: Record) -> dict[str, Any]:
    """Return what a sample says of its image.

    ``labels`` is as other readers take it: a list of names, unknown ones as ``?name``; or a mapping
    to 1, 0 and -1 where labels that are not mentioned are unknown.
    """
    labels: Any = [*record.labels, *(f"?{name}" for name in record.unknown)]
    plain = not any(name.startswith("?") for name in record.labels)
    if record.absent is not None or not plain:
        labels = dict.fromkeys(record.absent or (), 0) | dict.fromkeys(record.unknown, -1)
        labels |= dict.fromkeys(record.labels, 1)
    more = {"split": record.split, "group": record.group, "fields": dict(record.fields)}
    kept = {key: value for key, value in more.items() if value}
    others = {} if record.absent is None else {"others": "unknown"}
    return {"name": record.name, "labels": labels, **others, **kept}


def from_json(said: Mapping[str, Any], path: Path) -> Record:
    """Return the record of a sample whose image is at ``path``: the reverse of :func:`to_json`."""
    labels = said["labels"]
    if not isinstance(labels, Mapping):
        labels = {n[1:] if n.startswith("?") else n: -1 if n[:1] == "?" else 1 for n in labels}
    by_value: dict[int, list[str]] = {1: [], 0: [], -1: []}
    for name, value in labels.items():
        by_value[value].append(name)
    return Record(
        said["name"],
        path,
        tuple(by_value[1]),
        tuple(by_value[-1]),
        said.get("split"),
        said.get("fields") or {},
        tuple(by_value[0]) if said.get("others") else None,
        said.get("group"),
    )


def _of_tar(tar: Path) -> Iterator[tuple[int, Record]]:
    images: dict[str, Path] = {}
    said: dict[str, Any] = {}
    for name, offset, size, content in members(tar, [".json"]) or ():
        if name.suffix.lower() in IMAGE_SUFFIXES:
            images[name.stem] = member_path(tar, offset, size, name.name)
        elif content is not None:
            said[name.stem] = parse_json(content)
    if images.keys() != said.keys():
        raise InputError(f"{tar}: has not one .json for each image; pack the data again")
    for key, path in images.items():
        yield int(key), from_json(said[key], path)


def _of_table(table: Path) -> Iterator[tuple[int, Record]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(table) as file:
        for group, (_, size, _) in enumerate(group_sizes(table, IMAGE)):
            columns = ["row", "record", f"{IMAGE}.path"]
            cells = file.read_row_group(group, columns=columns, use_threads=False).to_pylist()
            for row, cell in enumerate(cells):
                path = cell_path(table, IMAGE, group, row, size, cell[IMAGE]["path"])
                yield cell["row"], from_json(parse_json(cell["record"]), path)
