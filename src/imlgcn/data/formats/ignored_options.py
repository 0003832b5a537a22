"""Options that a reader does not read are refused: what is ignored silently is taken as done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from imlgcn.data.formats.base import EVERY_OPTION, Format, ReadOptions, Source
from imlgcn.errors import InputError

# load_dataset itself takes groups from further columns, and scores off names
ALWAYS = ("group_column", "present_above")


def options_of(reader: Format) -> tuple[str, ...]:
    """Return the options that a reader reads, in the order of :data:`EVERY_OPTION`."""
    read = {*reader.OPTIONS, *(["variant"] if hasattr(reader, "VARIANTS") else [])}
    return tuple(name for name in EVERY_OPTION if name in read)


def refuse_ignored(
    source: object, options: ReadOptions, read: Sequence[str], how: str, besides: Sequence[str] = ()
) -> None:
    """Refuse an option that is given and not among those that are ``read``.

    Args:
        source: the data, for the message.
        options: of the user.
        read: the options that apply, for the message as well.
        how: what the data is, such as "read by coco".
        besides: options that are treated elsewhere.

    Raises:
        InputError: with the option that does not apply, and those that do.
    """
    for name in EVERY_OPTION:
        if name not in (*read, *besides) and getattr(options, name) not in (None, ()):
            raise InputError(f"{source}: {name}= does not apply to data {how}; {applying(read)}")


def applying(read: Sequence[str]) -> str:
    """Return which options apply, for a message."""
    listed = ", ".join(f"{name}=" for name in read)
    return f"what applies: {listed}" if read else "no option applies; leave it out"


def read_by(reader: Format, source: Path | str, options: ReadOptions, why: str) -> Source:
    """Read a source by a reader that was chosen because of ``why``.

    Raises:
        InputError: an option does not apply to this reader, or as :meth:`Format.read` says.
    """
    if not getattr(reader, "ASKS_OTHERS", False):
        how = f"read by {reader.NAME} ({why})"
        refuse_ignored(source, options, options_of(reader), how, ALWAYS)
    return reader.read(source, replace(options, why=why))
