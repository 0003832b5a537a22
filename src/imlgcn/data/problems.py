"""One kind of problem of a data set, and the sentence that says how often it occurs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from imlgcn.numbers import number

NUM_EXAMPLES = 5  # printed for people; programs get all
Level = Literal["error", "warning", "note"]  # note: nothing to do
LEVELS: tuple[Level, ...] = ("error", "warning", "note")  # worst first
EITHER = re.compile(r"\[([^\[\]|]*)\|([^\[\]|]*)\]")


@dataclass(frozen=True)
class Problem:
    """One kind of problem.

    Attributes:
        level: how bad it is.
        kind: its name, for programs.
        count: how often it occurs.
        message: a sentence with the count, and what to do.
        examples: all its cases in words.
        groups: the members of each case, where a case is a group of images.
        shown: how many of the examples are printed for people.
    """

    level: Level
    kind: str
    count: int
    message: str
    examples: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...] = ()
    shown: int = NUM_EXAMPLES


def counted(count: int, text: str) -> str:
    """Return a sentence about so many things; ``[one|several]`` is worded by their number.

    The number stands at ``{n}``, or else in front.

    >>> counted(1, "[label is|labels are] in no image")
    '1 label is in no image'
    >>> counted(1200, "all {n} [label is a number|labels are numbers]")
    'all 1,200 labels are numbers'
    """
    whole = text if "{n}" in text else f"{{n}} {text}"
    return EITHER.sub(r"\1" if count == 1 else r"\2", whole).replace("{n}", number(count, 0))


def problem(
    level: Level,
    kind: str,
    text: str,
    found: Sequence[str],
    *,
    groups: Sequence[Sequence[str]] = (),
    shown: int = NUM_EXAMPLES,
) -> Iterator[Problem]:
    """Yield a problem if anything is found; ``text`` is worded by :func:`counted`."""
    if found:
        members = tuple(map(tuple, groups))
        message = counted(len(found), text)
        yield Problem(level, kind, len(found), message, tuple(found), members, shown)
