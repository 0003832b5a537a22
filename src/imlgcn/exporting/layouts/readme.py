"""The README of a layout: where it comes from, how it is installed, what differs."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from imlgcn.exporting.layouts.base import Given
from imlgcn.files import write_atomic
from imlgcn.numbers import plural


def write_readme(folder: Path, given: Given, text: str, notes: Sequence[str]) -> None:
    """Write ``README.md`` into a layout's folder."""
    info = given.info
    head = (
        f"# {given.name}\n\n"
        f"Written by imlgcn {version('imlgcn')} from the tagger "
        f"`{given.tagger.path.resolve().name}`: {plural(len(given.shown), 'label')}, "
        f"{info.backbone.name} + {info.head.name}, {info.image.size} x {info.image.size} pixels.\n"
    )
    more = "".join(f"- {note}\n" for note in notes)
    write_atomic(folder / "README.md", f"{head}\n{text}{more}")
