"""The files of a tagger folder as others may have them: without paths, names and hashes of images.

With support, what names images is there as well: for taggers that are passed on among those who
have the images.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from imlgcn.errors import InputError
from imlgcn.files import sha256_file
from imlgcn.model_card.sources import OPENCLIPART
from imlgcn.tagger import Tagger
from imlgcn.tagger.folder import (
    CONFIG,
    LABEL_TABLE,
    LEARNT,
    METRICS,
    MODEL,
    ORIGIN,
    SCORES,
    SUPPORT,
    WEIGHTS,
    exported_name,
)
from imlgcn.tagger.learnt import KEY as LEARNT_KEY

ONNX = exported_name(".onnx")
METADATA = 14  # the field of an ONNX file (onnx.proto, ModelProto.metadata_props)
NAMING = (SUPPORT, SCORES, LEARNT)  # what names images, or knows them by their hashes


def write_public_files(
    tagger: Tagger, folder: Path, onnx: Path, *, with_support: bool = False
) -> None:
    """Write the files that use a tagger into ``folder``, ``model.json`` as the last.

    ``onnx``: its exported file, in its own folder or elsewhere.

    Raises:
        InputError: the tagger's weights are missing.
    """
    path, info = tagger.path, tagger.info
    if not (path / WEIGHTS).is_file():
        raise InputError(f"{path / WEIGHTS} is missing; train again, or copy the folder again")
    shutil.copyfile(path / WEIGHTS, folder / WEIGHTS)
    hashes = {WEIGHTS: info.sha256[WEIGHTS]}
    data = onnx.read_bytes()
    kept = data if with_support else without_metadata(data, {LEARNT_KEY})
    (folder / ONNX).write_bytes(kept)
    hashes[ONNX] = sha256_file(folder / ONNX)
    if (path / LABEL_TABLE).is_file():
        shutil.copyfile(path / LABEL_TABLE, folder / LABEL_TABLE)
    if tagger.folder.metrics:
        text = json.dumps(public_metrics(tagger.folder.metrics, with_support), indent=1)
        (folder / METRICS).write_text(text + "\n", encoding="utf-8")
    if tagger.folder.config:
        (folder / CONFIG).write_text(_settings_text(tagger.folder.config), encoding="utf-8")
    for name in NAMING if with_support else ():
        if (path / name).is_file():
            shutil.copyfile(path / name, folder / name)
    changed = info.model_copy(update={"sha256": hashes})
    (folder / MODEL).write_text(changed.model_dump_json(indent=1) + "\n", encoding="utf-8")


def public_metrics(metrics: dict[str, Any], with_support: bool) -> dict[str, Any]:
    """Return metrics in which images that could not be read are a number, not names."""
    failed = metrics.get("failed_images")
    if not failed or with_support:
        return metrics
    numbered = {f"image {number + 1}": "could not be read" for number in range(len(failed))}
    return metrics | {"failed_images": numbered}


def public_settings(config: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a training without its data and without paths.

    >>> public_settings({"data": "/home/ada/photos", "head": "auto", "weights": "/home/ada/w.pt"})
    {'head': 'auto', 'weights': None}
    """
    kept = {key: value for key, value in config.items() if key not in ORIGIN}
    if config.get("data") == OPENCLIPART:
        kept = {"data": OPENCLIPART} | kept
    if kept.get("weights"):
        kept["weights"] = None
    embeddings = kept.get("label_embeddings")
    if isinstance(embeddings, dict) and embeddings.get("words"):
        kept["label_embeddings"] = embeddings | {"words": None}
    return kept


def _settings_text(config: dict[str, Any]) -> str:
    import yaml

    text: str = yaml.safe_dump(public_settings(config), sort_keys=False, allow_unicode=True)
    return "# as it was trained; paths of that machine are left out\n" + text


def without_metadata(model: bytes, keys: Collection[str]) -> bytes:
    """Return an ONNX file without entries of its metadata; all else stays as it is.

    It is a protobuf message: fields one after another, each a number and a kind, then its value.

    Raises:
        InputError: it is not such a file.
    """
    try:
        kept = [
            model[start:end]
            for number, start, value, end in _fields(model)
            if number != METADATA or _key(model[value:end]) not in keys
        ]
    except (IndexError, UnicodeDecodeError):
        raise InputError("the exported file is damaged; `imlgcn export` writes it again") from None
    return b"".join(kept)


def _fields(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield the number, start, start of the value and end of each field."""
    position = 0
    while position < len(data):
        start = position
        tag, position = _varint(data, position)
        kind = tag & 7
        if kind == 2:  # bytes
            length, position = _varint(data, position)
        elif kind == 0:
            length = _varint(data, position)[1] - position
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise IndexError
        if position + length > len(data):
            raise IndexError
        yield tag >> 3, start, position, position + length
        position += length


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128:
            return value, position


def _key(entry: bytes) -> str:
    """Return the key of an entry of the metadata (StringStringEntryProto)."""
    return next((entry[v:e].decode() for number, _, v, e in _fields(entry) if number == 1), "")
