"""Where a tagger is on this machine: one on the hub is downloaded, as data only.

Safetensors, JSON, ONNX, the label table and settings; of a tagger that was sent with the names of
its images (``imlgcn push --with-support``), also their Parquet files. No code, no pickle, no page.
"""

from __future__ import annotations

from pathlib import Path

from imlgcn.errors import InputError
from imlgcn.hub.address import hub_address
from imlgcn.hub.fetch import MB, fetch
from imlgcn.tagger.folder import (
    CONFIG,
    LABEL_TABLE,
    LEARNT,
    METRICS,
    MODEL,
    SCORES,
    SUPPORT,
    WEIGHTS,
    exported_name,
)
from imlgcn.tagger.info import read_info

ONNX = exported_name(".onnx")
# the most bytes of each that are downloaded: 2 GiB is the most that an ONNX file can have
WANTED = {
    WEIGHTS: 16 * 1024 * MB,
    ONNX: 2 * 1024 * MB,
    METRICS: 256 * MB,
    CONFIG: MB,
    LABEL_TABLE: 64 * MB,
    SCORES: 4 * 1024 * MB,
    SUPPORT: 4 * 1024 * MB,
    LEARNT: 1024 * MB,
    MODEL: 256 * MB,
}


def local_path(path: str | Path, revision: str | None = None) -> Path:
    """Return where a tagger is on this machine, downloaded if its address is one of the hub.

    Args:
        path: a folder, an exported file, or ``hf-hub:user/name`` with or without ``@revision``.
        revision: a branch, a tag or a commit of the hub.

    Raises:
        InputError: a wrong address, or a revision of a path on this machine.
        MissingLibraryError, HubError: as for :func:`imlgcn.hub.fetch.fetch`.
    """
    address = hub_address(path, revision)
    if address is None:
        return Path(path)
    return fetch(address, WANTED, last=MODEL, is_complete=_is_complete)


def _is_complete(folder: Path) -> bool:
    """Return whether a folder has the files that its ``model.json`` names."""
    try:
        named = set(read_info(folder).sha256)
    except InputError:
        return False
    return all((folder / name).is_file() for name in named & set(WANTED))
