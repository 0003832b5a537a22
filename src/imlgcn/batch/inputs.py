"""What the user gives stands for files: folders, patterns, lists, tables, tars, addresses."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from glob import has_magic, iglob
from pathlib import Path
from typing import NamedTuple

from imlgcn.batch.names import Names, own_path, tidy
from imlgcn.batch.output import INPUTS, MANIFEST
from imlgcn.batch.packs import is_pack
from imlgcn.batch.remote import file_system, is_address, reason_of, without_query
from imlgcn.batch.tables import BESIDE
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.errors import InputError
from imlgcn.prediction.paths import ExpandedPaths, expand


class Inputs(NamedTuple):
    """Image files by name, packs by name, and how many files were of formats that are not read."""

    images: list[str]
    packs: list[str]
    skipped: Counter[str]


def find_inputs(given: Sequence[str]) -> Inputs:
    """Return what paths and addresses stand for, each file once, by the name it is met by first.

    A path stands for what it does in :func:`imlgcn.prediction.expand_paths`; a ``.parquet`` for the
    images of its rows, a tar for those in it; folders, patterns and lists for these as well. An
    address is a file by its suffix, else a folder; in a list it is a file.

    Raises:
        InputError: something does not exist, or there is nothing to tag.
    """
    images: list[str] = []
    packs: list[str] = []
    found, met = ExpandedPaths(), Names()
    for path in map(own_path, given):
        for name in _files(path, found.skipped):
            if met.is_new(name):
                (packs if is_pack(name) else images).append(tidy(name))
    if not (images or packs):
        where = ", ".join("standard input" if path == "-" else path for path in given)
        raise InputError(
            f"no images in {where or 'an empty list of paths'} (working folder {Path.cwd()}); give "
            f"image files, tables, tars or folders that hold some; {found.sentence()}".rstrip("; ")
        )
    return Inputs(images, packs, found.skipped)


def _files(path: str, skipped: Counter[str]) -> Iterable[str]:
    """Return the images and packs that one argument stands for."""
    if path == "-":
        return (name for line in _lines() for name in _on_a_line(line, skipped))
    if is_address(path):
        return _at_address(path)
    if os.path.isdir(path):
        return [*expand(path, skipped), *_packs_below(path)]
    if os.path.exists(path):
        return [path] if is_pack(path) else map(_allowed, expand(path, skipped))
    return _matches(path, skipped) if has_magic(path) else expand(path, skipped)


def _lines() -> Iterator[str]:
    """Yield the lines on standard input that are not empty; names may hold any bytes."""
    raw = getattr(sys.stdin, "buffer", None)
    for line in sys.stdin if raw is None else map(os.fsdecode, raw):
        if name := line.rstrip("\r\n"):
            yield name


def _on_a_line(line: str, skipped: Counter[str]) -> Iterable[str]:
    """Return what a line of a list stands for; a missing file is left to become a row."""
    line = own_path(line)
    return _files(line, skipped) if os.path.isdir(line) else [line]


def _allowed(name: str) -> str:
    """Return the name, from a table.

    Raises:
        InputError: an address of another kind than those that a table may name.
    """
    if is_address(name) and name.partition("://")[0].lower() not in BESIDE:
        raise InputError(f"{name}: a table may name addresses of {', '.join(BESIDE)} only")
    return name


def _packs_below(folder: str) -> Iterator[str]:
    """Yield the packs in a folder and below; what a run has written is none."""
    for place, folders, names in os.walk(folder):
        if {MANIFEST, INPUTS} <= {*names}:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if is_pack(name) and not name.startswith("."):
                yield os.path.join(place, name)


def _matches(pattern: str, skipped: Counter[str]) -> list[str]:
    """Return the images and packs that match a pattern.

    Raises:
        InputError: there are none.
    """
    names = filter(is_pack, iglob(pattern, recursive=True))
    packs = sorted(name for name in names if os.path.isfile(name))
    try:
        return [*expand(pattern, skipped), *packs]
    except InputError:  # no image, which is no matter beside packs
        if not packs:
            raise
        return packs


def _at_address(address: str) -> list[str]:
    """Return the images and packs at an address: itself, matches of a pattern, or those below.

    Raises:
        InputError: it cannot be opened, or there is nothing.
    """
    system = file_system(address)
    if has_magic(without_query(address)):
        found = system.glob(address)
    elif _is_wanted(address):
        return [address]
    else:
        try:
            found = system.find(address)
        except Exception as error:  # each file system has errors of its own
            raise InputError(f"{address}: cannot be listed ({reason_of(error, address)})") from None
    names = [system.unstrip_protocol(name) for name in sorted(found)]
    if not (kept := [name for name in names if _is_wanted(name)]):
        raise InputError(
            f"no images at {address}: give the address of an image, a .parquet, a .tar, or of a "
            "folder that can be listed"
        )
    return kept


def _is_wanted(address: str) -> bool:
    suffix = os.path.splitext(without_query(address))[1].lower()
    return is_pack(address) or suffix in IMAGE_SUFFIXES
