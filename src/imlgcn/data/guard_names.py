"""What label names look like: values, parts of lists, combinations, captions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from imlgcn.data.formats.combined import LOOSE_SIGNS, likeliest
from imlgcn.data.guard_seen import Names, Question
from imlgcn.data.guard_values import VALUES
from imlgcn.data.problems import Problem, problem

FEW = 10  # images: with fewer it is no wonder that no label occurs twice
PREFIX = re.compile(r"(?:labels?|tags?|classe?s?|keywords?|captions?)\s*[:=](?!:)", re.I)
CUT = re.compile(r"^[,;|]\s*\w|\w\s*[,;|]$")
SENTENCE = re.compile(r"(?:a|an|the|there|this|it|in|on|two|some|photo|picture|image)\b", re.I)
NUMBERED = re.compile(r"\(?\d{1,3}[.):]\s*(?=\D)")
DOUBLE = ('"', "“", "”")  # quotes that no name begins or ends with
PAIRS = {"[": "]", "{": "}", "(": ")", "<": ">", "'": "'", '"': '"', "“": "”", "`": "`"}


def what_names_are(names: Names) -> Iterator[Problem]:
    """Yield the first answer to what the names are, other than names."""
    for question in QUESTIONS:
        if found := list(question(names)):
            yield from found
            return


def _marks(names: Names) -> Iterator[Problem]:
    found = [name for name in names.names if _is_marked(name)]
    if 20 * len(found) >= len(names.names):
        yield from problem(
            "error",
            "marks_around_names",
            "[label has|labels have] brackets, quotes or signs around [it|them]: a list was taken "
            "apart at the wrong signs; write one of ; , | between labels, and say which "
            "(delimiter=';')",
            found,
        )


def _is_marked(name: str) -> bool:
    """Return whether a name has an open bracket, or stands in brackets or quotes."""
    if any(name.count(left) != name.count(PAIRS[left]) for left in "[{"):
        return True
    first, last = name[:1], name[-1:]
    if PREFIX.match(name) or CUT.search(name):
        return True
    if first in DOUBLE or last in DOUBLE or (len(name) > 1 and PAIRS.get(first) == last):
        return True
    return first == "'" and " " not in name


def _combinations(names: Names) -> Iterator[Problem]:
    shown = names.shown
    if len(shown) < 3:
        return
    found = likeliest(shown)
    if found is None:
        return
    loose = found.sign in LOOSE_SIGNS or found.sign.isalpha()
    if names.single < 0.9 and loose and not found.firm:
        return
    compounds = [name for name in shown if found.sign in name]
    sign = "space" if found.sign == " " else found.sign
    yield from problem(
        "error",
        "combinations_as_labels",
        f"[label is a combination|labels are combinations] of the words of others: "
        f"delimiter='{sign}' would make {found.words} labels of {found.names}",
        compounds,
    )


def _numbered(names: Names) -> Iterator[Problem]:
    found = [name for name in names.names if NUMBERED.match(name)]
    bare = {NUMBERED.sub("", name) for name in found}
    if 2 * len(found) >= len(names.names) and len(bare) < len(found):
        yield from problem(
            "error",
            "numbers_before_names",
            "[label has its number in a list before it|labels have their number in a list before "
            "them], so that one label is several; write the names alone",
            found,
        )


def _captions(names: Names) -> Iterator[Problem]:
    yield from _sentences(names, lambda name: bool(SENTENCE.match(name)) or name[-1:] in ".!")


def _long_names(names: Names) -> Iterator[Problem]:
    yield from _sentences(names, lambda name: len(name.split()) > 7)


def _sentences(names: Names, is_sentence: Callable[[str], bool]) -> Iterator[Problem]:
    found = [name for name in names.names if len(name.split()) > 3 and is_sentence(name)]
    if 2 * len(found) >= len(names.names):
        yield from problem(
            "error",
            "sentences_as_labels",
            "[label is a whole sentence|labels are whole sentences]: captions are not labels; name "
            "what images have in common",
            found,
        )


def _nothing_recurs(names: Names) -> Iterator[Problem]:
    once = [n for n, count in zip(names.names, names.counts, strict=True) if count == 1]
    if names.images >= FEW and 2 * len(once) > sum(names.counts):
        yield from problem(
            "error",
            "labels_occur_once",
            "[label occurs|labels occur] in one image only, so that nothing can be learnt about "
            "most images; if a label is several, tell what separates them (delimiter=)",
            once,
        )


QUESTIONS: tuple[Question, ...] = (
    *(*VALUES, _marks, _numbered, _captions, _combinations, _long_names, _nothing_recurs),
)
