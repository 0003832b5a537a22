"""What label names look like: lists, boxes, scores, combinations, captions; the first that fits."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from imlgcn.data.formats.combined import LOOSE_SIGNS, likeliest
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.data.problems import Problem, problem

FEW = 10  # images: with fewer it is no wonder that no label occurs twice
NUMBER = r"[-+]?(?:\d+(?:[.,]\d*)?|[.]\d+)(?:[eE][-+]?\d+)?"
NUMBERS = re.compile(rf"{NUMBER}(?:[\s,;]+{NUMBER})+")
FRACTION = re.compile(r"[-+]?\d*[.]\d+(?:[eE][-+]?\d+)?")
SCORE = re.compile(
    r"(.*[^\W\d].*?)[\s:=,(]+\(?([-+]?\d*[.]\d+(?:[eE][-+]?\d+)?|\d+(?:[.]\d+)?\s*%)\)?"
)
COUNTED = re.compile(r"(.*[^\W\d].*?)[\s:=x×(]+(\d{1,2})\)?")
LEADING = re.compile(r"\(?(\d*[.]\d+|\d{1,3}(?:[.]\d+)?\s*%?)\)?\s*[x×:,)]?\s+(\D.*[^\W\d].*|\D)")
PREFIX = re.compile(r"(?:labels?|tags?|classe?s?|keywords?|captions?)\s*[:=](?!:)", re.I)
CUT = re.compile(r"^[,;|]\s*\w|\w\s*[,;|]$")
VECTOR = re.compile(r"[01]{3,}")
BOOLEANS = {"0", "1", "-1", "0.0", "1.0", "-1.0", "true", "false", "yes", "no", "t", "f", "y", "n"}
SENTENCE = re.compile(r"(?:a|an|the|there|this|it|in|on|two|some|photo|picture|image)\b", re.I)
DOUBLE = ('"', "“", "”")  # quotes that no name begins or ends with
PAIRS = {"[": "]", "{": "}", "(": ")", "<": ">", "'": "'", '"': '"', "“": "”", "`": "`"}


@dataclass(frozen=True)
class Names:
    """Label names with the number of images of each.

    Attributes:
        names: of the labels.
        counts: images in which each is present.
        images: images with any label.
        single: fraction of these that have one label only.
        columns: whether each label was a column of the data.
    """

    names: Sequence[str]
    counts: Sequence[int]
    images: int
    single: float
    columns: bool = False

    @property
    def shown(self) -> list[str]:
        """The names of labels that some image shows, or all if none does."""
        return [n for n, count in zip(self.names, self.counts, strict=True) if count] or [
            *self.names
        ]


Question = Callable[[Names], Iterator[Problem]]


def what_names_are(names: Names) -> Iterator[Problem]:
    """Yield the first answer to what the names are, other than names."""
    for question in QUESTIONS:
        if found := list(question(names)):
            yield from found
            return


def _boxes(names: Names) -> Iterator[Problem]:
    rows = [name for name in names.names if NUMBERS.fullmatch(name)]
    if 2 * len(rows) >= len(names.names):
        five = sum(len(re.findall(NUMBER, name)) >= 5 for name in rows)
        what = "[label name is|label names are] {several} numbers"
        boxes = "a class and the box of an object, as YOLO writes them: give the folder with its "
        boxes += "data.yaml or classes.txt"
        vectors = "cells of a table or numbers of classes: name the labels, or if they are numbers "
        vectors += "of classes, delimiter=space"
        text = f"{what.replace('{several} ', '')}, {boxes if 2 * five >= len(rows) else vectors}"
        yield from problem("error", "numbers_as_labels", text, rows)


def _fractions(names: Names) -> Iterator[Problem]:
    rows = [name for name in names.names if FRACTION.fullmatch(name) and not name.endswith(".0")]
    if 2 * len(rows) >= len(names.names):
        text = "[label name is a fraction|label names are fractions], which look like cells of a "
        yield from problem("error", "numbers_as_labels", text + "table, not like labels", rows)


def _booleans(names: Names) -> Iterator[Problem]:
    vectors = len({len(name) for name in names.names if VECTOR.fullmatch(name)}) == 1
    vectors = vectors and all(VECTOR.fullmatch(name) for name in names.names)
    if vectors or all(name.lower() in BOOLEANS for name in names.names):
        yield from problem(
            "error",
            "booleans_as_labels",
            "[label is|labels are] only 0 and 1, yes and no: these are cells of a table, not "
            "names; give a column for each label, or a file with the names",
            list(names.names),
        )


def _files(names: Names) -> Iterator[Problem]:
    rows = [
        n for n in names.names if "." in n and f".{n.rpartition('.')[2].lower()}" in IMAGE_SUFFIXES
    ]
    if 2 * len(rows) >= len(names.names):
        text = "[label is the name of an image file|labels are names of image files]; is it the "
        yield from problem("error", "files_as_labels", text + "wrong column?", rows)


def _scores(names: Names) -> Iterator[Problem]:
    """Scores and counts behind names or in front of them; an index belongs to one name each."""
    found = {name: parts for name in names.names if (parts := name_and_score(name))}
    if 2 * len(found) < len(names.names):
        return
    bases = Counter(base for base, _ in found.values())
    whole = all(re.fullmatch(r"\d+", score) for _, score in found.values())
    recurring = 3 * sum(count for count in bases.values() if count > 1) >= 2 * len(found)
    scores = {score for _, score in found.values()}
    every = 10 * len(found) >= 9 * len(names.names) and len(scores) < len(found)
    if whole and (len(bases) < 2 or not (recurring or every)):
        return
    yield from problem(
        "error",
        "scores_in_names",
        "[label has a score or a number|labels have scores or numbers] behind or before the name: "
        "present_above=0.5 takes the names whose number is above that, present_above=0 all",
        [*found],
    )


def name_and_score(name: str) -> tuple[str, str] | None:
    """Return a name and the number behind it or before it; None if there is none.

    >>> name_and_score("open sea: 93 %"), name_and_score("2 boats"), name_and_score("boeing 747")
    (('open sea', '93 %'), ('boats', '2'), None)
    """
    if found := SCORE.fullmatch(name) or COUNTED.fullmatch(name):
        return found[1].strip(" ("), found[2]
    if found := LEADING.fullmatch(name):
        return found[2].strip(), found[1]
    return None


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
            "[label is a whole sentence|labels are whole sentences]: captions are no labels; name "
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
    *(_boxes, _fractions, _booleans, _files, _scores, _marks),
    *(_captions, _combinations, _long_names, _nothing_recurs),
)
