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
    if all(name.lower() in BOOLEANS for name in names.names):
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
    found = [name for name in names.names if SCORE.fullmatch(name)]
    if 2 * len(found) < len(names.names):
        return
    text = (
        "[label ends|labels end] in a score, as a tagger writes it: present_above=0.5 takes the "
        "names whose score is above that number, present_above=0 all"
    )
    yield from problem("error", "scores_in_names", text, found)


def _counted(names: Names) -> Iterator[Problem]:
    found = [match for name in names.names if (match := COUNTED.fullmatch(name))]
    bases = Counter(match[1].strip() for match in found)
    if len(bases) < 2 or 2 * len(found) < len(names.names) or min(bases.values()) < 2:
        return
    text = (
        "[label ends|labels end] in a number, the same names with several: present_above=0 takes "
    )
    text += "the names whose number is above 0"
    yield from problem("error", "scores_in_names", text, [match[0] for match in found])


def _marks(names: Names) -> Iterator[Problem]:
    found = [name for name in names.names if _is_marked(name)]
    if 20 * len(found) >= len(names.names):
        yield from problem(
            "error",
            "marks_around_names",
            "[label has|labels have] brackets or quotes around [it|them]: a list was taken apart "
            "at the wrong signs; write one of ; , | between labels, and say so: delimiter=';'",
            found,
        )


def _is_marked(name: str) -> bool:
    """Return whether a name has an open bracket, or stands in brackets or quotes."""
    if any(name.count(left) != name.count(PAIRS[left]) for left in "[{"):
        return True
    first, last = name[:1], name[-1:]
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
    if names.single < 0.9 and (loose and not found.certain):
        return
    compounds = [name for name in shown if found.sign in name]
    sign = "space" if found.sign == " " else found.sign
    yield from problem(
        "error",
        "combinations_as_labels",
        f"[label is a combination|labels are combinations] of the words of others: "
        f"delimiter={sign!r} would make {found.words} labels of {found.names}",
        compounds,
    )


def _captions(names: Names) -> Iterator[Problem]:
    words = [len(name.split()) for name in names.names]
    sentences = [
        name
        for name, count in zip(names.names, words, strict=True)
        if count > 7 or (count > 3 and (SENTENCE.match(name) or name.endswith((".", "!"))))
    ]
    if 2 * len(sentences) >= len(names.names):
        text = "[label is a whole sentence|labels are whole sentences]: captions are no labels; "
        yield from problem(
            "error", "sentences_as_labels", text + "name what images have in common", sentences
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
    *(_boxes, _fractions, _booleans, _files, _scores, _counted, _marks),
    *(_combinations, _captions, _nothing_recurs),
)
