"""Pull: a tagger of the hub as a folder of one's own, which may be changed."""

from __future__ import annotations

import shutil
from pathlib import Path

from imlgcn.errors import InputError
from imlgcn.hub.address import PREFIX, hub_address
from imlgcn.tagger.fetched import WANTED, local_path
from imlgcn.tagger.folder import MODEL


def pull(address: str | Path, out: str | Path) -> Path:
    """Copy a tagger of the hub into a folder, and return where the hub's cache has it.

    Args:
        address: ``user/name`` or ``hf-hub:user/name``, with or without ``@revision``.
        out: the folder; new or empty.

    Raises:
        InputError: a wrong address, or a folder that is not empty.
        MissingLibraryError, HubError: as for :func:`imlgcn.hub.fetch.fetch`.
    """
    text = Path(address).as_posix()
    text = text if text.startswith(PREFIX) else PREFIX + text
    hub_address(text)
    out = Path(out)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InputError(f"{out} is not empty: give another out=")
    folder = local_path(text)
    out.mkdir(parents=True, exist_ok=True)
    there = [name for name in WANTED if (folder / name).is_file()]
    for name in sorted(there, key=lambda name: name == MODEL):  # last: then it is complete
        shutil.copyfile(folder / name, out / name)
    return folder
