"""Answers to an audit: read from a CSV, written back as a new table of the data.

The data are never changed. A CSV keeps its columns, its order and every cell that is not answered;
data of another format, and CSVs that cannot hold an answer, become the CSV that ``imlgcn split``
writes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from imlgcn.auditing.outputs import check_new_file
from imlgcn.data.dataset import Dataset, Record
from imlgcn.data.formats.csv import (
    NAME,
    VALUES,
    Table,
    image_names,
    is_table,
    read_table,
    separator_of,
)
from imlgcn.data.formats.delimiters import split_cells
from imlgcn.data.formats.excel import SUFFIXES as EXCEL
from imlgcn.data.formats.text_files import read_text
from imlgcn.data.source import DataSource
from imlgcn.data.written_split import image_cells, write_split_csv
from imlgcn.errors import InputError, unknown_name
from imlgcn.files import write_atomic
from imlgcn.progress import SILENT, Progress
from imlgcn.spreadsheets import inert_rows

MEANING = {
    **dict.fromkeys(("yes", "y", "1", "true"), True),
    **dict.fromkeys(("no", "n", "0", "false"), False),
    **dict.fromkeys(("", "?", "skip"), None),
}
Answers = dict[tuple[int, int], bool]  # (row, label) -> whether the image shows it


def correct(
    data: str | Path | DataSource,
    answers: str | Path | bytes,
    out: str | Path,
    *,
    progress: Progress = SILENT,
) -> int:
    """Write the data with the answers as a new CSV; return how many targets are changed.

    Args:
        data: what was audited.
        answers: a CSV with the columns ``image``, ``label`` and ``answer`` (yes, no, or empty):
            what the page gives, or the table of findings with answers filled in. Bytes are its
            content.
        out: a ``.csv`` file that does not exist.
        progress: told about the unpacking of an archive.

    Raises:
        InputError: an unknown image, label or answer, two answers that contradict, or a file that
            exists; nothing is written then.
    """
    out = Path(out)
    check_new_file(out, ".csv", "out")
    source = DataSource.of(data)
    dataset = source.load(progress)
    if isinstance(answers, bytes):
        given = read_answers(Path("answers"), dataset, answers)
    else:
        given = read_answers(Path(answers), dataset)
    changed = {
        (row, label): shown
        for (row, label), shown in given.items()
        if dataset.targets[row, label] != int(shown)
    }
    own = None
    if dataset.reader == NAME and (table := _plain_table(source, dataset)) is not None:
        own = _edited(table, dataset, changed, source.delimiter, out)
    if own is None:
        corrected = _corrected(dataset, changed)
        write_split_csv(corrected, [record.split for record in corrected.records], out)
    else:
        write_atomic(out, own)
    return len(changed)


def _plain_table(source: DataSource, dataset: Dataset) -> Table | None:
    """Return the data's own CSV if its columns and rows are those of what was read."""
    path = Path(source.path)
    if not is_table(path) or path.suffix.lower() in EXCEL or source.present_above is not None:
        return None  # one in a zip, or what a CSV cannot hold
    try:
        table = read_table(path)
    except InputError:  # it was read in another way, such as without a header
        return None
    plain = source.minus_one != "absent" and len(table.rows) == len(dataset)
    named = table.find("image") is not None and not (source.image_column or source.label_columns)
    labels = table.find("labels") is not None or all(
        name in table.header and set(map(str.lower, table.column(table.index(name)))) <= set(VALUES)
        for name in dataset.names
    )
    return table if plain and named and labels else None


def read_answers(path: Path, dataset: Dataset, content: bytes | None = None) -> Answers:
    """Read the answers to the labels of ``dataset``; empty ones are left out.

    ``content`` is what would be in the file, where there is none.

    Raises:
        InputError: with the file and the line that is wrong.
    """
    if content is None and not path.is_file():
        raise InputError(f"no file {path}; expected answers, a CSV with image, label and answer")
    table = read_table(path, content)
    image, label, answer = (table.index(name) for name in ("image", "label", "answer"))
    rows: dict[str, list[int]] = {}
    for row, record in enumerate(dataset.records):
        rows.setdefault(record.name, []).append(row)
    columns = {name: index for index, name in enumerate(dataset.names)}
    found: Answers = {}
    for number, name in enumerate(image_names(table, image)):
        where, asked = table.at(number), table.rows[number][label]
        if name not in rows:
            raise InputError(f"{where}the data has no image {name!r}; give the data of the audit")
        if asked not in columns:
            raise InputError(f"{where}{unknown_name('label', asked, columns)}")
        shown = _meaning(table.rows[number][answer], where)
        entries = [] if shown is None else [(row, columns[asked]) for row in rows[name]]
        if any(found.get(entry, shown) != shown for entry in entries):
            raise InputError(f"{where}{asked!r} of {name} has two different answers; keep one")
        found |= dict.fromkeys(entries, bool(shown))
    return found


def _meaning(cell: str, where: str) -> bool | None:
    try:
        return MEANING[cell.lower()]
    except KeyError:
        raise InputError(f"{where}the answer {cell!r} is not yes, no or empty") from None


def _corrected(dataset: Dataset, changed: Answers) -> Dataset:
    """Return the data with other targets, and records that say the same."""
    targets = dataset.targets.copy()
    for (row, label), shown in changed.items():
        targets[row, label] = int(shown)
    records = list(dataset.records)
    for row in {row for row, _ in changed}:
        records[row] = _record(records[row], dataset.names, targets[row])
    return replace(dataset, records=tuple(records), targets=targets)


def _record(record: Record, names: Sequence[str], targets: np.ndarray) -> Record:
    present, absent, unknown = (
        tuple(name for name, target in zip(names, targets, strict=True) if target == value)
        for value in (1, 0, -1)
    )
    listed = record.absent is not None  # then what is not listed is unknown
    return replace(
        record,
        labels=present,
        unknown=() if listed else unknown,
        absent=absent if listed else None,
    )


def _edited(
    table: Table, dataset: Dataset, changed: Answers, delimiter: str | None, out: Path
) -> str | None:
    """Return the text of a table with the changed cells; None where it cannot hold them."""
    rows = [list(cells) for cells in table.rows]
    images = table.index("image")
    if out.absolute().parent != table.path.absolute().parent:
        for cells, name in zip(rows, image_cells(dataset, out), strict=True):
            cells[images] = name
    labels = table.find("labels")
    if labels is None:
        columns = {name: table.header.index(name) for name in dataset.names}
        for (row, label), shown in changed.items():
            rows[row][columns[dataset.names[label]]] = str(int(shown))
    else:
        delimiter = split_cells(table.column(labels), delimiter).delimiter
        if delimiter is None:
            return None
        for row in {row for row, _ in changed}:
            answered = {
                dataset.names[label]: shown
                for (where, label), shown in changed.items()
                if where == row
            }
            if (cell := _labels_cell(rows[row][labels], delimiter, answered)) is None:
                return None
            rows[row][labels] = cell
    text = io.StringIO()
    separator = separator_of(read_text(table.path))
    writer = csv.writer(text, delimiter=separator, lineterminator="\n")
    writer.writerows(inert_rows([table.header, *rows]))
    return text.getvalue()


def _labels_cell(cell: str, delimiter: str, answered: Mapping[str, bool]) -> str | None:
    """Return a cell of labels with some added or taken away.

    None for a cell with a lone ``?``, whose other labels are unknown: it cannot say no.

    >>> _labels_cell("dog; ?cat;owl", ";", {"cat": True, "owl": False})
    'dog;cat'
    """
    parts = [part for raw in cell.split(delimiter) if (part := raw.strip())]
    if "?" in parts and not all(answered.values()):
        return None
    kept = [part for part in parts if part.removeprefix("?").strip() not in answered or part == "?"]
    return delimiter.join([*kept, *(name for name, shown in answered.items() if shown)])
