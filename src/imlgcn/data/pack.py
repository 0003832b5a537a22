"""Any data set as shards, in one pass: few large files instead of millions of small ones.

Images are copied byte for byte, or made smaller once. Names, labels, unknown and absent marks,
splits, groups and further fields come back from the shards as they were, in the same order.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from imlgcn.data.dataset import Dataset
from imlgcn.data.formats.base import Record, Source
from imlgcn.data.formats.packs import FORMATS, MANIFEST, VERSION, to_json
from imlgcn.data.image_limits import open_image_file
from imlgcn.data.image_store import image_suffix
from imlgcn.data.images import ImageError, image_info, open_image
from imlgcn.data.pack_writers import WRITERS, Sample, ShardWriter
from imlgcn.data.source import DataSource
from imlgcn.errors import InputError, unknown_name
from imlgcn.files import only_writer, write_atomic
from imlgcn.numbers import plural
from imlgcn.progress import SILENT, Progress

IMAGE_FORMATS = {"jpeg": ".jpg", "webp": ".webp"}
MEGABYTE = 10**6
AHEAD = 32  # images that are read before they are written


@dataclass(frozen=True)
class Packed:
    """What was packed.

    Attributes:
        path: the folder.
        shards: its files.
        images: how many images are in them.
        left_out: name of an image that cannot be read -> why.
    """

    path: Path
    shards: tuple[Path, ...]
    images: int
    left_out: dict[str, str]


def pack(
    data: Any,
    out: str | Path,
    *,
    format: str = "webdataset",
    max_size: float = 500.0,
    size: int | None = None,
    image_format: str | None = None,
    quality: int | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
    **how: Any,
) -> Packed:
    """Write ``data`` to the new folder ``out`` as shards that ``load_dataset`` reads back.

    The folder appears once it is whole. An image that cannot be read is left out and said; without
    ``size`` none is decoded, so that a damaged file is kept as it is.

    Args:
        data: a data set, or what :func:`imlgcn.load_dataset` reads.
        out: the folder.
        format: ``webdataset`` (tars) or ``parquet``.
        max_size: of a shard, in MB of 1,000,000 bytes; one image is the least.
        size: make images whose shorter side has more pixels smaller, to so many: upright, in sRGB,
            by Lanczos, without metadata. Smaller ones are copied as they are.
        image_format: of those made smaller, with ``size`` only: ``jpeg`` (colours in full
            resolution), by default, or ``webp``.
        quality: of those made smaller, with ``size`` only: 1 to 100, by default 92.
        overwrite: replace what an earlier call wrote.
        progress: receives a bar and what is left out.
        how: how the data is read, as for :func:`imlgcn.load_dataset`.

    Raises:
        InputError: ``out`` exists, a setting is out of range, or no image can be read.
    """
    _check(format, max_size, size, image_format, quality)
    out = Path(out) if Path(out).name not in ("", "..") else Path(out).resolve()
    with _new_folder(out, overwrite=overwrite) as folder:
        dataset = DataSource.of(data, **how).load(progress)
        _refuse_changed(dataset)
        writer = WRITERS[format](folder, max_size * MEGABYTE)
        prepare = partial(
            _prepare, size=size, image_format=image_format or "jpeg", quality=quality or 92
        )
        try:
            left_out = _write(dataset, writer, prepare, progress)
            writer.close()
        except OSError as error:
            raise OSError(error.errno, error.strerror, error.filename or str(out)) from error
        finally:
            writer.abandon()
        images = len(dataset) - len(left_out)
        if not images:
            first = next(iter(left_out.values()), "the data has no images")
            raise InputError(f"no image can be read; first: {first}")
        manifest = {
            "version": VERSION,
            "format": format,
            "images": images,
            "labels": list(dataset.names),
            "published": dataset.published,
            "parents": dataset.parents,
            "shards": writer.shards,
        }
        write_atomic(folder / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    if left_out:
        some = "; ".join(list(left_out.values())[:3])
        progress.say(f"left out, could not be read: {plural(len(left_out), 'image')} ({some})")
    return Packed(out, tuple(out / shard["file"] for shard in writer.shards), images, left_out)


def _check(
    format: str, max_size: float, size: int | None, image_format: str | None, quality: int | None
) -> None:
    if format not in FORMATS:
        raise unknown_name("format", format, FORMATS)
    if image_format is not None and image_format not in IMAGE_FORMATS:
        raise unknown_name("image format", image_format, IMAGE_FORMATS)
    if not max_size > 0:
        raise InputError(f"max_size must be above 0 MB; got {max_size:g}")
    if size is not None and size < 16:
        raise InputError(f"size is of the shorter side and must be at least 16 pixels; got {size}")
    if quality is not None and not 1 <= quality <= 100:
        raise InputError(f"quality must be from 1 to 100; got {quality}")
    for name, given in (("image_format", image_format), ("quality", quality)):
        if given is not None and size is None:
            raise InputError(
                f"{name}= is of images that are made smaller, and without size= all are copied as "
                "they are: give size=, too, or leave it out"
            )


def _refuse_changed(dataset: Dataset) -> None:
    """Refuse targets that are not what the records say: the records are packed."""
    source = Source(list(dataset.names), list(dataset.records), dataset.reader, dataset.reason)
    if not np.array_equal(Dataset.from_source(source).targets, dataset.targets):
        raise InputError(
            "the targets of the data were changed after it was read, and its records were not; "
            "give the data as it is read"
        )


def _write(
    dataset: Dataset, writer: ShardWriter, prepare: Any, progress: Progress
) -> dict[str, str]:
    """Write all images, read ahead in threads; return why some cannot be read, by their names."""
    left_out: dict[str, str] = {}
    workers = min(4, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool, progress.bar("Packing", len(dataset)) as advance:
        waiting: deque[tuple[int, Record, Future[tuple[bytes, str]]]] = deque()
        records = enumerate(dataset.records)

        def written() -> None:
            row, record, future = waiting.popleft()
            try:
                writer.add(Sample(row, *future.result(), to_json(record)))
            except ImageError as error:
                left_out[record.name] = str(error)
            advance(1)

        try:
            for row, record in records:
                waiting.append((row, record, pool.submit(prepare, record.path)))
                if len(waiting) > AHEAD:
                    written()
            while waiting:
                written()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return left_out


def _prepare(path: Path, *, size: int | None, image_format: str, quality: int) -> tuple[bytes, str]:
    """Return the content of an image, made smaller if it is larger, and its suffix.

    Raises:
        ImageError: it cannot be read.
    """
    try:
        with open_image_file(path) as file:
            content = file.read()
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}") from None
    except InputError as error:
        raise ImageError(f"{path}: {error}") from None
    try:
        if size is not None and min(image_info(content)[:2]) > size:
            return _smaller(content, size, image_format, quality), IMAGE_FORMATS[image_format]
    except ImageError as error:
        raise ImageError(f"{path}: {str(error).removeprefix('image: ')}") from None
    return content, image_suffix(content, path.suffix or ".jpg")


def _smaller(content: bytes, size: int, image_format: str, quality: int) -> bytes:
    image = open_image(content)
    factor = size / min(image.size)
    target = tuple(max(size, round(side * factor)) for side in image.size)
    file = BytesIO()
    options: dict[str, Any] = {"subsampling": 0} if image_format == "jpeg" else {"method": 4}
    smaller = image.resize((target[0], target[1]), Image.Resampling.LANCZOS)
    smaller.save(file, image_format.upper(), quality=quality, **options)
    return file.getvalue()


@contextmanager
def _new_folder(out: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary folder beside ``out`` that takes its place at the end, or disappears."""
    with only_writer(out):
        replaced = out.with_name(f".{out.name}.replaced")
        if replaced.exists() and not out.exists():  # killed between the two renames below
            replaced.rename(out)
        _refuse(out, overwrite=overwrite)
        for left in out.parent.glob(f".{_escaped(out.name)}.*.tmp"):  # of one that was killed
            shutil.rmtree(left, ignore_errors=True)
        folder = out.with_name(f".{out.name}.{secrets.token_hex(4)}.tmp")
        folder.mkdir()
        try:
            yield folder
            if out.exists():
                shutil.rmtree(replaced, ignore_errors=True)
                out.rename(replaced)
            folder.rename(out)
            shutil.rmtree(replaced, ignore_errors=True)
        finally:
            if folder.exists():
                shutil.rmtree(folder, ignore_errors=True)
            if replaced.exists() and not out.exists():
                with suppress(OSError):
                    replaced.rename(out)


def _refuse(out: Path, *, overwrite: bool) -> None:
    if not out.exists():
        return
    if not out.is_dir() or (any(out.iterdir()) and not (out / MANIFEST).is_file()):
        raise InputError(f"{out} exists and was not written by pack; give another folder (out=)")
    if any(out.iterdir()) and not overwrite:
        raise InputError(f"{out} exists; replace it with overwrite=True, or give another folder")


def _escaped(name: str) -> str:
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in name)
