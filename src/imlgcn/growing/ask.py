"""The images a person is asked about: a table to answer, and its answers.

A CSV with the columns ``label``, ``image`` and ``answer``; the answer is empty, ``yes`` or ``no``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from imlgcn.errors import InputError
from imlgcn.files import write_atomic
from imlgcn.growing.add import Added
from imlgcn.spreadsheets import bare, inert_rows

COLUMNS = ("label", "image", "answer")
YES, NO = ("yes", "y", "1", "true", "ja", "x"), ("no", "n", "0", "false", "nein")


def doubtful_images(added: Sequence[Added], count: int) -> list[tuple[str, str]]:
    """Return (label, image) of the training images that look most like each label."""
    return [(one.name, image) for one in added for image in one.doubtful[:count]]


def write_questions(path: Path, added: Sequence[Added], count: int) -> int:
    """Write a table with up to ``count`` images of each label; return how many rows it has."""
    rows = doubtful_images(added, count)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(inert_rows((label, image, "") for label, image in rows))
    write_atomic(path, text.getvalue())
    return len(rows)


def read_answers(path: Path) -> dict[str, dict[str, int]]:
    """Return the answers of a table: label -> image -> 1 or 0; rows without an answer are left out.

    Raises:
        InputError: no such file, other columns, or an answer that is neither yes nor no.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the answers in {path} cannot be read: {error}") from None
    dialect = (
        ";" if text.partition("\n")[0].count(";") > text.partition("\n")[0].count(",") else ","
    )
    rows = csv.DictReader(io.StringIO(text), delimiter=dialect)
    if missing := [name for name in COLUMNS if name not in (rows.fieldnames or ())]:
        raise InputError(f"{path} lacks the column {missing[0]!r}; it needs {', '.join(COLUMNS)}")
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        answer = (row["answer"] or "").strip().lower()
        if not answer:
            continue
        if answer not in YES + NO:
            raise InputError(f"{path}, line {rows.line_num}: answer yes or no; got {answer!r}")
        found.setdefault(bare(row["label"]), {})[bare(row["image"])] = int(answer in YES)
    return found
