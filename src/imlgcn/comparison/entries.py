"""The entries of a comparison: heads with options, as on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from imlgcn.config import CONTROL, merge_settings, parse_setting
from imlgcn.errors import InputError, unknown_name


@dataclass(frozen=True)
class Entry:
    """One row of a comparison: a head and the options that differ from its preset."""

    head: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """How the entry is written: ``iml_gcn:graph=identity``."""
        return ":".join([self.head, *(f"{key}={value}" for key, value in self.options.items())])


def parse_entries(text: str) -> tuple[Entry, ...]:
    """Return the entries of a comma-separated list; ``all`` stands for every head.

    Options follow a head after colons. The linear control comes first, whether named or not.

    >>> [entry.name for entry in parse_entries("iml_gcn:graph=identity:hidden=64,mlp")]
    ['linear', 'iml_gcn:graph=identity:hidden=64', 'mlp']

    Raises:
        InputError: an unknown head or option, or an entry that is named twice.
    """
    from imlgcn.models import HEADS, head_options

    entries = [Entry(CONTROL)]
    for part in (part.strip() for part in text.split(",")):
        if part == "all":
            entries += [Entry(name) for name in HEADS if name != CONTROL]
            continue
        head, *options = part.split(":")
        if head not in HEADS:
            raise unknown_name("head", head, [*HEADS, "all"])
        given = merge_settings(*(parse_setting(option) for option in options))
        head_options(head, **given)  # an InputError names an unknown option
        if part != CONTROL:
            entries.append(Entry(head, given))
    names = [entry.name for entry in entries]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{', '.join(twice)} is named twice; name every entry once")
    return tuple(entries)
