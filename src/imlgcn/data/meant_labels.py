"""Labels as they are meant: a name that says "no label", names with a score behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from unicodedata import normalize

from imlgcn.data.formats.base import Record, Source
from imlgcn.data.guard_values import name_and_score
from imlgcn.errors import unknown_name
from imlgcn.numbers import plural


def in_one_form(source: Source) -> Source:
    """Return the data with each label in Unicode's composed form (NFC), and the same line ends.

    Systems spell an accent as one sign or as two (macOS in names of files); both look alike. The
    reason says where that joined labels.
    """
    forms = {name: _composed(name) for name in source.labels}
    if all(name == form for name, form in forms.items()):
        return source

    def composed(labels: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(forms.get(name) or _composed(name) for name in labels))

    records = []
    for record in source.records:
        present = composed(record.labels)
        rest = composed(record.unknown), composed(record.absent or ())
        unknown, absent = (tuple(n for n in names if n not in present) for names in rest)
        given = None if record.absent is None else absent
        records.append(replace(record, labels=present, unknown=unknown, absent=given))
    names = list(dict.fromkeys(forms.values()))
    joined = len(forms) - len(names)
    said = f"; {plural(joined, 'label')} joined with another that differs only in Unicode form"
    reason = source.reason + (said if joined else "")
    parents = [composed(pair) for pair in source.parents]
    levels = [(child, parent) for child, parent in parents if child != parent]
    return replace(source, labels=names, records=records, reason=reason, parents=levels)


def _composed(name: str) -> str:
    return normalize("NFC", name.replace("\r\n", "\n").replace("\r", "\n"))


def without_labels(source: Source, no_label: Sequence[str]) -> Source:
    """Return the data without the names that say that an image has no label.

    Raises:
        InputError: one of them is not a label of the data.
    """
    if not no_label:
        return source
    for name in no_label:
        if name not in source.labels:
            raise unknown_name("label", name, source.labels)

    def left(labels: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in labels if name not in no_label)

    records = [
        replace(
            record,
            labels=left(record.labels),
            unknown=left(record.unknown),
            absent=None if record.absent is None else left(record.absent),
        )
        for record in source.records
    ]
    return replace(source, labels=[*left(tuple(source.labels))], records=records)


def without_scores(source: Source, above: float) -> Source:
    """Return the data with ``sea`` for ``sea 0.93``, where its score is above a number."""
    parts = {name: _score(name) for name in source.labels}
    if 2 * sum(score is not None for _, score in parts.values()) < len(parts):
        return source
    kept = {name: base for name, (base, score) in parts.items() if score is None or score > above}

    def bases(labels: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(kept[name] for name in labels if name in kept))

    def treat(record: Record) -> Record:
        unknown = tuple(name for name in bases(record.unknown) if name not in bases(record.labels))
        return replace(record, labels=bases(record.labels), unknown=unknown)

    names = sorted({base for base, _ in parts.values()})
    return replace(source, labels=names, records=[treat(record) for record in source.records])


def _score(name: str) -> tuple[str, float | None]:
    """Return a name and the number behind it.

    >>> _score("open sea: 93 %"), _score("sea")
    (('open sea', 0.93), ('sea', None))
    """
    if (parts := name_and_score(name)) is None:
        return name, None
    number = parts[1].replace(" ", "")
    value = float(number.removesuffix("%"))
    return parts[0], value / 100 if number.endswith("%") else value
