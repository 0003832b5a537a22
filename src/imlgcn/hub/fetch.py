"""A tagger of the hub on this machine: named files of one commit, from the hub's own cache.

Everything there may be hostile: only files of given names are downloaded, none before its size is
known, and what they hold is read as data. The client is huggingface_hub.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from imlgcn.extras import require
from imlgcn.hub.address import HubAddress
from imlgcn.hub.bars import bars_on_terminals
from imlgcn.hub.errors import HubError, explained, is_unreachable
from imlgcn.numbers import number

if TYPE_CHECKING:
    from huggingface_hub import HfApi, ModelInfo

SECONDS = 10.0  # to wait for an answer
MB = 2**20


def fetch(
    address: HubAddress,
    wanted: Mapping[str, int],
    *,
    last: str,
    is_complete: Callable[[Path], bool],
) -> Path:
    """Return the folder of the cache that holds a revision of a repository.

    A commit that is there already costs no connection. A branch or a tag is looked up on the hub;
    where that cannot be reached, what it was when it was last looked up is taken, with a warning
    unless ``HF_HUB_OFFLINE`` is set.

    Args:
        address: the repository and its revision.
        wanted: names of files to download where they are there, and the most bytes of each.
        last: the one of them that must be there; downloaded after the others, it says that a folder
            has all.
        is_complete: whether a folder that has ``last`` has what that names.

    Raises:
        MissingLibraryError: huggingface_hub is not installed.
        HubError: no such repository, revision or file, no right to it, no answer, or a file that
            is too large.
    """
    require("huggingface_hub", str(address))
    if address.is_pinned and (found := _cached(address, last, is_complete)) is not None:
        return found
    from huggingface_hub import HfApi, constants

    api = HfApi(endpoint=constants.ENDPOINT)
    with explained(str(address)), bars_on_terminals():
        try:
            info = api.model_info(
                address.repository,
                revision=address.revision,
                files_metadata=True,
                timeout=SECONDS,
            )
        except Exception as error:
            if not is_unreachable(error):
                raise
            if (found := _cached(address, last, is_complete)) is None:
                raise
            _say_stale(address, found, error)
            return found
        return _download(api, address, info.sha, _chosen(address, info, wanted, last))


def _chosen(
    address: HubAddress, info: ModelInfo, wanted: Mapping[str, int], last: str
) -> list[str]:
    """Return the files to download, ``last`` as the last, after a look at their sizes."""
    sizes = {file.rfilename: file.size for file in info.siblings or ()}
    if last not in sizes:
        raise HubError(f"{address} holds no {last}: it is not a tagger of imlgcn")
    chosen = sorted((name for name in wanted if name in sizes), key=lambda name: name == last)
    for name in chosen:
        size = sizes[name]
        if size is None or size > wanted[name]:
            found = "of unknown size" if size is None else f"{number(size / MB)} MiB large"
            raise HubError(
                f"{name} of {address} is {found}, and at most {number(wanted[name] / MB, 0)} MiB "
                "are downloaded"
            )
    return chosen


def _download(api: HfApi, address: HubAddress, commit: str | None, names: list[str]) -> Path:
    """Download files, the last of ``names`` after the others; return their folder."""
    for some in (names[:-1], names[-1:]):
        # by its own name, not by the commit: the cache then knows what the branch or tag was
        found = api.snapshot_download(
            address.repository, revision=address.revision, allow_patterns=some
        )
        if Path(found).name != commit:
            raise HubError(f"{address} was changed while it was downloaded; try again")
    return Path(found)


def _cached(address: HubAddress, last: str, is_complete: Callable[[Path], bool]) -> Path | None:
    """Return the folder of a revision in the cache; None where it is not there as a whole."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(address.repository, last, revision=address.revision)
    if not isinstance(found, str) or not is_complete(Path(found).parent):
        return None
    return Path(found).parent


def _say_stale(address: HubAddress, folder: Path, error: Exception) -> None:
    from huggingface_hub.errors import OfflineModeIsEnabled

    if not isinstance(error, OfflineModeIsEnabled):
        warnings.warn(
            f"the hub cannot be reached: {address} is taken from the cache, at commit "
            f"{folder.name}, which may not be its newest",
            stacklevel=4,
        )
