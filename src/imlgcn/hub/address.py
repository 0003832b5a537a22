"""The address of a tagger on the hub, ``hf-hub:user/name`` or ``hf-hub:user/name@revision``.

The prefix is timm's. A revision is a branch, a tag or a commit; only a commit is the same for ever.
Names follow the hub's own rules (huggingface_hub, "validate_repo_id"), folders the layout of its
cache (huggingface_hub, "Understand caching"): ``models--user--name/snapshots/COMMIT``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePath

from imlgcn.errors import InputError

PREFIX = "hf-hub:"
NAME = r"[A-Za-z0-9_](?:[\w.-]{0,94}[A-Za-z0-9_])?"
REPOSITORY = re.compile(rf"(?!.*(?:--|\.\.))({NAME}/{NAME})", re.ASCII)
REVISION = re.compile(r"(?!.*\.\.)[\w][\w./-]{0,199}", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}")
SNAPSHOT = re.compile(rf"models--({NAME})--({NAME})/snapshots/([0-9a-f]{{40}})(?:/|$)", re.ASCII)


@dataclass(frozen=True)
class HubAddress:
    """A repository of the hub and one of its revisions; None: its main branch."""

    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{PREFIX}{self.repository}" + (f"@{self.revision}" if self.revision else "")

    @property
    def is_pinned(self) -> bool:
        """Whether the revision is a commit, which never changes."""
        return COMMIT.fullmatch(self.revision or "") is not None


def repository_name(text: str) -> str:
    """Return ``user/name``, given with the prefix or without it.

    >>> repository_name("hf-hub:ada/sea-tagger")
    'ada/sea-tagger'

    Raises:
        InputError: it is not such a name.
    """
    name = text.removeprefix(PREFIX)
    if not REPOSITORY.fullmatch(name):
        raise InputError(
            f"{text!r} is not a repository of the hub: expected user/name, of letters, digits and "
            "single -, _ and ."
        )
    return name


def hub_address(path: str | Path, revision: str | None = None) -> HubAddress | None:
    """Return the address that a path is; None for a path on this machine.

    >>> hub_address("hf-hub:ada/sea-tagger@v1")
    HubAddress(repository='ada/sea-tagger', revision='v1')
    >>> hub_address("runs/demo") is None
    True

    Raises:
        InputError: it has the prefix but is not an address, or names two revisions.
    """
    text = path.as_posix() if isinstance(path, PurePath) else str(path)
    if not text.startswith(PREFIX):
        if revision is not None:
            raise InputError(f"a revision is of a tagger on the hub, {PREFIX}user/name; got {text}")
        return None
    name, at, given = text.partition("@")
    if at and revision not in (None, given):
        raise InputError(f"{text} names a revision, and {revision!r} was given besides: give one")
    wanted = given if at else revision
    if wanted is not None and not REVISION.fullmatch(wanted):
        raise InputError(f"{wanted!r} is not a revision: expected a branch, a tag or a commit")
    return HubAddress(repository_name(name), wanted)


def snapshot_of(path: str | Path) -> HubAddress | None:
    """Return the address of a folder in the hub's cache, or of a file in it; None elsewhere.

    >>> commit = "0123456789abcdef0123456789abcdef01234567"
    >>> str(snapshot_of(Path("hub/models--ada--sea/snapshots", commit)))
    'hf-hub:ada/sea@0123456789abcdef0123456789abcdef01234567'
    """
    found = SNAPSHOT.search(PurePath(path).as_posix())
    return HubAddress(f"{found[1]}/{found[2]}", found[3]) if found else None


def refuse_hub(path: str | Path, what: str) -> None:
    """Raise before ``what`` (such as "an export") is written into a tagger of the hub.

    A commit in the cache would no longer be what it was; programs share that cache.

    Raises:
        InputError: ``path`` is an address of the hub, or is in a folder of its cache.
    """
    address = hub_address(path) or snapshot_of(Path(path).absolute())
    if address is not None:
        raise InputError(
            f"{address} is on the hub, and {what} changes the folder of a tagger: take a copy of "
            f"your own (`imlgcn pull {address}`) and give that"
        )
