"""Are names combinations of each other's parts, such as ``sea sun``, ``sun`` and ``sea boat sun``?

Then a delimiter was not found: each image has one "label", and few words make many of them. Names
of several words, as in ``palm tree``, ``open sea``, do not recur in every company and place.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

SIGNS = (
    *(";", ",", "|", "/", "+", "&", "\\", ">", "、", "，", "；", "·", "•", "~", "*", ":", "."),
    *("^", "%20", "<br>", " and ", " und ", "-", "_", " "),
)
NO_NAMES = {
    "a",
    "an",
    "the",
    "and",
    "or",
    "of",
    "with",
    "in",
    "on",
    "at",
    "by",
    "to",
    "is",
    "und",
    "et",
}
LOOSE_SIGNS = ("-", "_", " ", ".", ":")  # which are inside of names, too


@dataclass(frozen=True)
class Combination:
    """How well a sign explains names as combinations.

    Attributes:
        sign: what would stand between labels.
        names: how many different names there are.
        words: how many there were if the sign separated labels.
        compounds: names of several words.
        long: names of three words or more.
        explained: fraction of the compounds whose every word is in another name as well.
        free: fraction of their words that are alone somewhere, or in several places in a name.
        sentences: whether one of the words is not a name, such as "and".
    """

    sign: str
    names: int
    words: int
    compounds: int
    long: int
    explained: float
    free: float
    sentences: bool

    @property
    def certain(self) -> bool:
        """Whether the sign separates labels without doubt."""
        return self.firm and self.long >= 2 and not self.sentences

    @property
    def firm(self) -> bool:
        """Whether few words make most of the names, in every company."""
        few = 3 * self.words <= 2 * self.names and 2 * self.compounds >= self.names
        return few and self.explained >= 0.9 and self.free >= 0.6

    @property
    def likely(self) -> bool:
        """Whether to ask: nobody would name labels so."""
        most = 5 * self.compounds >= 2 * self.names
        return most and self.words < self.names and self.explained >= 0.7 and self.free >= 0.5


def parts_of(name: str, sign: str) -> tuple[str, ...]:
    """Return the parts of a name between a sign, stripped, without empty ones."""
    return tuple(part for raw in name.split(sign) if (part := raw.strip()))


def combination(names: Iterable[str], sign: str) -> Combination | None:
    """Return how well ``sign`` explains the names; None if it is in fewer than two.

    >>> found = combination(["sea sun", "sun", "sea boat", "boat sun sea", "boat sun"], " ")
    >>> (found.words, found.compounds, found.explained, found.likely)
    (3, 4, 1.0, True)
    >>> combination(["palm tree", "open sea", "sea", "tree"], " ").likely
    False
    """
    split = [parts for name in dict.fromkeys(names) if (parts := parts_of(name, sign))]
    compounds = [parts for parts in split if len(parts) > 1]
    if len(compounds) < 2:
        return None
    used = Counter(word for parts in split for word in set(parts))
    places: dict[str, set[str]] = defaultdict(set)
    for parts in split:
        for index, word in enumerate(parts):
            places[word].add(_place(index, len(parts)))
    inside = {word for parts in compounds for word in parts}
    free = sum("alone" in places[word] or len(places[word]) > 1 for word in inside)
    explained = sum(all(used[word] > 1 for word in parts) for parts in compounds)
    return Combination(
        sign,
        len(split),
        len(used),
        len(compounds),
        sum(len(parts) > 2 for parts in compounds),
        explained / len(compounds),
        free / len(inside),
        any(word.lower() in NO_NAMES for word in inside),
    )


def _place(index: int, length: int) -> str:
    if length == 1:
        return "alone"
    return "first" if index == 0 else "last" if index == length - 1 else "middle"


def likeliest(names: Iterable[str], signs: Iterable[str] = SIGNS) -> Combination | None:
    """Return the combination that makes the fewest labels, among the likely ones."""
    names = list(dict.fromkeys(names))
    found = (combination(names, sign) for sign in signs)
    likely = [each for each in found if each is not None and each.likely]
    return min(likely, key=lambda each: (each.words, -each.compounds), default=None)
