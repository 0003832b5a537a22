"""Label names that are values, not names: boxes, fractions, 0 and 1, files, names with scores."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from imlgcn.data.guard_seen import Names, Question
from imlgcn.data.images import IMAGE_SUFFIXES
from imlgcn.data.problems import Problem, problem
from imlgcn.labels.label_cells import NO, YES

NUMBER = r"[-+]?(?:\d+(?:[.,]\d*)?|[.]\d+)(?:[eE][-+]?\d+)?"
NUMBERS = re.compile(rf"{NUMBER}(?:[\s,;]+{NUMBER})+")
FRACTION = re.compile(r"[-+]?\d*[.]\d+(?:[eE][-+]?\d+)?")
SCORE = re.compile(
    r"(.*[^\W\d].*?)[\s:=,(]+\(?([-+]?\d*[.]\d+(?:[eE][-+]?\d+)?|\d+(?:[.]\d+)?\s*%)\)?"
)
COUNTED = re.compile(r"(.*[^\W\d].*?)[\s:=x×(]+(\d{1,2})\)?")
LEADING = re.compile(r"\(?(\d*[.]\d+|\d{1,3}(?:[.]\d+)?\s*%?)\)?\s*[x×:,)]?\s+(\D.*[^\W\d].*|\D)")
LONGEST = 300  # characters of a name with a number; longer ones would take long to look through
ANSWER = re.compile(r"(.*[^\W\d].*?)\s*[:=]\s*(\S+)")
HASHTAG = re.compile(r"\S\s+#\w")
VECTOR = re.compile(r"[01]{3,}")
BOOLEANS = {"-1", "-1.0", *YES, *NO} - {"-", "×"}


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


def _answers(names: Names) -> Iterator[Problem]:
    """A yes or no behind each name, as in ``animal: yes``."""
    short = [name for name in names.names if len(name) <= LONGEST]
    found = [n for n in short if (p := ANSWER.fullmatch(n)) and p[2].lower() in BOOLEANS]
    if 2 * len(found) >= len(names.names):
        yield from problem(
            "error",
            "answers_in_names",
            "[label has|labels have] a yes or no behind the name, so that 'no' is a label as well; "
            "write the names that are present alone, or a column for each label",
            found,
        )


def _hashtags(names: Names) -> Iterator[Problem]:
    """Hashtags that end a sentence, as in ``a fine day #sea #sun``."""
    found = [name for name in names.names if HASHTAG.search(name)]
    if 2 * len(found) >= len(names.names):
        yield from problem(
            "error",
            "hashtags_in_text",
            "[label is|labels are] a text with hashtags in it; keep only the hashtags, as "
            "'#sea #sun'",
            found,
        )


def name_and_score(name: str) -> tuple[str, str] | None:
    """Return a name and the number behind it or before it; None if there is none.

    >>> name_and_score("open sea: 93 %"), name_and_score("2 boats"), name_and_score("boeing 747")
    (('open sea', '93 %'), ('boats', '2'), None)
    """
    if len(name) > LONGEST:
        return None
    if found := SCORE.fullmatch(name) or COUNTED.fullmatch(name):
        return found[1].strip(" ("), found[2]
    if found := LEADING.fullmatch(name):
        return found[2].strip(), found[1]
    return None


VALUES: tuple[Question, ...] = (_boxes, _fractions, _booleans, _files, _answers, _hashtags, _scores)
